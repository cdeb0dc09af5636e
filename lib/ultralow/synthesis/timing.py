"""Estimate when signals settle in a mapped netlist, stage by stage, without place and route.

The delays are those of :mod:`ultralow.device`; the synthesis maps with the same (:func:`boxes`, :func:`tables`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from math import ceil

from ultralow.circuit.design import Endpoint
from ultralow.device import BIT_NS, CHAIN_NS, MULTIPLIER_NS, TABLE_NS
from ultralow.errors import StudyError
from ultralow.synthesis.netlist import Net, Netlist

Path = tuple[Net, float]  # from a net, with so many ns to the net in question


def stage_delays(endpoints: list[Endpoint]) -> list[float]:
    """The slowest path (ns) between registers in each pipeline stage, in order."""
    slowest: dict[int, float] = {}
    for point in endpoints:
        slowest[point.stage] = max(slowest.get(point.stage, 0.0), point.arrival)
    return [slowest[stage] for stage in sorted(slowest)]


def endpoints(netlist: Netlist) -> list[Endpoint]:
    """All register bits but those of the inputs, which a netlist's first registers hold. The stage behind those is 0.

    Raises:
        StudyError: the netlist holds another cell.
    """
    names: dict[Net, tuple[tuple[str, int], ...]] = defaultdict(tuple)
    for name, nets in netlist.names.items():
        for bit, net in enumerate(nets):
            names[net] += ((name, bit),)
    sources: dict[Net, list[Path]] = {}
    registers: dict[Net, Net] = {}
    tables, inverters = set(), {}
    for name, cell in netlist.cells.items():
        ports = cell["connections"]
        if cell["type"] == "$_DFF_P_":
            registers[ports["Q"][0]] = ports["D"][0]
            continue
        sources.update(_paths(name, cell))
        if cell["type"] == "$lut":
            tables.add(ports["Y"][0])
            if len(ports["A"]) == 1:
                inverters[ports["Y"][0]] = ports["A"][0]
    # An inverter behind a table is that table in the other polarity: one table either way, beside it, not behind it.
    sources |= {out: sources[net] for out, net in inverters.items() if net in tables}
    graph = {net: [source for source, _ in paths] for net, paths in sources.items()}
    graph |= {q: [d] for q, d in registers.items()}
    # A net belongs to the stage that its registers count, and is settled so long after the clock's edge.
    stage, arrival, points = {}, {}, []
    for net in TopologicalSorter(graph).static_order():
        if net in registers:
            data = registers[net]
            stage[net], arrival[net] = stage[data] + 1, 0.0
            if stage[data]:
                points.append(Endpoint(names[net], stage[data] - 1, arrival[data]))
        else:
            paths = sources.get(net, [])
            stage[net] = max((stage[source] for source, _ in paths), default=0)
            # What comes from an earlier stage is constant there, or it would have passed a register.
            arrival[net] = max((arrival[source] + ns for source, ns in paths if stage[source] == stage[net]), default=0.0)
    return points


def tables() -> str:
    """Area and delay (ps) of tables of 1 to 6 inputs, as abc reads them."""
    return "".join(f"{inputs} 1 {_ps(TABLE_NS)}\n" for inputs in range(1, 7))


def boxes() -> str:
    """The device's other cells as Verilog modules that tell the synthesis their delays (ps) and nothing else."""
    bus = {"CI": ["CI"], "CYINIT": ["CYINIT"], **{port: [f"{port}[{bit}]" for bit in range(4)] for port in
           ("DI", "S", "CO", "O")}}
    cell = {"type": "CARRY4", "connections": bus}
    chain = [f"({source} => {net}) = {_ps(ns)};" for net, paths in _paths("CARRY4", cell) for source, ns in paths]
    return "\n".join((
        "(* abc9_box, blackbox *) module CARRY4(output [3:0] CO, O, input CI, CYINIT, input [3:0] DI, S);",
        "specify", *chain, "endspecify", "endmodule",
        "(* abc9_box, blackbox *) module DSP48E2(output [47:0] P, input [29:0] A, input [17:0] B);",
        "parameter AREG = 1; parameter BREG = 1; parameter MREG = 1; parameter PREG = 1;",
        "specify", f"(A *> P) = {_ps(MULTIPLIER_NS)};", f"(B *> P) = {_ps(MULTIPLIER_NS)};", "endspecify",
        "endmodule", ""))


def _ps(ns: float) -> int:
    return ceil(ns * 1000)


def _paths(name: str, cell: dict) -> Iterator[tuple[Net, list[Path]]]:
    """Each output net of a cell, and the paths through the cell that lead to it."""
    ports = cell["connections"]
    match cell["type"]:
        case "$lut":
            yield ports["Y"][0], [(net, TABLE_NS) for net in ports["A"]]
        case "CARRY4":
            carry = [(ports["CI"][0], 0.0), (ports["CYINIT"][0], CHAIN_NS)]
            for select, data, total, out in zip(ports["S"], ports["DI"], ports["O"], ports["CO"]):
                carry = [(net, ns + BIT_NS) for net, ns in carry]
                yield total, [*carry, (select, CHAIN_NS)]
                carry += [(select, CHAIN_NS), (data, CHAIN_NS)]
                yield out, list(carry)
        case "DSP48E2":
            for net in ports["P"]:
                yield net, [(source, MULTIPLIER_NS) for source in (*ports["A"], *ports["B"])]
        case kind:
            raise StudyError(f"the netlist's cell {name} is a {kind}, whose delay is not known to ultralow/synthesis/timing.py")
