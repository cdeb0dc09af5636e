"""Turn an exact description of a network into a dataflow circuit (alkaid's CombLogic), by the description's kind.

The circuit takes the network's input codes and gives its logit codes, exactly. A further kind of description registers its
own function with :func:`trace`.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from ultralow.circuit import dense, lut
from ultralow.errors import Log, StudyError
from ultralow.exact.circuit import CircuitNetwork
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.lut import TableNetwork

if TYPE_CHECKING:
    from alkaid.types import CombLogic


@singledispatch
def trace(network, *, delay_constraint: int = 2, chunk: int | None = None, multipliers: bool = False,
          log: Log | None = None) -> CombLogic:
    """The network as a circuit: integer input codes in, integer logit codes out.

    Args:
        network: a FoldedNetwork, a TableNetwork or a CircuitNetwork.
        delay_constraint: adder levels that sharing may add to the shortest tree (alkaid's hard_dc); −1: any.
            2 costs up to a tenth less than 0 and hardly a stage more (benchmarks/gates.py).
        chunk: a dense layer's matrix is solved in blocks of so many inputs; wider blocks share more and take longer.
            None: as many as can be solved in seconds.
        multipliers: fixed-point weights that are neither 0 nor a power of two take a multiplier each (equal products
            are made once), as in tools that know no shared adders.
        log: called with one line of progress per block.

    Raises:
        StudyError: there is no circuit for this kind of description, the options do not fit it, or a weight or constant is too
            large for alkaid to hold exactly.
    """
    raise StudyError(f"no circuit can be made of a {type(network).__name__}; register a function with "
                     "ultralow.circuit.tracing.trace that makes one")


@trace.register(FoldedNetwork)
def _(network: FoldedNetwork, *, delay_constraint: int = 2, chunk: int | None = None, multipliers: bool = False,
      log: Log | None = None) -> CombLogic:
    return dense.trace(network, delay_constraint, chunk, multipliers, log)


@trace.register(TableNetwork)
def _(network: TableNetwork, *, delay_constraint: int = 2, chunk: int | None = None, multipliers: bool = False,
      log: Log | None = None) -> CombLogic:
    if multipliers:
        raise StudyError(f"{network.name} has tables and sums only: nothing to multiply")
    return lut.trace(network, delay_constraint, log)


@trace.register(CircuitNetwork)
def _(network: CircuitNetwork, *, delay_constraint: int = 2, chunk: int | None = None, multipliers: bool = False,
      log: Log | None = None) -> CombLogic:
    """The circuit as it is: how it shares adders was decided when it was made."""
    if delay_constraint != 2 or multipliers:
        raise StudyError(f"{network.name} is a circuit already: no other delay_constraint, and no multipliers, can be given to "
                         "it; leave them out, and out of `area` the network")
    return network.comb
