// Self-checking testbench of {{ design.top }}: a new row at every clock; every logit of every row is compared
// with outputs.hex {{ design.latency_cycles }} clock periods later. It ends in one line, PASS or FAIL; after FAIL it stops ($stop).
`timescale 1 ns / 1 ps

module {{ design.top }}_tb;
    // Run it in the folder of these files, or give their paths.
    parameter INPUTS = "inputs.hex";
    parameter OUTPUTS = "outputs.hex";
    localparam ROWS = {{ rows }};
    localparam LATENCY = {{ design.latency_cycles }};
    localparam LOGITS = {{ design.output.elements }};
    localparam BITS = {{ design.output.bits }};

    reg [{{ design.input.width }}-1:0] inputs [0:ROWS-1];
    reg [{{ design.output.width }}-1:0] outputs [0:ROWS-1];
    reg clk;
    reg [{{ design.input.width }}-1:0] model_inp;
    wire [{{ design.output.width }}-1:0] model_out;
    reg [{{ design.output.width }}-1:0] expected;
    reg signed [BITS-1:0] want, got, first_want, first_got;
    integer edges, row, logit, wrong_rows, wrong_logits, wrong_before, first_row, first_logit, file;

    {{ design.top }} dut (.clk(clk), .model_inp(model_inp), .model_out(model_out));

    task fail;
        begin
            $stop;
            $finish;
        end
    endtask

    initial begin
        wrong_rows = 0;
        wrong_logits = 0;
        file = $fopen(INPUTS, "r");
        if (file != 0) begin
            $fclose(file);
            file = $fopen(OUTPUTS, "r");
        end
        if (file == 0) begin
            $display("FAIL: no %0s or %0s here; run in the folder that holds them", INPUTS, OUTPUTS);
            fail;
        end else begin
            $fclose(file);
            $readmemh(INPUTS, inputs);
            $readmemh(OUTPUTS, outputs);
            for (edges = 0; edges < ROWS + LATENCY; edges = edges + 1) begin
                // Inputs change half a period before the edge that takes them.
                clk = 1'b0;
                model_inp = inputs[edges % ROWS];
                #{{ half_ns }} clk = 1'b1;
                #{{ half_ns }} ;
                if (edges >= LATENCY) begin
                    row = edges - LATENCY;
                    expected = outputs[row];
                    wrong_before = wrong_logits;
                    for (logit = 0; logit < LOGITS; logit = logit + 1) begin
                        want = expected[BITS*logit +: BITS];
                        got = model_out[BITS*logit +: BITS];
                        if (got !== want || ^want === 1'bx) begin
                            if (wrong_logits == 0) begin
                                first_row = row;
                                first_logit = logit;
                                first_want = want;
                                first_got = got;
                            end
                            wrong_logits = wrong_logits + 1;
                        end
                    end
                    if (wrong_logits != wrong_before) wrong_rows = wrong_rows + 1;
                end
            end
            if (wrong_logits == 0) begin
                $display("PASS: %0d logits of %0d rows are as expected, %0d clock periods after their inputs",
                         LOGITS * ROWS, ROWS, LATENCY);
                $finish;
            end else begin
                $display("FAIL: %0d of %0d logits in %0d of %0d rows differ; first: row %0d, logit %0d: %0d, not %0d",
                         wrong_logits, LOGITS * ROWS, wrong_rows, ROWS, first_row, first_logit, first_got, first_want);
                fail;
            end
        end
    end
endmodule
