"""Convert a folded network with hls4ml, compile its emulation, and compare the two row by row.

hls4ml 1.3.0 has two faults that folding steps around (docs/hls4ml-faults.md): its binary threshold is
⌊−b/s⌋ where the comparison ≥ needs ⌈−b/s⌉, and it ignores the sign of a negative scale. Folded thresholds are
integers and folded scales positive, so neither can show. Every format is given here, exactly as wide as the
folded network needs; no default is left that could wrap or round.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ultralow.exact.base import ExactNetwork, exact_rows, require_hls
from ultralow.device import PART
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed, integer_format
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.training.evaluation import float64_outputs
from ultralow.training.layers import BinaryDense, TernaryDense, binary_tanh, ternary_tanh


@dataclass(frozen=True)
class Emulation:
    """On how many of ``rows`` hls4ml's emulation, and the network's Keras form, give exactly the network's logits."""

    rows: int
    rows_exact: int
    keras_rows_exact: int
    tool: str
    backend: str
    part: str
    clock_ns: float

    def to_dict(self) -> dict:
        """The content of convert.json, less the network's name."""
        content = {name: getattr(self, name) for name in ("tool", "backend", "part", "clock_ns", "keras_rows_exact")}
        return content | {"keras_rows": self.rows, "hls_rows": self.rows, "hls_rows_exact": self.rows_exact}


def configuration(network: FoldedNetwork) -> dict:
    """hls4ml's configuration of ``to_keras(network)``: every number format, by layer name."""
    require_hls(network)
    names = {"features": {"Precision": {"result": str(network.input)}}}
    for position, (layer, (fraction, span)) in enumerate(zip(network.layers, network.formats()), start=1):
        n = str(position)
        lowest, highest = layer.accumulator_range(*span)
        # One more on both sides: a threshold at the rim must fit too, and hls4ml stores it in this format.
        total = integer_format(int(lowest.min()) - 1, int(highest.max()) + 1, fraction + layer.kernel_fraction)
        if layer.weights == "fixed":
            bias = _coefficient(layer.offset, layer.offset_fraction)
            sums = _sum_format(total, layer)
            names["dense" + n] = {"Precision": {"weight": _coefficient(layer.kernel, layer.kernel_fraction),
                                                "bias": bias, "accum": sums, "result": sums}}
        else:
            names["dense" + n] = {"Precision": {"accum": str(total), "result": str(total)}}
            if layer.activation in ("relu", "linear"):
                names["norm" + n] = {"Precision": {"scale": _coefficient(layer.scale, layer.scale_fraction),
                                                   "bias": _coefficient(layer.offset, layer.offset_fraction),
                                                   "result": _sum_format(total, layer)}}
        if layer.activation == "relu":
            f = layer.format
            names["activation" + n] = {"Precision": {"result": f"ufixed<{f.bits},{f.integer},TRN,SAT,0>"}}
    return {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency"}, "LayerName": names}


def _coefficient(codes: np.ndarray, fraction: int) -> str:
    return str(integer_format(int(codes.min()), int(codes.max()), fraction))


def _sum_format(total: Fixed, layer: FoldedLayer) -> str:
    """Wide enough for scale·accumulator + offset without rounding."""
    scale = max(int(np.abs(layer.scale).max()), 1)
    fraction = max(total.fraction + layer.scale_fraction, layer.offset_fraction)
    reach = (-total.low_code * scale * 2 ** max(0, fraction - total.fraction - layer.scale_fraction)
             + int(np.abs(layer.offset).max()) * 2 ** max(0, fraction - layer.offset_fraction))
    return str(integer_format(-reach, reach, fraction))


def convert(network: FoldedNetwork, folder: str | Path, backend: str = "Vitis", part: str = PART,
            clock_ns: float = 5.0, model: keras.Model | None = None):
    """Writes the hls4ml project of a folded network into ``folder``; returns hls4ml's model, not compiled.

    ``model``: the network's Keras form (:func:`to_keras`), if there is one already.
    """
    import hls4ml

    return hls4ml.converters.convert_from_keras_model(
        model or to_keras(network), hls_config=configuration(network), output_dir=str(folder), project_name="network",
        backend=backend, io_type="io_parallel", part=part, clock_period=clock_ns, allow_da_fallback=False)


def emulate(model, x: np.ndarray) -> np.ndarray:
    """Logits (rows, classes), float64, of hls4ml's compiled emulation; compiles at the first call.

    Raises:
        StudyError: no C++ compiler, or it refuses the project.
    """
    if shutil.which("g++") is None:
        raise StudyError("hls4ml's emulation needs the C++ compiler g++; install it (Debian: apt install g++)")
    try:
        model.write()
        _in_one_piece(Path(model.config.get_output_dir()), model.config.get_project_name())
        model._compile()
    except Exception as error:
        raise StudyError(f"g++ did not compile the hls4ml project: {error}") from error
    # hls4ml's interface to the library is float or double; double holds every code of a folded network.
    return np.asarray(model.predict(np.ascontiguousarray(x, np.float64))).reshape(len(x), -1)


def _in_one_piece(folder: Path, project: str) -> None:
    """Has hls4ml's build script compile the network and its interface as one file: reading the headers twice is half the time."""
    (folder / "emulation.cpp").write_text(f'#include "firmware/{project}.cpp"\n#include "{project}_bridge.cpp"\n')
    script = folder / "build_lib.sh"
    text, compilation = script.read_text(), '\n${CC} ${CFLAGS} ${INCFLAGS} -D WEIGHTS_DIR="${WEIGHTS_DIR}" '
    if compilation not in text:
        raise StudyError(f"{script} is not as hls4ml 1.3.0 writes it; install the locked version")
    # The emulation of these networks is as fast with -O1.
    settings = text[:text.index(compilation)].replace("-O3", "-O1")
    script.write_text(f"{settings}{compilation}-I. -shared emulation.cpp -o firmware/${{PROJECT}}-${{LIB_STAMP}}.so\n")


def emulate_hls4ml(network: ExactNetwork, x: np.ndarray, **options) -> Emulation:
    """Compares hls4ml's compiled emulation with a network on features ``x`` (rows, inputs), as the dataset scales them.

    Args:
        options: ``backend``, ``part``, ``clock_ns`` and ``log`` of :func:`compare`.

    Raises:
        StudyError: as :func:`compare`.
    """
    require_hls(network)
    return compare(network, network.encode(x), **options)


def compare(network: FoldedNetwork, x: np.ndarray, backend: str = "Vitis", part: str = PART, clock_ns: float = 5.0,
            log: Callable[[str], None] = print) -> Emulation:
    """Runs encoded inputs ``x`` (rows, inputs) through folded network, its Keras form and hls4ml's emulation; counts equal rows.

    The Keras form is evaluated in float64 by :func:`ultralow.training.evaluation.float64_outputs`: how a Keras backend rounds
    decides no row.

    ``x`` is rounded to the input format first. A row is exact where all its logits are equal.

    Raises:
        StudyError: hls4ml cannot emulate such a network; no C++ compiler, or it refuses the project.
    """
    import hls4ml

    x = network.input.quantise(x)
    reference = network.logits(x)
    log(f"folded Keras network: {len(x)} rows")
    twin = to_keras(network)
    in_keras = float64_outputs(twin, x)
    with tempfile.TemporaryDirectory(prefix="hls4ml-") as folder:
        log(f"hls4ml {hls4ml.__version__}, backend {backend}: converting and compiling")
        model = convert(network, folder, backend, part, clock_ns, twin)
        log(f"emulation: {len(x)} rows")
        emulated = emulate(model, x)
    return Emulation(len(x), exact_rows(emulated, reference), exact_rows(in_keras, reference), f"hls4ml {hls4ml.__version__}",
                     backend, part, clock_ns)


def to_keras(network: FoldedNetwork) -> keras.Model:
    """The folded network as Keras layers in float64: what hls4ml converts, and the reference for its rows.

    Thresholds become normalisations that hls4ml's own merging turns back into the same thresholds: with
    ε = 2⁻¹⁰ and σ² = 1 − 2⁻¹⁰ Keras computes exactly γ·a + β.
    """
    inputs = x = keras.Input((network.layers[0].kernel.shape[0],), dtype="float64", name="features")
    for position, (layer, (fraction, _)) in enumerate(zip(network.layers, network.formats()), start=1):
        n = str(position)
        dense, weights = _keras_dense(layer, fraction, n)
        x = dense(x)
        dense.set_weights(weights)
        if layer.weights != "fixed":
            norm = keras.layers.BatchNormalization(epsilon=2.0**-10, dtype="float64", name="norm" + n)
            x = norm(x)
            gamma, beta = _keras_affine(layer, fraction)
            norm.set_weights([gamma, beta, np.zeros_like(beta), np.full_like(beta, 1 - 2.0**-10)])
        if layer.activation != "linear":
            function = {"binary": binary_tanh, "ternary": ternary_tanh}.get(layer.activation)
            x = keras.layers.Activation(function or _relu(layer.format), dtype="float64", name="activation" + n)(x)
    return keras.Model(inputs, x, name=network.name.replace("-", "_"))


def _keras_dense(layer: FoldedLayer, fraction: int, n: str) -> tuple[keras.layers.Layer, list[np.ndarray]]:
    units, kernel = layer.kernel.shape[1], layer.kernel * 2.0**-layer.kernel_fraction
    if layer.weights == "fixed":
        if not (layer.scale == 1).all() or layer.scale_fraction:
            raise StudyError(f"layer {n}: a scale behind fixed-point weights belongs into the weights")
        return (keras.layers.Dense(units, dtype="float64", name="dense" + n),
                [kernel, layer.offset * 2.0**-layer.offset_fraction])
    kind = BinaryDense if layer.weights == "binary" else TernaryDense
    return kind(units, dtype="float64", name="dense" + n), [kernel]


def _keras_affine(layer: FoldedLayer, fraction: int) -> tuple[np.ndarray, np.ndarray]:
    unit = 2.0**-fraction
    if layer.activation == "binary":
        return np.ones(len(layer.high)), -layer.high * unit
    if layer.activation == "ternary":
        # hls4ml takes the floor of (±0.5 − β)/γ: a quarter of a unit inside the gap is safe from rounding.
        gamma = 1.0 / ((layer.high - layer.low - 0.5) * unit)
        return gamma, 0.5 - gamma * (layer.high - 0.25) * unit
    return layer.scale * 2.0**-layer.scale_fraction, layer.offset * 2.0**-layer.offset_fraction


def _relu(format: Fixed):
    def relu(x):  # hls4ml knows activations by the name of the function
        clipped = keras.ops.clip(x, 0.0, format.high)
        return keras.ops.floor(clipped * 2.0**format.fraction) * format.step

    return relu
