// v<n> is what operation n gives, v<n>_<s> its copy in the registers before pipeline stage s, T<n> a table: entry 0 in the lowest bits.
`timescale 1 ns / 1 ps

module jets_tables_280 (
    input wire clk,
    input wire [95:0] model_inp,
    output reg [44:0] model_out
);
localparam [7:0]
T46 = 8'h23;
localparam [15:0]
T45 = 16'hb82;
localparam [31:0]
T2 = 32'hfffb8007,
T5 = 32'hffffd003,
T20 = 32'hfffef400;
localparam [47:0]
T26 = 48'h25ddfeb10;
localparam [63:0]
T15 = 64'hd287a9fc1af14da1,
T19 = 64'h15566a6bbfffffeb,
T22 = 64'h4556bffffbb,
T36 = 64'hff950002bfec,
T52 = 64'h3f4006ffa00030;
localparam [95:0]
T12 = 96'h2c90492002094802425b6ff6,
T16 = 96'hb2cae46d249a6e48db692688,
T17 = 96'hf2dffedb6da6b22440000002,
T21 = 96'hfb6b646da4892000004e7c5a,
T23 = 96'h2526e5bb7fbc,
T24 = 96'h12514926dc924b6dbb6,
T25 = 96'hdb6db5b6491b692248000000,
T27 = 96'h24000925372492db6edb6a7a,
T28 = 96'h1249249252525b76d99731,
T30 = 96'hd2464a008000249293b35de8,
T33 = 96'hfffffed6db238d2248000006,
T35 = 96'h8000029b7fffda4a80,
T39 = 96'hffd9180000880000000539bf,
T51 = 96'hcfffffffb5b14000,
T53 = 96'h13b21249cbb7f5a000000;
localparam [127:0]
T3 = 128'h113445689bdeffffffdd,
T4 = 128'hfffeeddcbba998887666555554554554,
T6 = 128'h531123467889aabbccccdddeeeeeeeff,
T7 = 128'h40001234567889aabbbbccdddedeeeff,
T8 = 128'h23345679a9d979babcdefffffeeffffe,
T9 = 128'h122456777a75698aabccccdcddeeffd,
T10 = 128'heeeeedddcac866766666655540000131,
T13 = 128'h3422234332234334454445577bbcdeff,
T31 = 128'h123355789abcdfffffff95,
T34 = 128'hecdccdcddcbbbaa98876664442211034,
T38 = 128'hdccbbaa9a4369ca93501234769bdefed,
T40 = 128'heeedcba9952569a880000023479bdeff,
T41 = 128'heedbcaa871047aa860000256579cefff,
T44 = 128'h8f038aaaaaa83cae40e550ab0f55ffe8,
T47 = 128'hfaffa400000001004ffe54004015555d,
T48 = 128'h2fe852101335789abccddcbbc,
T49 = 128'hcffb6100022579abcddddeeed;
localparam [159:0]
T0 = 160'hffbbcdeb38bdab49ca307b9ac5a928398a418820,
T1 = 160'h4210884310c84294e84a96d74233a56b7b6310,
T11 = 160'h1887194c953a7affbdefffdef7bdff7ffcef379,
T14 = 160'h14843a5495ad6a6b9f6ffb9ad6b7cdfbbad6334,
T18 = 160'had6949d2739460f839cd62d2731483080af5a089,
T29 = 160'h100020884531d085adae7c654adf3be77fdf775c,
T32 = 160'hfeb38b56738bded6292841cc518c410000000020;
localparam [255:0]
T43 = 256'h930510020343256755757566434221110202f75210110032122223455566777b,
T50 = 256'h100000001221224545667766767789ccdcb00255877889789a9999999aaaaaaa;
localparam [319:0]
T37 = 320'h3000010ca631ce74a96b5ad6b5ad8c635ad73df085296be33adf7bfffe1294a96beb7cb5ad6b566e,
T42 = 320'h58c0000043008e118c8011825310442008109d6ffc90400c6318c84210c731d08421296318d739ee;
reg [2:0]
v107_1,v107_2;
reg [3:0]
v59_1,v59_2;
reg [4:0]
v24_1,v54_1,v67_1,v77_1,v77_2,v87_1,v87_2,v87_3,v117_1,v117_2,v125_1,v125_2,v125_3;
reg [5:0]
v39_1,v47_1,v98_1,v103_1,v113_2;
reg [6:0]
v73_2,v100_2,v105_2,v110_3,v119_3,v121_3;
reg [7:0]
v129_3;
reg [95:0]
inputs;
wire [0:0]
v5,v8,v42,v94,v112;
wire [1:0]
v31,v38,v50,v79,v106,v108,v115,v130;
wire [2:0]
v26,v32,v33,v46,v55,v57,v58,v60,v63,v64,v69,v75,v78,v89,v107,v126,v134;
wire [3:0]
v6,v7,v12,v13,v17,v19,v21,v28,v51,v59,v71,v76,v88,v90,v91,v101,v118,v120,v122,v123;
wire [4:0]
v2,v3,v4,v10,v11,v15,v16,v18,v20,v23,v24,v25,v29,v30,v34,v36,v37,v41,v44,v45,v49,v53,v54,v62,v66,v67,v68,v72,v77,v81,v83,
v85,v87,v92,v93,v96,v116,v117,v124,v125;
wire [5:0]
v0,v1,v9,v14,v22,v27,v35,v39,v40,v43,v47,v48,v52,v56,v61,v65,v70,v80,v82,v84,v86,v95,v97,v98,v102,v103,v113,v114;
wire [6:0]
v73,v74,v99,v100,v104,v105,v109,v110,v119,v121,v127,v131,v132,v135,v136,v137;
wire [7:0]
v111,v128,v129,v133;
wire signed [8:0]
logit0,logit1,logit2,logit3,logit4;
assign
v0 = 6'd39,
v1 = inputs[5:0],
v2 = (v1 >>> 1),
v3 = T0[5*v2 +: 5],
v4 = T1[5*v3 +: 5],
v5 = T2[v3],
v6 = T3[4*v3 +: 4],
v7 = T4[4*v3 +: 4],
v8 = T5[v2],
v9 = inputs[11:6],
v10 = (v9 >>> 1),
v11 = T0[5*v10 +: 5],
v12 = T6[4*v11 +: 4],
v13 = T7[4*v11 +: 4],
v14 = inputs[17:12],
v15 = (v14 >>> 1),
v16 = T0[5*v15 +: 5],
v17 = T8[4*v16 +: 4],
v18 = v7 + v17,
v19 = T9[4*v16 +: 4],
v20 = v5 + v19,
v21 = T10[4*v15 +: 4],
v22 = inputs[23:18],
v23 = (v22 >>> 1),
v24 = T0[5*v23 +: 5],
v25 = T11[5*v24_1 +: 5],
v26 = T12[3*v24 +: 3],
v27 = v18 + v26,
v28 = T13[4*v24 +: 4],
v29 = v20 + v28,
v30 = T14[5*v24_1 +: 5],
v31 = T15[2*v23 +: 2],
v32 = T16[3*v23 +: 3],
v33 = T17[3*v23 +: 3],
v34 = T18[5*v23 +: 5],
v35 = inputs[35:30],
v36 = (v35 >>> 1),
v37 = T0[5*v36 +: 5],
v38 = T19[2*v37 +: 2],
v39 = v27 + v38,
v40 = inputs[47:42],
v41 = (v40 >>> 1),
v42 = T20[v41],
v43 = inputs[59:54],
v44 = (v43 >>> 1),
v45 = T0[5*v44 +: 5],
v46 = T21[3*v45 +: 3],
v47 = v29 + v46,
v48 = inputs[65:60],
v49 = (v48 >>> 1),
v50 = T22[2*v49 +: 2],
v51 = v33 + v50,
v52 = inputs[71:66],
v53 = (v52 >>> 1),
v54 = T0[5*v53 +: 5],
v55 = T23[3*v54_1 +: 3],
v56 = v47_1 + v55,
v57 = T24[3*v53 +: 3],
v58 = T25[3*v53 +: 3],
v59 = v32 + v58,
v60 = T26[3*v59_2 +: 3],
v61 = inputs[77:72],
v62 = (v61 >>> 1),
v63 = T27[3*v62 +: 3],
v64 = T28[3*v62 +: 3],
v65 = inputs[95:90],
v66 = (v65 >>> 1),
v67 = T0[5*v66 +: 5],
v68 = T29[5*v67_1 +: 5],
v69 = T30[3*v67_1 +: 3],
v70 = v39_1 + v69,
v71 = T31[4*v67_1 +: 4],
v72 = T32[5*v67_1 +: 5],
v73 = v56 + v72,
v74 = v73_2 + v60,
v75 = T33[3*v66 +: 3],
v76 = T34[4*v66 +: 4],
v77 = v51 + v76,
v78 = T35[3*v77_2 +: 3],
v79 = T36[2*v77_2 +: 2],
v80 = inputs[89:84],
v81 = T37[5*v80 +: 5],
v82 = v81 + v8,
v83 = v82,
v84 = v83 + v34,
v85 = v84,
v86 = v85 + v64,
v87 = v86,
v88 = T38[4*v87_2 +: 4],
v89 = T39[3*v87_3 +: 3],
v90 = T40[4*v87_3 +: 4],
v91 = T41[4*v87_3 +: 4],
v92 = v80,
v93 = T0[5*v92 +: 5],
v94 = (v80 >>> 5),
v95 = {v94, v93},
v96 = T42[5*v95 +: 5],
v97 = v96 + v6,
v98 = v97 + v12,
v99 = v98_1 + v25,
v100 = v99 + v71,
v101 = T43[4*v95 +: 4],
v102 = v101 + v4,
v103 = v102 + v13,
v104 = v103_1 + v30,
v105 = v104 + v68,
v106 = T44[2*v80 +: 2],
v107 = v106 + v31,
v108 = T45[2*v107_2 +: 2],
v109 = v105_2 + v108,
v110 = v109 + v78,
v111 = v110_3 + v91,
v112 = T46[v107_1],
v113 = v70 + v112,
v114 = v113_2 + v79,
v115 = T47[2*v80 +: 2],
v116 = v115 + v21,
v117 = v116 + v63,
v118 = T48[4*v117_2 +: 4],
v119 = v74 + v118,
v120 = T49[4*v117_2 +: 4],
v121 = v114 + v120,
v122 = T50[4*v80 +: 4],
v123 = v122 + v42,
v124 = v123 + v57,
v125 = v124 + v75,
v126 = T51[3*v125_2 +: 3],
v127 = v100_2 + v126,
v128 = v127 + v88,
v129 = $signed({1'b0, v128}) + 9'sd5,
v130 = T52[2*v125_3 +: 2],
v131 = v119_3 + v130,
v132 = v131 + v89,
v133 = $signed({1'b0, v132}) + 9'sd29,
v134 = T53[3*v125_3 +: 3],
v135 = v121_3 + v134,
v136 = v135 + v90,
v137 = $signed({1'b0, v136}) + 8'sd29,
logit0 = v137 <<< 0,
logit1 = v133 <<< 0,
logit2 = v111 <<< 0,
logit3 = v129_3 <<< 0,
logit4 = v0 <<< 1;
always @(posedge clk) begin
inputs <= model_inp;
v24_1 <= v24;
v39_1 <= v39;
v47_1 <= v47;
v54_1 <= v54;
v59_1 <= v59;
v59_2 <= v59_1;
v67_1 <= v67;
v73_2 <= v73;
v77_1 <= v77;
v77_2 <= v77_1;
v87_1 <= v87;
v87_2 <= v87_1;
v87_3 <= v87_2;
v98_1 <= v98;
v100_2 <= v100;
v103_1 <= v103;
v105_2 <= v105;
v107_1 <= v107;
v107_2 <= v107_1;
v110_3 <= v110;
v113_2 <= v113;
v117_1 <= v117;
v117_2 <= v117_1;
v119_3 <= v119;
v121_3 <= v121;
v125_1 <= v125;
v125_2 <= v125_1;
v125_3 <= v125_2;
v129_3 <= v129;
model_out[8:0] <= logit0;
model_out[17:9] <= logit1;
model_out[26:18] <= logit2;
model_out[35:27] <= logit3;
model_out[44:36] <= logit4;
end
endmodule
