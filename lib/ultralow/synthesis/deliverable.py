"""Knows what an engineer needs beside a network's Verilog to use it: testbench, vectors, README and checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ultralow.synthesis import testbench
from ultralow.data.dataset import Dataset
from ultralow.files import replacing, sha256
from ultralow.exact.dense import FoldedNetwork
from ultralow.circuit.rtl import read_info

VECTORS = 256
_ENDS = (".v", ".vhd", ".xdc", "_tb.v")


def write(network: FoldedNetwork, data: Dataset, measured: dict, folder: str | Path) -> None:
    """Makes the folder that holds a network's Verilog complete: <top>_tb.v, inputs.hex, outputs.hex, README.md and
    SHA256SUMS. The same network gives the same bytes.

    Args:
        data: its scaling is told, and the first VECTORS rows of its test part become the testbench's.
        measured: what :func:`ultralow.synthesis.implement.measure` gave of the Verilog.
    """
    folder, info, x = Path(folder), read_info(folder), data.x_test[:VECTORS]
    testbench.write(network, network.codes(x), folder)
    text = readme(network, data, measured, info, len(x), vhdl=(folder / f"{info['top']}.vhd").exists())
    _write(folder / "README.md", text)
    names = ("README.md", "info.json", "inputs.hex", "outputs.hex", *(f"{info['top']}{end}" for end in _ENDS))
    there = [name for name in names if (folder / name).exists()]  # VHDL is an option
    _write(folder / "SHA256SUMS", "".join(f"{sha256(folder / name)}  {name}\n" for name in there))


def readme(network: FoldedNetwork, data: Dataset, measured: dict, info: dict, rows: int, vhdl: bool = False) -> str:
    """The folder's README.md. ``info`` is info.json's content; ``rows`` are the testbench's; ``vhdl``: it is there."""
    sections = (_head(network, measured, info, rows, vhdl), _ports(info), _inputs(network, data, info),
                _outputs(network, data, info), _cost(measured, info), _use(info), _check(info))
    return "\n\n".join(sections) + "\n"


def _head(network: FoldedNetwork, measured: dict, info: dict, rows: int, vhdl: bool) -> str:
    top = info["top"]
    equal = [(what, measured.get(f"{key}_rows_exact"), measured.get(f"{key}_rows"))
             for key, what in (("rtl", "this Verilog, simulated"), ("netlist", "its synthesised netlist, simulated"))]
    told = "; ".join(f"{what}: {count:,} of {of:,} rows equal" for what, count, of in equal if of)
    files = [(f"{top}.v", "the circuit: one module, plain Verilog-2001, no vendor's primitives"),
             *[(f"{top}.vhd", "the same circuit in VHDL-93 with the same ports, instead of it")] * vhdl,
             (f"{top}.xdc", "clock constraint for Vivado"),
             (f"{top}_tb.v", f"self-checking testbench; `inputs.hex`, `outputs.hex`: its {rows} rows of the test part"),
             ("info.json", "ports, latency and stage delays for programs"),
             ("SHA256SUMS", "checksums: `sha256sum -c SHA256SUMS`")]
    return (f"# {top}\n\nThe neural network `{network.name}` as a pipelined circuit: {network.architecture}, "
            f"{network.made_of}. Its logits are integers, and equal to those of the {network.reference}, bit by bit "
            f"({told}).\n\n"
            + _table(("file", "what it is"), [(f"`{name}`", what) for name, what in files]))


def _ports(info: dict) -> str:
    def described(port: dict) -> tuple:
        bits = port["bits"]
        sign = "two's complement" if port["signed"] else "unsigned"
        return (port["elements"] * bits, f"{port['elements']} elements of {bits} bits, {sign}; "
                f"element i stands in bits {bits}·i + {bits - 1} … {bits}·i")

    latency = info["latency_cycles"]
    rows = [("`clk`", "in", 1, "rising edge; there is no reset and no enable"),
            ("`model_inp`", "in", *described(info["input"])), ("`model_out`", "out", *described(info["output"]))]
    return (f"## Ports\n\n{_table(('port', 'direction', 'bits', 'content'), rows)}\n\n"
            f"The circuit takes a new row at every clock (interval {info['interval']}). The logits of the row that "
            f"edge n takes stand in `model_out` after edge n + {latency}: latency {latency} cycles. Inputs and outputs are "
            f"registered; a valid signal is delayed by {latency + 1} registers to go along (template below).")


def _inputs(network: FoldedNetwork, data: Dataset, info: dict) -> str:
    form, bits = network.input, info["input"]["bits"]
    steps = 2.0**form.fraction
    gain, move = (np.broadcast_to(default if value is None else value, len(data.features)).astype(float)
                  for value, default in ((network.gain, 1.0), (network.move, 0.0)))
    factor = steps * gain / data.scale
    offset = steps * move - factor * data.mean
    head = (f"## Input: from features to codes\n\nElements are `{form}`: {form.bits} bits, {form.integer} of them "
            f"before the point{', sign included' if form.signed else ''}. The code of a feature x is\n\n"
            f"    code = floor(factor · x + offset), limited to {form.low_code} … {form.high_code}\n\n"
            f"and stands for code / {steps:g}.")
    columns = [data.mean, data.scale, gain, move, factor, offset]
    if all((column == column[0]).all() for column in columns):
        names = f"`{data.features[0]}`, `{data.features[1]}`, … `{data.features[-1]}`"
        return (f"{head} For all {len(data.features)} features, in the order {names} (row and column, from the top "
                f"left), factor = {factor[0]:.10g} and offset = {offset[0]:.10g}: a pixel is divided by "
                f"{data.scale[0]:g}.")
    rows = [(i, f"{bits * i + bits - 1} … {bits * i}", f"`{name}`", *(f"{column[i]:.10g}" for column in columns))
            for i, name in enumerate(data.features)]
    table = _table(("element", "bits", "feature", "mean", "deviation", "gain", "move", "factor", "offset"), rows)
    return (f"{head} The two numbers come from the scaling of the data the network was trained on (source: "
            f"{data.source}), and from the network's own: factor · x + offset = {steps:g} · ((x − mean) / deviation "
            f"· gain + move).\n\n{table}\n\nThe study rounds (x − mean) / deviation to a 32-bit float on the way: "
            "within that rounding of a step, and only there, its code may be the neighbouring one. From codes on, "
            "everything is exact.")


def _outputs(network: FoldedNetwork, data: Dataset, info: dict) -> str:
    bits, unit = info["output"]["bits"], 2.0**-network.output_fraction
    places = [f"{bits * j + bits - 1} … {bits * j}" for j in range(info["output"]["elements"])]
    if data.targets:
        rows = [(j, place, f"`{name}`", f"{scale * unit:.10g}", f"{mean:.10g}") for j, (place, name, mean, scale) in
                enumerate(zip(places, data.targets, data.target_mean, data.target_scale))]
        return ("## Output: from codes to estimates\n\nAn estimate is factor · code + offset, in the unit of the data: that "
                "takes back the scaling of the targets.\n\n"
                + _table(("element", "bits", "target", "factor", "offset"), rows))
    if len(places) < len(network.classes):
        first, second = network.classes
        return (f"## Output: from a code to a class\n\nThe logit is code / {1 / unit:g}. A code above 0 says `{second}`, any "
                f"other `{first}`.\n\n" + _table(("element", "bits", "class"), [(0, places[0], f"`{second}` against `{first}`")]))
    rows = [(j, place, f"`{name}`") for j, (place, name) in
            enumerate(zip(places, network.classes or map(str, range(len(places)))))]
    return (f"## Output: from codes to a class\n\nA logit is code / {1 / unit:g}. The class is the "
            "element with the largest code (signed comparison); of equal ones the first.\n\n"
            + _table(("element", "bits", "class"), rows))


def _cost(measured: dict, info: dict) -> str:
    cycles, clock = info["latency_cycles"], info["clock_ns"]
    slowest = max(info["stage_delays_ns"])
    rows = [("latency", f"{cycles} cycles = {cycles * clock:g} ns", f"cycles simulated; ns at the {clock:g} ns clock"),
            ("interval", f"{info['interval']} cycle", "simulated")]
    rows += [(name, f"{measured[key]:,}", "synthesis") for name, key in (
        ("LUT", "lut"), ("flip-flops", "ff"), ("CARRY4", "carry4"), ("DSP", "dsp"), ("BRAM (18 kbit)", "bram18"))]
    rows += [("slowest stage", f"{slowest:.2f} ns", "**estimate** of logic and routing, no place and route"),
             ("LUT, before synthesis", f"{info['lut_estimate']:,.0f}", "**estimate** of alkaid, which shares adders")]
    return (f"## Cost\n\n{_table(('quantity', 'value', 'how it is known'), rows)}\n\nLUTs are raw tables of up to six "
            f"inputs as mapped by Yosys, those in front of carry chains included, not packed two to a site, not "
            f"placed. The part the estimates mean is {info['part']}. **That the clock is met is an estimate** until "
            f"your tool has placed and routed the circuit. Tools: {measured['tool']}; the synthesis script, in which "
            f"names in braces are Verilog files of the study's lib/ultralow:\n\n"
            f"    {measured['script']}")


def _use(info: dict) -> str:
    top, latency = info["top"], info["latency_cycles"]
    inputs, outputs = (info[name]["elements"] * info[name]["bits"] for name in ("input", "output"))
    return f"""## Use

Add `{top}.v` to your sources. `{top}.xdc` constrains the clock where the module is synthesised alone (`synth_design
-mode out_of_context`, so that its ports are no pins); inside your design, your own clock constraint takes its place.

```verilog
reg [{inputs - 1}:0] features; // element 0 in the lowest bits
reg features_valid;
wire [{outputs - 1}:0] logits;
reg [{latency}:0] valid;
always @(posedge clk) valid <= {{valid[{latency - 1}:0], features_valid}};
wire logits_valid = valid[{latency}];

{top} network (.clk(clk), .model_inp(features), .model_out(logits));
```"""


def _check(info: dict) -> str:
    top = info["top"]
    return f"""## Check

In this folder, with Icarus Verilog (`vvp -N` ends with code 1 where the testbench fails):

    iverilog -g2001 -o testbench {top}.v {top}_tb.v
    vvp -N testbench

With Vivado's simulator (the commands follow its manual; the study had no Vivado to run them):

    xvlog {top}.v {top}_tb.v
    xelab {top}_tb -s testbench
    xsim testbench -runall

The last line of the testbench says `PASS`, or `FAIL` with the first value that differs. From another folder, give the
vectors' paths as the parameters INPUTS and OUTPUTS of `{top}_tb`."""


def _table(head: tuple, rows: list[tuple]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
