// Each sum of two becomes an adder of its own. Left to alumacc, sums of sums become carry-save trees, which take two
// tables a bit where a carry chain takes one.
(* techmap_celltype = "$add $sub" *)
module sum_of_two (A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_CELLTYPE_ = "";

    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;
    wire [Y_WIDTH-1:0] X, CO;

    localparam minus = _TECHMAP_CELLTYPE_ == "$sub";
    \$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH))
        adder (.A(A), .B(B), .CI(minus), .BI(minus), .X(X), .Y(Y), .CO(CO));
endmodule
