// Each product becomes one multiplier of the device, without registers inside: 27 bits by 18.
(* techmap_celltype = "$mul" *)
module product (A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;

    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;

    wire _TECHMAP_FAIL_ = !A_SIGNED || !B_SIGNED || A_WIDTH > 27 || B_WIDTH > 18 || Y_WIDTH > 45;

    wire [29:0] a;
    wire [17:0] b;
    wire [47:0] p;
    \$pos #(.A_SIGNED(1), .A_WIDTH(A_WIDTH), .Y_WIDTH(30)) extend_a (.A(A), .Y(a));
    \$pos #(.A_SIGNED(1), .A_WIDTH(B_WIDTH), .Y_WIDTH(18)) extend_b (.A(B), .Y(b));
    DSP48E2 #(.AREG(0), .BREG(0), .MREG(0), .PREG(0)) multiplier (.A(a), .B(b), .P(p));
    assign Y = p;
endmodule
