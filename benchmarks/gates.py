"""How large and how fast circuits get: random networks of the catalogue's shapes, traced, simulated, synthesised.

    python benchmarks/gates.py jets-tnn-small jets-bnn-small --delay 0 2 -1

The weights are random and balanced (a trained network is often smaller): trust ratios. CPU seconds of this process
and its children; the peak is the largest of them so far. docs/how-it-works.md has the costs of trained networks.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace

import numpy as np

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.exact.circuit import interpret
from ultralow.networks import catalogue
from ultralow.synthesis import verilator, yosys
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork


def stand_in(entry: catalogue.NetworkSpec, seed: int = 0, scale_bits: int = 6) -> FoldedNetwork:
    """A folded network of the entry's shape and formats whose neurons switch about as often as trained ones."""
    rng, given, layers = np.random.default_rng(seed), Fixed.parse(entry.input), []
    spread, fraction = (given.high_code - given.low_code) / 4, given.fraction
    for position, (n, m) in enumerate(zip(entry.widths, entry.widths[1:])):
        kernel, kernel_fraction = _kernel(rng, entry.weights, n, m)
        sigma = np.maximum(spread * np.sqrt((kernel.astype(float) ** 2).sum(0)), 1.0)
        last = position == len(entry.widths) - 2
        activation = "linear" if last else entry.activation
        kind = entry.weights if entry.weights in ("binary", "ternary") else "fixed"
        centre = rng.normal(0, 0.3, m) * sigma
        if activation in ("binary", "ternary"):
            half = 0.4 * sigma if activation == "ternary" else 0
            high = np.ceil(centre + half).astype(np.int64)
            low = np.minimum(np.floor(centre - half).astype(np.int64), high - 1) if activation == "ternary" else None
            layer, spread = FoldedLayer(kernel, activation, kind, kernel_fraction, high=high, low=low), 0.8
        else:
            # fixed-point weights carry their scale; the others bring two standard deviations to one
            units = fraction + kernel_fraction
            real = np.ones(m) if kind == "fixed" else 2.0**units / sigma * rng.uniform(0.7, 1.4, m)
            scale_fraction = 0 if kind == "fixed" else scale_bits - int(np.floor(np.log2(real.max()))) - 1
            form = None if last else Fixed.parse(activation)
            offset = np.rint(rng.normal(0, 0.5, m) * 16).astype(np.int64)
            layer = FoldedLayer(kernel, "linear" if last else "relu", kind, kernel_fraction,
                                scale=np.rint(real * 2.0**scale_fraction).astype(np.int64),
                                scale_fraction=scale_fraction, offset=offset, offset_fraction=4, format=form)
            spread = 2.0 ** (form.fraction if form else 0)
        layers.append(layer)
        fraction = layer.output_fraction(fraction)
    return FoldedNetwork(entry.name, given, tuple(layers))


def _kernel(rng, weights: str, n: int, m: int) -> tuple[np.ndarray, int]:
    if weights == "binary":
        return rng.choice([-1, 1], (n, m)), 0
    if weights == "ternary":
        return rng.choice([-1, 0, 0, 1], (n, m)), 0
    form = Fixed.parse(weights)
    return form.codes(rng.normal(0, 1 / np.sqrt(n), (n, m)), "nearest"), form.fraction


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--delay", type=int, nargs="+", default=[2])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--scale-bits", type=int, default=6)
    parser.add_argument("--weights", help="number format in place of the catalogue's")
    arguments = parser.parse_args()
    print("network,delay_constraint,lut,lut_estimate,ff,carry4,stages,delay_estimate_ns,rows,rows_exact,"
          "interpreter_rows_per_s,trace_s,simulate_s,synthesise_s,peak_gib")
    for name in arguments.networks:
        entry = catalogue.network(name)
        if arguments.weights:
            entry = replace(entry, weights=arguments.weights)
        network = stand_in(entry, scale_bits=arguments.scale_bits)
        rng = np.random.default_rng(1)
        codes = rng.integers(network.input.low_code, network.input.high_code + 1, (arguments.rows, entry.widths[0]))
        for delay in arguments.delay:
            print(",".join(map(str, measure(network, codes, delay))), flush=True)


def measure(network: FoldedNetwork, codes: np.ndarray, delay: int) -> list:
    with tempfile.TemporaryDirectory() as scratch:
        comb, trace_s = _timed(lambda: trace(network, delay_constraint=delay))
        start = time.perf_counter()
        interpreted = interpret(comb, codes)
        rate = round(len(codes) / (time.perf_counter() - start))
        design = rtl.write(comb, f"{scratch}/rtl", network.name)
        simulated, simulate_s = _timed(lambda: verilator.simulate(design, codes))
        (counts, _), synthesise_s = _timed(lambda: yosys.synthesise(design))
    exact = (simulated == network(codes)).all(1) & (interpreted == network(codes)).all(1)
    return [network.name, delay, counts.lut, round(design.lut_estimate), counts.ff, counts.carry4,
            design.stages, round(design.delay_estimate_ns, 1), len(codes), int(exact.sum()), rate,
            trace_s, simulate_s, synthesise_s, round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, 2)]


def _timed(work):
    def spent() -> float:
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    start = spent()
    return work(), round(spent() - start, 1)


if __name__ == "__main__":
    main()
