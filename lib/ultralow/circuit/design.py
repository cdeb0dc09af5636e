"""Describe a circuit that is written as Verilog: its ports, latency, clock and estimates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow.errors import StudyError
from ultralow.files import canonical_json, read_json

FILE = "info.json"


@dataclass(frozen=True)
class Port:
    """A port of ``elements`` numbers with ``bits`` bits each, element 0 in the lowest bits; two's complement if ``signed``."""

    elements: int
    bits: int
    signed: bool

    @property
    def width(self) -> int:
        """Bits of the whole port."""
        return self.elements * self.bits

    @property
    def byte_count(self) -> int:
        """Bytes that hold a port value."""
        return -(-self.width // 8)

    def pack(self, codes: np.ndarray) -> np.ndarray:
        """Port values as uint8 (rows, bytes), lowest byte first, of codes (rows, elements)."""
        bits = (np.asarray(codes, np.int64)[:, :, None] >> np.arange(self.bits)) & 1
        return np.packbits(bits.reshape(len(codes), -1).astype(np.uint8), axis=1, bitorder="little")

    def unpack(self, values: np.ndarray) -> np.ndarray:
        """Codes (rows, elements), int64, of port values as uint8 (rows, bytes)."""
        bits = np.unpackbits(values, axis=1, count=self.width, bitorder="little")
        weights = np.left_shift(np.int64(1), np.arange(self.bits, dtype=np.int64))
        if self.signed:
            weights[-1] = -weights[-1]
        return bits.reshape(len(values), self.elements, self.bits) @ weights


@dataclass(frozen=True)
class Design:
    """A pipelined circuit in Verilog: module ``top`` in ``folder``, with the ports clk, model_inp and model_out.

    It takes a new row at every clock (``interval`` 1). ``latency_cycles`` counts clock periods from the edge that takes an
    input into the input register to the edge after which its logits stand in the output register: the number of pipeline
    stages. ``stage_delays_ns`` is the pipeline's estimate of each stage, ``delay_estimate_ns`` alkaid's of the whole circuit;
    neither is place and route. ``lut_estimate`` is alkaid's, too.
    """

    folder: Path
    top: str
    input: Port
    output: Port
    latency_cycles: int
    clock_ns: float
    stage_delays_ns: tuple[float, ...] = ()
    delay_estimate_ns: float = 0.0
    lut_estimate: float = 0.0
    register_bits: int = 0
    part: str = ""
    interval: int = 1

    @property
    def stages(self) -> int:
        """Number of pipeline stages."""
        return self.latency_cycles

    @property
    def latency_ns(self) -> float:
        """Pipeline stages times clock."""
        return self.latency_cycles * self.clock_ns

    @property
    def verilog(self) -> Path:
        return self.folder / f"{self.top}.v"

    def write_info(self) -> None:
        """Writes info.json, which tells programs elsewhere what this value tells here."""
        content = {name: value for name, value in vars(self).items() if name != "folder"}
        (self.folder / FILE).write_text(canonical_json(content | {"input": vars(self.input), "output": vars(self.output)}))


@dataclass(frozen=True)
class Endpoint:
    """A register bit behind logic: names of what it holds, with the bit there; its stage; when its input is settled
    (ns)."""

    names: tuple[tuple[str, int], ...]
    stage: int
    arrival: float


def read(folder: str | Path) -> Design:
    """The design in a folder that was written before, by its info.json.

    Raises:
        StudyError: there is no info.json, or it holds something else.
    """
    content = read_json(Path(folder) / FILE)
    try:
        ports = {name: Port(**content.pop(name)) for name in ("input", "output")}
        return Design(folder=Path(folder), **ports, **content | {"stage_delays_ns": tuple(content["stage_delays_ns"])})
    except (TypeError, KeyError) as error:
        raise StudyError(f"{Path(folder) / FILE} does not describe a circuit of this study ({error}); write the folder "
                         "again") from None
