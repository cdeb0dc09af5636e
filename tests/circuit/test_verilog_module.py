"""A module as it is shipped and as the synthesis reads it: the same circuit, table by table."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import input_rows, random_network

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.circuit.verilog_module import MARK, Assign, Join, Lookup, Module, Register, Split, Wire, parse, spelled_out
from ultralow.errors import StudyError
from ultralow.synthesis import testbench


def module(table=(5, 0, 7, 2), bits=3, signed_key=False) -> Module:
    """One of everything; the table's key has as many bits as it takes."""
    key, out = Wire("v0", (len(table) - 1).bit_length(), signed_key), Wire("v1", bits, True)
    wires = {name: Wire(name, width, sign) for name, width, sign in [
        ("v2", 2 * bits, False), ("v3", 6, True), ("v4_w", 7, True), ("v4", 6, True), ("logit0", 6, True)]}
    pieces = (Register(Wire("inputs", 4, False), "model_inp"), Assign(key, f"inputs[{key.bits - 1}:0]"), Lookup(out, key, table),
              Register(Wire("v1_1", bits, True), "v1"), Register(Wire("v1_2", bits, True), "v1_1"),
              Join(wires["v2"], Wire("v1_2", bits, True), Wire("v1_2", bits, True)),
              Split(wires["v3"], 2, "v1_2", "(v1_2 >>> 2) + v1_2"),
              Assign(wires["v4_w"], "v3 + v1_2"), Assign(wires["v4"], "v4_w >>> 1"), Assign(wires["logit0"], "v4 <<< 0"),
              Register(Wire("model_out[5:0]", 6, True), "logit0", port=True))
    return Module("m", 4, 6, pieces)


def chosen(text: str, out: str, key: int) -> int:
    """What the choices in a text spelled out give for a key: each line evaluated by itself."""
    values = {"1'd0": 0, "1'd1": 1}
    for name, bit, high, low in re.findall(rf"wire ({out}_t\d+) = \w+\[(\d+)\] \? (\S+) : (\S+);", text):
        values[name] = values[high] if key >> int(bit) & 1 else values[low]
    bits, = re.findall(rf" {out} = \{{([^}}]*)\}};", text)
    code = 0
    for node in bits.split(", "):
        code = code << 1 | values[node]
    return code


@st.composite
def tables(draw) -> tuple[int, list[int], bool]:
    """Bits of a result, a table of up to four bits, and whether its key is signed."""
    bits, entries = draw(st.integers(1, 6)), 2 ** draw(st.integers(1, 4))
    return bits, draw(st.lists(st.integers(0, 2**bits - 1), min_size=entries, max_size=entries)), draw(st.booleans())


@settings(deadline=None, max_examples=100)
@given(tables())
def test_a_table_is_one_constant_and_is_spelled_out_as_choices_that_give_it(drawn):
    bits, table, signed = drawn
    made = module(tuple(table), bits, signed)
    text = made.shipped()
    constant, = re.findall(r"^T0 = (\d+)'h([0-9a-f]+);$", text, re.MULTILINE)
    assert int(constant[0]) == bits * len(table)
    assert [int(constant[1], 16) >> bits * key & 2**bits - 1 for key in range(len(table))] == table
    key = "{v0}" if signed else "v0"
    assert (f"v1 = T0[{key}]," if bits == 1 else f"v1 = T0[{bits}*{key} +: {bits}],") in text
    long = spelled_out(text)
    assert long == made.spelled_out() and "T0" not in long and MARK not in long
    assert [chosen(long, "v1", key) for key in range(len(table))] == table
    assert parse(text).shipped() == text and spelled_out(long) == long


def test_the_text_spelled_out_has_one_declaration_a_line_and_registers_behind_what_they_copy():
    lines = module().spelled_out().splitlines()
    assert [line.strip() for line in lines[-8:]] == [
        "reg signed [2:0] v1_1; always @(posedge clk) v1_1 <= v1;",
        "reg signed [2:0] v1_2; always @(posedge clk) v1_2 <= v1_1;",
        "wire [2:0] v2_l = v1_2; wire [2:0] v2_u = (v1_2 >>> 3) + v1_2; wire [5:0] v2 = {v2_u, v2_l};",
        "wire [1:0] v3_l = v1_2; wire [3:0] v3_u = (v1_2 >>> 2) + v1_2; wire signed [5:0] v3 = {v3_u, v3_l};",
        "wire signed [6:0] v4_w = v3 + v1_2; wire signed [5:0] v4 = v4_w >>> 1;",
        "wire signed [5:0] logit0 = v4 <<< 0;",
        "always @(posedge clk) model_out[5:0] <= logit0;", "endmodule"]


def test_equal_tables_share_a_constant():
    pieces = module().pieces
    again = replace(pieces[2], out=Wire("v9", 3, False))
    text = replace(module(), pieces=(*pieces[:3], again, *pieces[3:])).shipped()
    assert text.count("'h") == 1 and text.count("T0[3*v0 +: 3]") == 2


@pytest.mark.parametrize("old, new", [("v3[1:0] = v1_2,\n", ""), ("T0[3*v0", "T1[3*v0"), ("v1_1 <= v1;", "v1_1 = v1;"),
                                      ("endmodule", "wire x; endmodule"), ("= 12'h", "= 13'h")])
def test_a_shipped_file_changed_by_hand_is_refused(old, new):
    text = module().shipped()
    assert old in text
    with pytest.raises(StudyError, match="write it anew"):
        spelled_out(text.replace(old, new))


def test_verilog_of_others_is_read_as_it_is():
    assert spelled_out("module a; endmodule\n") == "module a; endmodule\n"


@pytest.mark.parametrize("activation", ["ternary", "ufixed<4,2>"])
def test_both_texts_pass_the_testbench(activation, tmp_path):
    network = random_network(3, [6, 9, 7, 3], ("ternary", activation), "fixed<5,3>")
    design = rtl.write(trace(network), tmp_path / "rtl", network.name, clock_ns=3.0)
    testbench.write(network, input_rows(network, 300), design)
    path = design.verilog
    shipped = path.read_text()
    assert "localparam" in shipped
    assert testbench.run(tmp_path / "rtl").startswith("PASS: ")
    path.write_text(spelled_out(shipped))
    assert path.read_text() != shipped
    assert testbench.run(tmp_path / "rtl").startswith("PASS: ")
