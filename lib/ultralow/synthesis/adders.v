// Which adders become plain logic before the rest becomes carry chains: those of up to three bits, or of six bits in all,
// which fit in tables better than in a chain, and those of a constant, whose sum is often read in one bit only (a
// threshold).
(* techmap_celltype = "$alu" *)
module small_adder (A, B, CI, BI, X, Y, CO);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter [A_WIDTH-1:0] _TECHMAP_CONSTMSK_A_ = 0;
    parameter [B_WIDTH-1:0] _TECHMAP_CONSTMSK_B_ = 0;

    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    input CI, BI;
    output [Y_WIDTH-1:0] X, Y, CO;

    // Bits that are no constants: an unsigned number among signed ones brings a zero in front, a shifted one some behind.
    function integer variable(input [A_WIDTH+B_WIDTH:0] constants);
        integer k;
        begin
            variable = 0;
            for (k = 0; k < A_WIDTH + B_WIDTH; k = k + 1)
                variable = variable + !constants[k];
        end
    endfunction
    localparam inputs = variable({_TECHMAP_CONSTMSK_A_, _TECHMAP_CONSTMSK_B_});

    wire _TECHMAP_FAIL_ = Y_WIDTH > 3 && inputs > 6 && !(&_TECHMAP_CONSTMSK_A_) && !(&_TECHMAP_CONSTMSK_B_);

    wire [Y_WIDTH-1:0] left, right;
    generate
        // A constant zero arrives as an operand without bits.
        if (A_WIDTH == 0) begin: no_a
            assign left = 0;
        end else begin: has_a
            \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) extend (.A(A), .Y(left));
        end
        if (B_WIDTH == 0) begin: no_b
            assign right = 0;
        end else begin: has_b
            \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) extend (.A(B), .Y(right));
        end
    endgenerate
    wire [Y_WIDTH-1:0] operand = BI ? ~right : right;
    wire [Y_WIDTH:0] carry;
    assign carry[0] = CI;
    assign X = left ^ operand;
    assign Y = X ^ carry[Y_WIDTH-1:0];
    assign CO = carry[Y_WIDTH:1];

    genvar i;
    generate for (i = 0; i < Y_WIDTH; i = i + 1) begin: ripple
        assign carry[i+1] = (left[i] & operand[i]) | (carry[i] & (left[i] | operand[i]));
    end endgenerate
endmodule
