"""Make a trained model of HGQ2 a circuit, and compare the two row by row.

alkaid plays the model's layers on symbols in place of numbers. Inputs are codes of one format, the finest and widest of the
model's own; each is cut to its own bits in the circuit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ultralow.exact.circuit import CircuitNetwork, range_bits
from ultralow.errors import StudyError, brief
from ultralow.fixed_point import Fixed
from ultralow.exact.base import exact_rows
from ultralow.networks.spec import NetworkSpec

if TYPE_CHECKING:
    import keras

DELAY_CONSTRAINT = 2  # as of every network of the study: ultralow.circuit.tracing.trace
MANTISSA = 24  # bits of Keras's floats
_TRACE = ("call trace_minmax(model, x_train) of hgq.utils, HGQ2's last step, which gives inputs the range of the data, and save "
          "the model again")


@dataclass(frozen=True)
class FirstQuantiser:
    """How features become codes before the model's first quantiser, and what that makes of a code.

    ``format``: of all codes. ``fractions`` (inputs,): bits after the point that each input keeps; the rest of a code is cut
    off. ``half`` (inputs,): what is added to a feature before it is rounded down, so that it is rounded as the quantiser does.
    """

    format: Fixed
    fractions: np.ndarray
    half: np.ndarray

    def values(self, codes: np.ndarray) -> np.ndarray:
        """What the model is given in place of codes (rows, inputs); float32, exact."""
        return (np.floor(codes * 2.0 ** (self.fractions - self.format.fraction)) * 2.0**-self.fractions).astype(np.float32)


def first_quantiser(model: "keras.Model", name: str) -> FirstQuantiser:
    """The input format that holds every value the model's first quantiser tells apart.

    Where an input has one number of bits, whoever reads it, rounding to nearest is half a step added outside and bits cut off:
    no gate. Where its readers keep different numbers of bits (in a QDenseT each may), codes have one bit more than the finest,
    and the circuit rounds.

    Raises:
        StudyError: the model has no quantiser before its first layer, or one that no such format can stand for.
    """
    quantiser = _quantiser_of_inputs(model, name)
    inputs, inner = model.inputs[0].shape[-1], quantiser.quantizer
    signed, integer, fraction = _bits(quantiser, inputs)
    live = signed + integer + fraction > 0
    if not live.any():
        raise StudyError(f"{name}: the model's first quantiser keeps no bit of any input; it was trained to ignore them"
                         + (f", or never traced: {_TRACE}" if inner.overflow_mode == "WRAP" else
                            "; train with less cost (beta0)"))
    if inner.round_mode == "RND_CONV":
        raise StudyError(f"{name}: the model's first quantiser rounds halves to even (RND_CONV), which takes more bits than a "
                         "code has; train with round_mode='RND' or 'TRN' there")
    finest = np.where(live, fraction, np.iinfo(np.int64).min).max(axis=1)
    each = all(len(set(bits[on])) <= 1 for bits, on in zip(fraction, live))
    # Python's integers: what comes out of a file is no reason to wrap.
    whole, point = int(integer[live].max()), int(fraction[live].max()) + (not each and inner.round_mode == "RND")
    any_signed = bool(signed[live].max())
    try:
        format = Fixed(whole + point + any_signed, whole + any_signed, any_signed)
    except StudyError as error:
        raise StudyError(f"{name}: the model's inputs need from 2^{whole} down to 2^-{point} ({error})"
                         + (f"; {_TRACE}" if inner.overflow_mode == "WRAP" else "; train it with fewer bits")) from None
    if format.bits > MANTISSA:
        raise StudyError(f"{name}: the model's inputs need {format.bits} bits ({format}), more than the {MANTISSA} of Keras's "
                         "floats, so that the model itself is not exact; "
                         + (f"they wrap around (WRAP) and have the range of a model that was not traced: {_TRACE}; if it was, "
                            "train it with fewer" if inner.overflow_mode == "WRAP" else "train it with fewer"))
    used = live.any(axis=1)
    fractions = np.where(used, finest, point) if each else np.full(inputs, point)
    half = np.where(used, 2.0 ** -(fractions + 1.0), 0.0) if each and inner.round_mode == "RND" else np.zeros(inputs)
    return FirstQuantiser(format, fractions, half)


def convert(model: "keras.Model", network: NetworkSpec, before: FirstQuantiser, classes: tuple[str, ...],
            gain: np.ndarray | None = None, move: np.ndarray | None = None) -> CircuitNetwork:
    """The circuit of a model of HGQ2 with its :func:`first_quantiser`. ``gain`` and ``move`` (inputs,) stand before the model.

    Raises:
        StudyError: a layer of the model does not become a circuit, or an exact one.
    """
    from alkaid.converter import trace_model
    from alkaid.trace import FVArray, HWConfig, trace

    inputs = network.widths[0]
    low, high = (np.full((1, inputs), float(end)) for end in (before.format.low_code, before.format.high_code))
    codes = FVArray.from_lhs(low, high, np.ones_like(low), HWConfig(1, 1, -1), solver_options={"hard_dc": DELAY_CONSTRAINT})
    try:
        values = (codes * before.format.step).quantize(
            np.full((1, inputs), before.format.signed), np.full((1, inputs), before.format.integer - before.format.signed),
            before.fractions[None], "WRAP", "TRN")
        # By name: the model's class may be one of HGQ2's own.
        _, outputs = trace_model(model, inputs=values, framework="keras")
        outputs = np.ravel(outputs)
        steps = [value.step for value in outputs if hasattr(value, "step")]
        fraction = max([0, *(int(-np.log2(step)) for step in steps)])
        comb = trace(codes, outputs * 2.0**fraction, keep_dead_inputs=True)
    except Exception as error:  # alkaid asserts what it takes for granted
        raise StudyError(f"{network.name}: alkaid makes no circuit of the model ({brief(error)}); a layer whose function is no "
                         "sum (tanh, say) needs a quantiser behind it") from error
    if move is not None or before.half.any():
        move = (0.0 if move is None else move) + before.half
    kinds = [kind for kind in dict.fromkeys(type(layer).__name__ for layer in model.layers)
             if kind not in ("InputLayer", "Dropout")]
    return CircuitNetwork(network.name, before.format, comb, network.widths, f"HGQ2 layers ({', '.join(kinds)})", fraction,
                          classes, gain, move)


def compare(model: "keras.Model", circuit: CircuitNetwork, before: FirstQuantiser, *parts: np.ndarray) -> tuple[int, int]:
    """How many rows of input codes (rows, inputs) there are, and on how many the circuit's outputs all equal the model's."""
    from ultralow.training.evaluation import outputs

    same = [exact_rows(outputs(model, before.values(codes)), circuit(codes) * 2.0**-circuit.output_fraction) for codes in parts]
    return sum(map(len, parts)), sum(same)


def widest(circuit: CircuitNetwork) -> int:
    """Bits of the circuit's widest value."""
    return max(range_bits(op.qint) for op in circuit.comb.ops)


def _quantiser_of_inputs(model: "keras.Model", name: str):
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Quantizer":
            return layer
        if getattr(layer, "enable_iq", False):
            return layer.iq
        if kind not in ("InputLayer", "Dropout"):
            break
    raise StudyError(f"{name}: the model has no quantiser before its first layer, so that no input format can hold its inputs; "
                     "train it with enable_iq=True, or with a Quantizer in front")


def _bits(quantiser, inputs: int) -> tuple[np.ndarray, ...]:
    """Sign, bits before and after the point that the quantiser keeps of each input for each reader, (inputs, readers) each."""
    inner = quantiser.quantizer
    # A table's quantiser sees each input once for each output.
    readers = {len(value.shape): value.shape for value in inner.kif}
    shape = (1, inputs, *max(readers.items())[1][2:])
    from keras import ops

    return tuple(ops.convert_to_numpy(inner.bw_mapper.bw_to_x(value, shape)).reshape(inputs, -1).astype(np.int64)
                 for value in inner.kif)
