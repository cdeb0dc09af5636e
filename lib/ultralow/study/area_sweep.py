"""Build one network's circuit for several clocks and depths of sharing: LUTs against latency."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import pandas as pd

from ultralow import csvfile
from ultralow.circuit.tracing import trace
from ultralow.study import identity, manifest, steps
from ultralow.synthesis import implement, netlist
from ultralow.errors import OwnFault, TooSlow
from ultralow.files import read_json, write_json
from ultralow.exact.base import exact_rows
from ultralow.study.runs import Log
from ultralow.study.study import Study

ROWS = 2_000  # of the test part, that each netlist is compared on

_COLUMNS = ["network", "clock_ns", "delay_constraint", "lut", "ff", "latency_cycles", "latency_ns", "netlist_rows",
            "netlist_rows_exact"]


def explore(study: Study, log: Log = print) -> pd.DataFrame:
    """Builds every network of the study's ``area`` in every way it names; writes area.csv.

    Points that an earlier run measured, of the same network by the same code, are kept: each is a file in area/.

    Returns:
        One row per point: network, clock_ns, delay_constraint, lut, ff, latency_cycles, latency_ns, netlist_rows,
        netlist_rows_exact. A point that no pipeline takes to its clock has empty cells, and the log says why.

    Raises:
        OwnFault: a netlist differs from its network.
    """
    settings, points = study.settings.area, []
    total = len(settings.networks) * len(settings.delay_constraints) * len(settings.clocks_ns)
    for name in settings.networks:
        for delay in settings.delay_constraints:
            for clock_ns in settings.clocks_ns:
                point = _point(study, name, delay, clock_ns)
                points.append(point)
                cost = point.get("fault") or f"{point['lut']:,} LUTs, {point['latency_ns']:g} ns"
                log(f"{len(points)} of {total}: {name}, delay constraint {delay}, {clock_ns:g} ns: {cost}")
    counts = [column for column in _COLUMNS if column not in ("network", "clock_ns", "latency_ns")]
    table = pd.DataFrame(points, columns=_COLUMNS).astype(dict.fromkeys(counts, "Int64"))
    csvfile.write_with_checksum(table, study.results / "area.csv")
    identity.write(study.results / "area.csv", table_identity(study))
    manifest.record(study, "area", "synthesis", identity.versions("synthesis"))
    return table


def table_identity(study: Study) -> identity.Parts:
    """What area.csv depends on."""
    settings = study.settings.area
    networks = {name: identity.of_network(study.folder(name) / "folded.npz") for name in settings.networks}
    return identity.plain({"networks": networks, "settings": settings.model_dump(), "rows": ROWS,
                           "versions": identity.versions("synthesis")})


def _point(study: Study, name: str, delay: int, clock_ns: float) -> dict:
    path = study.results / "area" / f"{name}-{clock_ns:g}ns-{delay}.json"
    network = steps.trained_network(study, name)
    options = study.override(name).tracing | {"delay_constraint": delay}
    # Changes with the network, with how it is asked to be built and with the code that builds it.
    parts = identity.of_step("synthesis", *steps.inputs_of(study, name), clock_ns=clock_ns, rows=ROWS, **options)
    if path.exists() and not identity.differences((kept := read_json(path)).get("identity"), parts):
        return kept["point"]
    x = steps.test_part(study, study.network(name).dataset).x_test[:ROWS]
    codes = network.codes(x)
    point = {"network": name, "clock_ns": clock_ns, "delay_constraint": delay}
    comb = trace(network, **options)
    try:
        with TemporaryDirectory(prefix="ultralow-") as scratch:
            built = implement.build(comb, f"{scratch}/rtl", name, clock_ns, lambda line: None)
    except TooSlow as error:  # a result, too; the other points stand
        point["fault"] = f"not built: {error}"
        write_json(path, {"identity": parts, "point": point})
        return point
    exact = exact_rows(netlist.simulate(built.netlist, built.design, codes), network(codes))
    if exact != len(codes):
        raise OwnFault(f"{name}, delay constraint {delay}: {len(codes) - exact} of {len(codes)} rows of the netlist "
                       "differ from the folded network; this is a bug, please report it")
    point |= {"lut": built.counts.lut, "ff": built.counts.ff, "latency_cycles": built.design.latency_cycles,
              "latency_ns": built.design.latency_ns, "netlist_rows": len(codes), "netlist_rows_exact": exact}
    write_json(path, {"identity": parts, "point": point})
    return point
