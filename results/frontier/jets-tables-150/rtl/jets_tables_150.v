// v<n> is what operation n gives, v<n>_<s> its copy in the registers before pipeline stage s, T<n> a table: entry 0 in the lowest bits.
`timescale 1 ns / 1 ps

module jets_tables_150 (
    input wire clk,
    input wire [95:0] model_inp,
    output reg [39:0] model_out
);
localparam [31:0]
T3 = 32'h1fdffc7c,
T11 = 32'h1abe0,
T12 = 32'h2ffe0,
T15 = 32'h1bf8;
localparam [63:0]
T1 = 64'hfffeaa5540000000,
T10 = 64'h11156afffff,
T20 = 64'h3fffeff900003b0;
localparam [95:0]
T6 = 96'h8d249220a4884924d272efff,
T9 = 96'h4930c8eddadd64dab72491b,
T13 = 96'hfffdb6d6db648da480000019,
T16 = 96'h8db48920000000a4e5dbfffa;
localparam [127:0]
T2 = 128'h222344456678888aabbbcdddeeeeffc,
T4 = 128'h11233467789aabccefabcdfabbce,
T7 = 128'h766665655455554466679a9abcddeffe,
T17 = 128'h20112344456677889abcdddddcbbf,
T19 = 128'hcccbbaaabdcb99776543001247accf,
T21 = 128'hffffeeedefffeeca9764100247acbe;
localparam [159:0]
T0 = 160'hffbbcdeb38bdab49ca307b9ac5a928398a418820,
T5 = 160'h4b14c5298d746bae739cefbfffffffffbdef777a,
T8 = 160'h3a9295296a62d6b5b5d2d6f7bdf37ce6f7ad6716,
T14 = 160'hff37bce717b569394a307bdce6b5ac5a94b52560;
localparam [191:0]
T18 = 192'h9a48923fffffffdb5b6cb236c80013fdb1920016369124f;
localparam [255:0]
T23 = 256'ha20244454898798988989788778666664656f86432332343445456678898999a;
localparam [319:0]
T22 = 320'h69002210e7125884a5485312b62d2a5a168431d0d498729ce8421294a94a5296c639ef842308c653;
reg [3:0]
v25_1;
reg [4:0]
v41_1,v46_1;
reg [5:0]
v35_1,v59_1,v62_1;
reg [95:0]
inputs;
wire [0:0]
v9,v55;
wire [1:0]
v4,v24,v26,v27,v38,v49;
wire [2:0]
v15,v20,v21,v30,v39,v44;
wire [3:0]
v8,v10,v17,v25,v37,v42,v47,v50,v60;
wire [4:0]
v2,v3,v6,v7,v12,v13,v14,v16,v18,v19,v23,v29,v32,v33,v34,v40,v41,v45,v46,v53,v54,v57;
wire [5:0]
v0,v1,v5,v11,v22,v28,v31,v35,v36,v43,v51,v52,v56,v58,v59,v61,v62,v63;
wire [6:0]
v48;
wire signed [7:0]
logit0,logit1,logit2,logit3,logit4;
assign
v0 = 6'd39,
v1 = inputs[5:0],
v2 = (v1 >>> 1),
v3 = T0[5*v2 +: 5],
v4 = T1[2*v3 +: 2],
v5 = inputs[17:12],
v6 = (v5 >>> 1),
v7 = T0[5*v6 +: 5],
v8 = T2[4*v7 +: 4],
v9 = T3[v6],
v10 = T4[4*v6 +: 4],
v11 = inputs[23:18],
v12 = (v11 >>> 1),
v13 = T0[5*v12 +: 5],
v14 = T5[5*v13 +: 5],
v15 = T6[3*v13 +: 3],
v16 = v8 + v15,
v17 = T7[4*v13 +: 4],
v18 = v4 + v17,
v19 = T8[5*v13 +: 5],
v20 = T9[3*v12 +: 3],
v21 = v9 + v20,
v22 = inputs[47:42],
v23 = (v22 >>> 1),
v24 = T10[2*v23 +: 2],
v25 = v21 + v24,
v26 = T11[2*v25_1 +: 2],
v27 = T12[2*v25 +: 2],
v28 = inputs[65:60],
v29 = (v28 >>> 1),
v30 = T13[3*v29 +: 3],
v31 = inputs[95:90],
v32 = (v31 >>> 1),
v33 = T0[5*v32 +: 5],
v34 = T14[5*v33 +: 5],
v35 = v16 + v34,
v36 = v35_1 + v26,
v37 = (v33 >>> 1),
v38 = T15[2*v37 +: 2],
v39 = T16[3*v33 +: 3],
v40 = v18 + v39,
v41 = v40 + v27,
v42 = T17[4*v33 +: 4],
v43 = inputs[89:84],
v44 = T18[3*v43 +: 3],
v45 = v44 + v10,
v46 = v45 + v30,
v47 = T19[4*v46_1 +: 4],
v48 = v36 + v47,
v49 = T20[2*v46_1 +: 2],
v50 = T21[4*v46_1 +: 4],
v51 = v41_1 + v50,
v52 = $signed({1'b0, v51}) + 7'sd15,
v53 = v43,
v54 = T0[5*v53 +: 5],
v55 = (v43 >>> 5),
v56 = {v55, v54},
v57 = T22[5*v56 +: 5],
v58 = v57 + v14,
v59 = v58 + v38,
v60 = T23[4*v56 +: 4],
v61 = v60 + v19,
v62 = v61 + v42,
v63 = v62_1 + v49,
logit0 = v52 <<< 0,
logit1 = v48 <<< 0,
logit2 = v63 <<< 0,
logit3 = v59_1 <<< 0,
logit4 = v0 <<< 0;
always @(posedge clk) begin
inputs <= model_inp;
v25_1 <= v25;
v35_1 <= v35;
v41_1 <= v41;
v46_1 <= v46;
v59_1 <= v59;
v62_1 <= v62;
model_out[7:0] <= logit0;
model_out[15:8] <= logit1;
model_out[23:16] <= logit2;
model_out[31:24] <= logit3;
model_out[39:32] <= logit4;
end
endmodule
