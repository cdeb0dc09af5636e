"""Knows the published firmware of KANELÉ (arXiv:2512.12850): reads its VHDL and tables, and says the same circuit in
Verilog, register by register, so that this flow can synthesise it.

Read are the statements that its generator writes: tables (a memory with a register behind it), constants chosen by an
input bit, sums, saturation and registers. Another statement is refused, not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow.circuit.design import Design, Port
from ultralow.errors import StudyError
from ultralow.circuit.verilog_module import Assign, Lookup, Register, Wire, spelled

TOP = "kanele"
_TERM = r"(?:resize\(\w+, *\w+\)|\w+)"


@dataclass(frozen=True)
class Step:
    """One signal: what it is (table, choice, sum, clip), from which signals or constants, and whether it is a register.

    ``values``: of a table, the result for each code of its source's bits; of a choice, the constant.
    """

    name: str
    bits: int
    kind: str
    sources: tuple[str | int, ...]
    registered: bool
    values: tuple[int, ...] = ()


@dataclass(frozen=True)
class Circuit:
    """Signals input_0 …, unsigned, then the steps, each after its sources; the last are output_0 …"""

    inputs: int
    input_bits: int
    outputs: int
    output_bits: int
    steps: tuple[Step, ...]

    @property
    def registers(self) -> int:
        """How many registers lie between the inputs and the outputs.

        Raises:
            StudyError: not as many on every path.
        """
        depth = {f"input_{index}": 0 for index in range(self.inputs)}
        for step in self.steps:
            found = {depth[source] for source in step.sources if depth.get(source) is not None}
            if len(found) > 1:
                raise StudyError(f"{step.name} adds values of different clock cycles")
            depth[step.name] = found.pop() + step.registered if found else None  # None: a constant
        found = {depth[f"output_{index}"] for index in range(self.outputs)} - {None}
        if len(found) != 1:
            raise StudyError(f"outputs after {sorted(found)} registers")
        return found.pop()

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Output codes (rows, outputs) for input codes (rows, inputs)."""
        values = {f"input_{index}": column for index, column in enumerate(np.asarray(codes, np.int64).T)}
        for step in self.steps:
            terms = [values.get(source, source) for source in step.sources]
            match step.kind:
                case "table":
                    values[step.name] = np.array(step.values)[terms[0] % len(step.values)]
                case "choice":
                    values[step.name] = (terms[0] & 1) * step.values[0]
                case "clip":
                    values[step.name] = np.clip(terms[0], -2 ** (step.bits - 1), 2 ** (step.bits - 1) - 1)
                case "sum":
                    values[step.name] = sum(terms, np.zeros(len(codes), np.int64))
        return np.stack([values[f"output_{index}"] for index in range(self.outputs)], 1)


def read(firmware: Path) -> Circuit:
    """The circuit of a firmware folder: src/KAN.vhd, src/Pkg*.vhd, mem/*.mem.

    Raises:
        StudyError: KAN.vhd holds a statement that is not known here.
    """
    packages = "".join(path.read_text() for path in sorted(firmware.glob("src/Pkg*.vhd")))
    numbers = {name: int(value) for name, value in
               re.findall(r"constant (\w+) *: *(?:integer|positive|natural) *:= *(\d+);", packages)}
    constants = {name: int(value) for name, value in
                 re.findall(r"constant (\w+) *: *signed\(\d+ downto 0\) *:= *to_signed\((-?\d+), *\d+\)", packages)}
    types = {name: (numbers[size] if size in numbers else int(size) + 1, kind == "signed") for name, kind, size in
             re.findall(r"subtype +(\w+) +is +(signed|unsigned)\((\w+)(?:-1)? +downto 0\)", packages)}
    shared = {f"input_{index}": types["input_t"] for index in range(numbers["N_INPUT"])}
    shared |= {f"output_{index}": types["output_t"] for index in range(numbers["N_OUTPUT"])}
    local, block, clocked, steps = {}, "", False, []

    def named(text: str) -> str:
        text = re.sub(r"\((\d+)\)$", r"_\1", text)
        return f"{block}_{text}" if text in local else text

    def term(text: str) -> str | int:
        text = re.sub(r"^resize\((\w+), *\w+\)$", r"\1", text.strip())
        if text not in constants and text not in local and text not in shared:
            raise StudyError(f"{firmware}/src/KAN.vhd: {text} is not declared")
        return constants[text] if text in constants else named(text)

    def step(target: str, kind: str, sources: tuple, registered: bool, values: tuple = ()) -> None:
        bits, _ = (local | shared)[re.sub(r"\((\d+)\)$", r"_\1", target)]
        steps.append(Step(named(target), bits, kind, sources, registered, values))

    _, _, body = (firmware / "src/KAN.vhd").read_text().partition("architecture")
    for line in (re.sub(r"--.*", "", line).strip() for line in body.splitlines()[1:]):
        if found := re.fullmatch(r"signal (.*?) *: *(\w+);", line):
            (local if block else shared).update({name: types[found[2]] for name in re.split(", *", found[1])})
        elif found := re.fullmatch(r"(gen_\w+) *: *block", line):
            block = found[1]
        elif line == "end block;":
            block, local = "", {}
        elif re.fullmatch(r"if rising_edge\(clk\) then|end process;", line):
            clocked = line.startswith("if")
        elif found := re.fullmatch(r'i\d+ *: *entity work\.\w+ generic map \(MEMFILE=>"(.*?)"\) '
                                   r"port map \(clk, (\S+), (\w+)\);", line):
            source = named(found[2])
            bits, signed = shared[source]
            table = _memory(firmware / "mem" / found[1], (local | shared)[found[3]][0])
            # A signed source counts from its lowest value on: as if its highest bit were inverted.
            table = table[np.arange(2**bits) ^ (2 ** (bits - 1) if signed else 0)]
            step(found[3], "table", (source,), True, tuple(table.tolist()))
        elif found := re.fullmatch(r"i\d+ *: *(\w+) <= (\w+) when (input\(\d+\))\(0\) = '1' "
                                   r"else \(others => '0'\);", line):
            step(found[1], "choice", (named(found[3]),), False, (constants[found[2]],))
        elif found := re.fullmatch(r"([\w()]+) <= saturate\((\w+), *(\d+)\);", line):
            step(found[1], "clip", (named(found[2]),), clocked)
        elif found := re.fullmatch(r"([\w()]+) <= \(others => '0'\);", line):
            step(found[1], "sum", (), clocked)
        elif found := re.fullmatch(rf"([\w()]+) <= ({_TERM}(?: \+ {_TERM})*);", line):
            step(found[1], "sum", tuple(map(term, found[2].split("+"))), clocked)
        elif not re.fullmatch(r"|begin|end if;|end architecture;|\w+ *: *process ?\(clk\)", line):
            raise StudyError(f"{firmware}/src/KAN.vhd: no translation for: {line}")
    return Circuit(*(numbers[name] for name in ("N_INPUT", "INPUT_WIDTH", "N_OUTPUT", "OUTPUT_WIDTH")), tuple(steps))


def write(circuit: Circuit, folder: Path, clock_ns: float) -> Design:
    """The circuit as Verilog in ``folder``. Its outputs are not
    registered, nor are its inputs: as published."""
    given, lines = {f"input_{i}": Wire(f"input_{i}", circuit.input_bits, False, 0) for i in range(circuit.inputs)}, []
    choices = {step.name: step for step in circuit.steps if step.kind == "choice"}
    for index, source in enumerate(given.values()):
        lines += spelled(Assign(source, f"model_inp[{index * source.bits} +: {source.bits}]"))
    for step in circuit.steps:
        given[step.name] = out = Wire(step.name, step.bits, True, 0)
        made = Wire(f"{step.name}_d", step.bits, True, 0) if step.registered else out
        chosen = [source for source in step.sources if source in choices]
        if chosen:
            if step.kind != "sum" or any(isinstance(source, str) for source in set(step.sources) - set(chosen)):
                raise StudyError(f"{step.name}: no translation for constants chosen by bits beside other signals")
            lines += _sum_of_choices(step, made, [choices[source] for source in chosen])
        elif step.kind != "choice":
            lines += _lines(step, made, [given.get(source, source) for source in step.sources])
        if step.registered:
            lines += spelled(Register(out, made.name))
    outputs = ", ".join(f"output_{index}" for index in reversed(range(circuit.outputs)))
    widths = circuit.inputs * circuit.input_bits, circuit.outputs * circuit.output_bits
    ports = f"input wire clk, input wire [{widths[0] - 1}:0] model_inp, output wire [{widths[1] - 1}:0] model_out"
    body = "\n    ".join([*lines, f"assign model_out = {{{outputs}}};"])
    folder.mkdir(parents=True)
    (folder / f"{TOP}.v").write_text(f"module {TOP} ({ports});\n    {body}\nendmodule\n")
    # The edge that takes an input is that of the first register.
    return Design(folder, TOP, Port(circuit.inputs, circuit.input_bits, signed=False),
                  Port(circuit.outputs, circuit.output_bits, signed=True), latency_cycles=circuit.registers - 1, clock_ns=clock_ns)


def _lines(step: Step, out: Wire, sources: list[Wire | int]) -> list[str]:
    match step.kind:
        case "table":  # the flow's own way to say one
            return spelled(Lookup(out, sources[0], tuple(map(int, step.values))))
        case "clip":
            wide, low = sources[0], out.bits - 1
            upper = f"{wide.name}[{wide.bits - 1}:{low}]"
            sign = f"{wide.name}[{wide.bits - 1}]"
            value = wide.name if wide.bits <= out.bits else (
                f"&{upper} | ~|{upper} ? {wide.name}[{low}:0] : {{{sign}, {{{low}{{~{sign}}}}}}}")
        case "sum":
            value = _balanced([_constant(source, out.bits) if isinstance(source, int) else source.name
                               for source in sources] or [_constant(0, out.bits)])
    return spelled(Assign(out, value))


def _sum_of_choices(step: Step, out: Wire, chosen: list[Step]) -> list[str]:
    """Constants, each chosen by a bit: a table of those bits."""
    key = Wire(f"{step.name}_k", len(chosen), False, 0)
    bits = np.arange(2**key.bits)[:, None] >> np.arange(key.bits) & 1
    table = bits @ [choice.values[0] for choice in chosen] + sum(s for s in step.sources if isinstance(s, int))
    joined = ", ".join(f"{choice.sources[0]}[0]" for choice in reversed(chosen))
    return [*spelled(Assign(key, f"{{{joined}}}")), *spelled(Lookup(out, key, tuple(map(int, table))))]


def _balanced(terms: list[str]) -> str:
    """Sums of two, as few in a row as possible: the script makes an adder of each."""
    half = (len(terms) + 1) // 2
    return terms[0] if len(terms) == 1 else f"({_balanced(terms[:half])} + {_balanced(terms[half:])})"


def _constant(value: int, bits: int) -> str:
    return f"{'-' if value < 0 else ''}{bits}'sd{abs(value)}"


def _memory(path: Path, bits: int) -> np.ndarray:
    """Signed values of a memory file: one hexadecimal word a line."""
    words = np.array([int(word, 16) for word in path.read_text().split()])
    return (words + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
