// v<n> is what operation n gives, v<n>_<s> its copy in the registers before pipeline stage s, T<n> a table: entry 0 in the lowest bits.
`timescale 1 ns / 1 ps

module jets_tables_90 (
    input wire clk,
    input wire [95:0] model_inp,
    output reg [39:0] model_out
);
localparam [63:0]
T7 = 64'h3fffffa9500001be;
localparam [95:0]
T6 = 96'h16edfffffd6c6d120000151a,
T9 = 96'h12526e3976ffffd0;
localparam [127:0]
T1 = 128'h111223456789aaabcccdeeefeffffee,
T3 = 128'h22222121111000013457899bbdceffff,
T4 = 128'h210000100000000012244557798bcdef,
T10 = 128'h10002244455677899abddfffeedbf,
T11 = 128'h966664343332222233445688bcdeffd5,
T13 = 128'hc01bffffffffffffd00158515557bfec;
localparam [159:0]
T0 = 160'h21ce84a96c6bdf18ca74adaf7c6739d6b5ad6f78,
T2 = 160'h1463294e64210742992e77bef7ffff7b9bde717,
T5 = 160'h146518ca643216ce73adf3bef7bdeef77bdeb17,
T8 = 160'hfef39c5ab59ca2f7358b52927318a320c4318460;
localparam [191:0]
T14 = 192'he8192ffffff6ffefbedb5db59100126e391b925b77dffd75;
localparam [255:0]
T15 = 256'hb001334549a98a9a99a8a999878667754534f641101001113455667a9bcccbcb;
localparam [319:0]
T12 = 320'h8100229509129e962da95bd4d7b54b61d6943a12fd1a7194c639d074a50a5b18d73a1194e95ad6d4;
reg [4:0]
v12_1,v16_1;
reg [5:0]
v27_1,v32_1;
reg [6:0]
v24_1,v39_1;
reg [95:0]
inputs;
wire [1:0]
v14,v25;
wire [2:0]
v0,v13,v18,v30;
wire [3:0]
v4,v8,v9,v19,v20,v36;
wire [4:0]
v2,v3,v6,v7,v10,v12,v16,v17,v22,v26,v31;
wire [5:0]
v1,v5,v11,v15,v21,v23,v27,v28,v32,v33,v34,v37,v38;
wire [6:0]
v24,v29,v35,v39;
wire signed [7:0]
logit0,logit1,logit2,logit3,logit4;
assign
v0 = 3'd5,
v1 = inputs[17:12],
v2 = (v1 >>> 1),
v3 = T0[5*v2 +: 5],
v4 = T1[4*v2 +: 4],
v5 = inputs[23:18],
v6 = (v5 >>> 1),
v7 = T2[5*v6 +: 5],
v8 = T3[4*v6 +: 4],
v9 = T4[4*v6 +: 4],
v10 = T5[5*v6 +: 5],
v11 = inputs[29:24],
v12 = (v11 >>> 1),
v13 = T6[3*v12_1 +: 3],
v14 = T7[2*v12_1 +: 2],
v15 = inputs[95:90],
v16 = (v15 >>> 1),
v17 = T8[5*v16_1 +: 5],
v18 = T9[3*v16 +: 3],
v19 = T10[4*v16 +: 4],
v20 = T11[4*v16_1 +: 4],
v21 = inputs[89:84],
v22 = T12[5*v21 +: 5],
v23 = v22 + v10,
v24 = v23 + v18,
v25 = T13[2*v21 +: 2],
v26 = v25 + v3,
v27 = v26 + v9,
v28 = v27_1 + v14,
v29 = v28 + v17,
v30 = T14[3*v21 +: 3],
v31 = v30 + v4,
v32 = v31 + v8,
v33 = v32_1 + v13,
v34 = v33 + v20,
v35 = $signed({1'b0, v34}) + 8'sd9,
v36 = T15[4*v21 +: 4],
v37 = v36 + v7,
v38 = v37 + v19,
v39 = $signed({1'b0, v38}) + 8'sd3,
logit0 = v35 <<< 0,
logit1 = v29 <<< 0,
logit2 = v39_1 <<< 0,
logit3 = v24_1 <<< 0,
logit4 = v0 <<< 3;
always @(posedge clk) begin
inputs <= model_inp;
v12_1 <= v12;
v16_1 <= v16;
v24_1 <= v24;
v27_1 <= v27;
v32_1 <= v32;
v39_1 <= v39;
model_out[7:0] <= logit0;
model_out[15:8] <= logit1;
model_out[23:16] <= logit2;
model_out[31:24] <= logit3;
model_out[39:32] <= logit4;
end
endmodule
