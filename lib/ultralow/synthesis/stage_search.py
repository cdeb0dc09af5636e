"""Search for pipeline stages that the synthesised netlist keeps: what turns out too slow where it stands moves on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ultralow.circuit import rtl
from ultralow.circuit.design import Design, Endpoint
from ultralow.circuit.pipeline import Pipeline, behind, cut, pipeline
from ultralow.synthesis import timing
from ultralow.synthesis.netlist import Netlist
from ultralow.synthesis.yosys import Counts

ATTEMPTS = 10  # from each start, to cut the pipeline so that every stage of the netlist meets the clock


@dataclass(frozen=True)
class Build:
    """A circuit as it was written with one choice of stages, and what the synthesis made of it."""

    design: Design
    counts: Counts
    netlist: Netlist
    endpoints: list[Endpoint]  # register bits of the netlist, with the time when their inputs are settled

    @property
    def stage_delays_ns(self) -> tuple[float, ...]:
        """The slowest path of each stage."""
        return tuple(timing.stage_delays(self.endpoints))


def search(comb, usable_ns: float, build: Callable[[Pipeline], Build], log: Callable[[str], None]) -> Build | None:
    """The last of the circuits built, whose stages all take ``usable_ns`` at most, in as few stages as were found; None if no
    attempt gives one.

    Args:
        build: writes and synthesises the circuit with the stages that it is given.
    """
    even = pipeline(comb, usable_ns)
    # Stages as even as can be leave room for what the estimate does not know; where there is little of that, stages as full as
    # can be need fewer.
    starts = [even, cut(comb, usable_ns), cut(comb, (max(even.delays) + usable_ns) / 2)]
    starts = {tuple(start.stages): start for start in starts}.values()
    searches = [_Search(comb, start, usable_ns, log) for start in starts]
    most = len(even.delays)
    while not all(one.over for one in searches):
        for one in searches:
            if (built := one.within(most, build)) is not None:
                return built
        most += 1
    return None


class _Search:
    """The attempts from one start."""

    def __init__(self, comb, start: Pipeline, usable_ns: float, log: Callable[[str], None]) -> None:
        self.comb, self.stages, self.usable_ns, self.log = comb, start, usable_ns, log
        self.limit_ns, self.attempts, self.over = max(start.delays), 0, False
        self.extra_ns: dict[tuple[int, bool], float] = {}

    def within(self, most: int, build: Callable[[Pipeline], Build]) -> Build | None:
        """A circuit of ``most`` stages at most, if there is one before the attempts are used up."""
        while not self.over and len(self.stages.delays) <= most:
            built = build(self.stages)
            late = [point for point in built.endpoints if point.arrival > self.usable_ns]
            if not late:
                return built
            self.attempts += 1
            slowest_ns = max(point.arrival for point in late)
            self.log(f"attempt {self.attempts} of {ATTEMPTS}: {len(late)} register bits of {len(built.endpoints)} are too slow, "
                     f"up to {slowest_ns:.2f} ns of {self.usable_ns:.2f}")
            # Where one path cannot keep the clock, the synthesis lets all others be as slow: the worst are to blame.
            self._move([point for point in late if point.arrival >= (slowest_ns + self.usable_ns) / 2])
        return None

    def _move(self, late: list[Endpoint]) -> None:
        before = self.stages
        for operation, ns in rtl.operations(self.comb, late, before).items():
            key = operation, behind(self.comb, operation, before)
            self.extra_ns[key] = self.extra_ns.get(key, 0.0) + ns - min(before.arrivals[operation], self.limit_ns)
        # With the same limit, so that what was well cut stays as it is; if that takes a stage more, the clock may leave room.
        self.stages = cut(self.comb, self.limit_ns, self.extra_ns)
        if len(self.stages.delays) > len(before.delays):
            self.stages = pipeline(self.comb, self.usable_ns, self.extra_ns)
            self.limit_ns = max(self.stages.delays)
        # Unchanged: an operation alone takes longer.
        self.over = self.attempts == ATTEMPTS or self.stages.stages == before.stages
