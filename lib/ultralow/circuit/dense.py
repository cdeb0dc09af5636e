"""Trace a folded network's dense layers as a dataflow circuit, without multipliers unless asked.

Exact: every sum, threshold and rounding is the folded network's own.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from ultralow.errors import Log, StudyError
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.circuit.arithmetic import KERNEL_LIMIT, at_least, plus, scaled, staircase, total, variable

# A block of a matrix: at least so many inputs, more where it has few outputs.
_BLOCK_ROWS, _BLOCK_ENTRIES = 56, 10_000


def trace(network: FoldedNetwork, delay_constraint: int = 2, chunk: int | None = None, multipliers: bool = False,
          log: Log | None = None):
    """The network as a circuit; arguments and errors as of :func:`ultralow.circuit.tracing.trace`."""
    from alkaid.trace import FVArray, HWConfig, trace as alkaid_trace
    from alkaid.trace.passes import optimize

    small = network.simplified
    n_in = network.layers[0].kernel.shape[0]
    ends = float(network.input.low_code), float(network.input.high_code)
    inputs = FVArray.from_lhs(*(np.full(n_in, end) for end in ends), np.ones(n_in), hwconf=HWConfig(1, 1, -1))
    solver = _Solver(delay_constraint, chunk, log or (lambda line: None))
    signals, base = list(np.asarray(inputs)), np.zeros(n_in, np.int64)
    fraction, scales = network.input.fraction, np.ones(n_in, np.int64)
    for position, layer in enumerate(small.layers):
        # A signal s stands for the code scale·s + base: one bit for ±1 is 2·s − 1.
        matrix, shift = layer.kernel * scales[:, None], base @ layer.kernel
        step = int(np.gcd.reduce(matrix, axis=None)) or 1
        if multipliers and layer.weights == "fixed":
            sums = _multiplied(matrix // step, signals)
        else:
            sums = solver(f"layer {position + 1}/{len(small.layers)}", matrix // step, signals)
        signals, scale, zero = _activate(layer, sums, step, shift, fraction, inputs[0].hwconf)
        fraction = layer.output_fraction(fraction)
        scales, base = np.full(len(signals), scale), np.full(len(signals), zero)
    solver.log(f"optimising {network.name}")
    logits = FVArray(np.array(signals, dtype=object), hwconf=inputs[0].hwconf)
    if not multipliers:
        return alkaid_trace(inputs, logits, keep_dead_inputs=True)
    # Tracing anew, a part of alkaid's optimisation, would turn products with constants into adders.
    return optimize(alkaid_trace(inputs, logits, optimize=False), keep_dead_inputs=True, retrace=False)


class _Solver:
    """Products of signals and integer matrices, block by block; equal blocks are solved once."""

    def __init__(self, delay: int, chunk: int | None, log: Log) -> None:
        self.delay, self.chunk, self.log = delay, chunk, log
        self.solved: dict[tuple, tuple] = {}

    def __call__(self, name: str, matrix: np.ndarray, signals: list) -> list:
        rows = np.flatnonzero(matrix.any(axis=1))
        if not rows.size:
            return [0.0] * matrix.shape[1]
        if np.abs(matrix).max() >= KERNEL_LIMIT:
            raise StudyError(f"{name}: a weight of {np.abs(matrix).max()} steps is beyond 2^24; take narrower weights")
        # The solver's time grows with the square of a block's entries and beyond.
        chunk = self.chunk or max(_BLOCK_ROWS, _BLOCK_ENTRIES // matrix.shape[1])
        blocks = np.array_split(rows, ceil(rows.size / chunk))
        parts = []
        for number, block in enumerate(blocks, 1):
            parts.append(self._block(matrix[block], [signals[i] for i in block]))
            self.log(f"{name}: {matrix.shape[1]} sums, block {number}/{len(blocks)}")
        return [total([part[j] for part in parts]) for j in range(matrix.shape[1])]

    def _block(self, matrix: np.ndarray, signals: list) -> list:
        from alkaid.cmvm import cmvm_solve

        spans = [tuple(map(float, s.qint)) for s in signals]
        latencies = [float(s.latency) for s in signals]
        key = matrix.tobytes(), tuple(spans), tuple(latencies)
        if key not in self.solved:
            self.solved[key] = cmvm_solve(np.ascontiguousarray(matrix, dtype=np.float32), hard_dc=self.delay,
                                          qintervals=spans, latencies=latencies)
        first, second = self.solved[key]
        return list(second(first(np.array(signals, dtype=object), quantize=False), quantize=False))


def _multiplied(matrix: np.ndarray, signals: list) -> list:
    """Products of signals and an integer matrix, a multiplier for each weight."""
    return [total([_times(signals[i], int(column[i])) for i in np.flatnonzero(column)]) for column in matrix.T]


def _times(signal, weight: int):
    if not hasattr(signal, "opr") or abs(weight) & (abs(weight) - 1) == 0:
        return signal * float(weight)
    # The public product of a constant is shifts and adders.
    return signal._var_mul(signal.from_const(float(weight), hwconf=signal.hwconf))


def _activate(layer: FoldedLayer, sums: list, step: int, shift: np.ndarray, fraction: int, hwconf
              ) -> tuple[list, int, int]:
    """Output signals, and scale and zero so that an output code is scale·signal + zero.

    An accumulator is step·sum + shift.
    """
    if layer.activation in ("binary", "ternary"):
        # step·sum + shift ≥ t where sum ≥ ⌈(t − shift)/step⌉; > t where sum ≥ ⌊(t − shift)/step⌋ + 1.
        tops = [at_least(s, -(int(b - t) // step), hwconf) for s, t, b in zip(sums, layer.high, shift)]
        if layer.activation == "binary":
            return tops, 2, -1
        above = [at_least(s, int(t - b) // step + 1, hwconf) for s, t, b in zip(sums, layer.low, shift)]
        return [_ternary(*pair) for pair in zip(tops, above)], 1, -1
    product_fraction = fraction + layer.kernel_fraction + layer.scale_fraction
    common = max(product_fraction, layer.offset_fraction)
    scale = [int(s) * 2 ** (common - product_fraction) for s in layer.scale]
    offset = [int(o) * 2 ** (common - layer.offset_fraction) for o in layer.offset]
    affine = [(step * s, o + s * int(b)) for s, o, b in zip(scale, offset, shift)]
    if layer.activation == "linear":
        return [_scaled(v, *factors, hwconf) for v, factors in zip(sums, affine)], 1, 0
    drop = common - layer.format.fraction
    return [_relu(variable(v, hwconf), *factors, drop, layer.format.high_code) for v, factors in zip(sums, affine)], 1, 0


def _ternary(top, above):
    """−1, 0 or +1, plus one: of the bits y = +1 and y > −1.

    Chosen, not added: a sum of two bits would cost an adder's delay in the estimate and none in tables.
    """
    if top.opr == "const" or above.opr == "const":
        return top + above
    return top.msb_mux(2.0, above, (0.0, 2.0, 1.0))


def _scaled(value, scale: int, offset: int, hwconf):
    """scale·value + offset, by the fewest levels."""
    value = variable(value, hwconf)
    by_tables = scaled(value, scale, offset)
    return _affine(value, scale, offset, hwconf) if by_tables is None else by_tables


def _affine(value, scale: int, offset: int, hwconf):
    value = variable(value, hwconf)
    if abs(scale) >= KERNEL_LIMIT * (scale & -scale or 1):
        raise StudyError(f"a scale of {scale} has more than 24 significant bits; fold with a coarser scale")
    return plus(value * float(scale), offset)


def _relu(value, scale: int, offset: int, drop: int, ceiling: int):
    """min(ceiling, max(0, ⌊(scale·value + offset)/2^drop⌋)); the ceiling is 2^n − 1."""
    hwconf = value.hwconf
    stairs = staircase(value, scale, offset, drop, ceiling)
    if stairs is not None:
        return stairs
    value = _affine(value, scale, offset, hwconf) * 2.0**-drop
    value = value.quantize(*value.kif[:2], 0)
    low = value.quantize(0, ceiling.bit_length(), 0)
    return value.is_negative().msb_mux(0.0, at_least(value, ceiling + 1, hwconf).msb_mux(float(ceiling), low))
