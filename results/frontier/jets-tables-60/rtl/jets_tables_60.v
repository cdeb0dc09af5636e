// v<n> is what operation n gives, v<n>_<s> its copy in the registers before pipeline stage s, T<n> a table: entry 0 in the lowest bits.
`timescale 1 ns / 1 ps

module jets_tables_60 (
    input wire clk,
    input wire [95:0] model_inp,
    output reg [34:0] model_out
);
localparam [31:0]
T6 = 32'h3fffc001,
T7 = 32'h7ffffe01;
localparam [63:0]
T9 = 64'h9a9544000015affc,
T10 = 64'h56abfffab;
localparam [95:0]
T1 = 96'h49493725b6dbb6df6db7fff,
T3 = 96'h69249124920024928a4dbbbf;
localparam [127:0]
T0 = 128'h222334456678899abbccddeeeeeeffe,
T2 = 128'h77777777666665556678899aabccefff,
T4 = 128'h32233445555566affffffefeffefffe,
T5 = 128'h3232234579ceddefeffffefeeedefec,
T8 = 128'hfeeddccbbaa987765544332100000000;
localparam [191:0]
T12 = 192'h8000492e37246e38db499289249ec800000000824a49b6dc;
localparam [255:0]
T11 = 256'h71001133046455545646654442432568f96313333334444555666677889aaabc;
reg [95:0]
inputs;
wire [0:0]
v15,v19;
wire [1:0]
v25,v28;
wire [2:0]
v4,v9,v33;
wire [3:0]
v3,v7,v11,v12,v23,v30;
wire [4:0]
v0,v2,v6,v8,v10,v14,v16,v18,v20,v22,v26,v27,v31,v32,v34,v35,v36;
wire [5:0]
v1,v5,v13,v17,v21,v24,v29;
wire signed [6:0]
logit0,logit1,logit2,logit3,logit4;
assign
v0 = 5'd19,
v1 = inputs[17:12],
v2 = (v1 >>> 1),
v3 = T0[4*v2 +: 4],
v4 = T1[3*v2 +: 3],
v5 = inputs[23:18],
v6 = (v5 >>> 1),
v7 = T2[4*v6 +: 4],
v8 = v4 + v7,
v9 = T3[3*v6 +: 3],
v10 = v3 + v9,
v11 = T4[4*v6 +: 4],
v12 = T5[4*v6 +: 4],
v13 = inputs[29:24],
v14 = (v13 >>> 1),
v15 = T6[v14],
v16 = v8 + v15,
v17 = inputs[35:30],
v18 = (v17 >>> 1),
v19 = T7[v18],
v20 = v10 + v19,
v21 = inputs[95:90],
v22 = (v21 >>> 1),
v23 = T8[4*v22 +: 4],
v24 = v20 + v23,
v25 = T9[2*v22 +: 2],
v26 = v16 + v25,
v27 = $signed({1'b0, v26}) + 6'sd4,
v28 = T10[2*v22 +: 2],
v29 = inputs[89:84],
v30 = T11[4*v29 +: 4],
v31 = v30 + v12,
v32 = $signed({1'b0, v31}) + 6'sd1,
v33 = T12[3*v29 +: 3],
v34 = v33 + v11,
v35 = v34 + v28,
v36 = $signed({1'b0, v35}) + 6'sd4,
logit0 = v27 <<< 0,
logit1 = v24 <<< 0,
logit2 = v36 <<< 0,
logit3 = v32 <<< 0,
logit4 = v0 <<< 0;
always @(posedge clk) begin
inputs <= model_inp;
model_out[6:0] <= logit0;
model_out[13:7] <= logit1;
model_out[20:14] <= logit2;
model_out[27:21] <= logit3;
model_out[34:28] <= logit4;
end
endmodule
