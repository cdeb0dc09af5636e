"""Complete the folder of a network's Verilog for whoever takes it home: testbench, vectors, README and checksums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ultralow.data.dataset import PIXEL_SCALE, Dataset
from ultralow.exact.base import ExactNetwork
from ultralow.files import replacing, sha256
from ultralow.synthesis import templates, testbench
from ultralow.synthesis.implement import Implementation

VECTORS = 256
FAR = 2.0**24  # steps of the input format, from which on factor · x + offset is not precise in 64-bit floats
_ENDS = (".v", ".vhd", ".xdc", "_tb.v")


def write(network: ExactNetwork, data: Dataset, cost: Implementation, part: str = "") -> None:
    """Adds <top>_tb.v, inputs.hex, outputs.hex, README.md and SHA256SUMS to the folder that holds a network's Verilog. The
    same network gives the same bytes.

    Args:
        data: the README states its scaling, and the first VECTORS rows of its test part become the testbench's.
        part: the FPGA that was asked for; where the estimates mean another one, the README says so.
    """
    design, x = cost.design, data.x_test[:VECTORS]
    testbench.write(network, network.codes(x), design)
    _write(design.folder / "README.md", readme(network, data, cost, len(x), part))
    names = ("README.md", "info.json", "inputs.hex", "outputs.hex", *(f"{design.top}{end}" for end in _ENDS))
    there = [name for name in names if (design.folder / name).exists()]  # VHDL is an option
    _write(design.folder / "SHA256SUMS", "".join(f"{sha256(design.folder / name)}  {name}\n" for name in there))


def readme(network: ExactNetwork, data: Dataset, cost: Implementation, rows: int, part: str = "") -> str:
    """The folder's README.md; ``rows`` are the testbench's, ``part`` as in :func:`write`."""
    design, inputs = cost.design, _inputs(network, data, cost.design.input.bits)
    # Pixels are known by their scale, which is not of the rows: columns of other data may be equal, too. They share one
    # factor: a table would say the same in every line.
    pixels = (len(inputs) > 1 and {(i.mean, i.deviation) for i in inputs} == {(0.0, PIXEL_SCALE)}
              and len({(i.gain, i.move) for i in inputs}) == 1)
    return templates.render(
        "readme.md", network=network, data=data, cost=cost, design=design, rows=rows, part=part, inputs=inputs, pixels=pixels,
        far=[i.name for i in inputs if abs(i.factor * i.mean) > FAR], double=data.provenance.get("double_precision", ()),
        vhdl=design.verilog.with_suffix(".vhd").exists(), steps=2.0**network.input.fraction, levels=2.0**network.output_fraction,
        outputs=[_place(design.output.bits, element) for element in range(design.output.elements)])


@dataclass(frozen=True)
class _Input:
    """A feature on its way to a code: the data's scaling, the network's, and both in one factor and offset."""

    place: str
    name: str
    mean: float
    deviation: float
    gain: float
    move: float
    factor: float
    offset: float


def _inputs(network: ExactNetwork, data: Dataset, bits: int) -> list[_Input]:
    steps = 2.0**network.input.fraction
    gain, move = (np.broadcast_to(default if value is None else value, len(data.features)).astype(float)
                  for value, default in ((network.gain, 1.0), (network.move, 0.0)))
    factor = steps * gain / data.scale
    offset = steps * move - factor * data.mean
    columns = zip(data.features, data.mean, data.scale, gain, move, factor, offset)
    return [_Input(_place(bits, element), name, *map(float, numbers)) for element, (name, *numbers) in enumerate(columns)]


def _place(bits: int, element: int) -> str:
    """The bits of a port in which an element stands."""
    return f"{bits * element + bits - 1} … {bits * element}"


def _write(path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
