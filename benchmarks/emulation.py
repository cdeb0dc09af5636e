"""How fast the circuit's interpreter is against hls4ml's compiled emulation, on the same network and rows.

    python benchmarks/emulation.py results/paper/jets-bnn-small/folded.npz

Both run in one process with one thread; compiling hls4ml's project is not counted. Every output is compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np

from ultralow.circuit.tracing import trace
from ultralow.exact.circuit import interpret
from ultralow.synthesis import hls4ml
from ultralow.exact.load import load_network
from ultralow.exact.base import exact_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folded", help="a folded.npz of a study")
    parser.add_argument("--rows", type=int, default=20_000, help="of the emulation; the interpreter runs ten times as many")
    parser.add_argument("--runs", type=int, default=3, help="the fastest counts")
    arguments = parser.parse_args()
    network = load_network(arguments.folded)
    low, high = network.input.low_code, network.input.high_code
    codes = np.random.default_rng(0).integers(low, high + 1, (10 * arguments.rows, network.layers[0].kernel.shape[0]))
    few = codes[:arguments.rows]
    comb = trace(network)
    logits, interpreter_s = _fastest(lambda: interpret(comb, codes, threads=1), arguments.runs)
    with tempfile.TemporaryDirectory() as folder:
        model = hls4ml.convert(network, folder)
        x = few * network.input.step
        hls4ml.emulate(model, x[:1])  # compiles
        emulated, emulation_s = _fastest(lambda: hls4ml.emulate(model, x), arguments.runs)
    expected = network(codes)
    rates = len(codes) / interpreter_s, len(few) / emulation_s
    print("network,interpreter_rows_per_s,interpreter_rows_exact,hls_rows_per_s,hls_rows_exact,ratio")
    print(f"{network.name},{rates[0]:.0f},{exact_rows(logits, expected)}/{len(codes)},{rates[1]:.0f},"
          f"{exact_rows(emulated, network.logits(x))}/{len(few)},{rates[0] / rates[1]:.1f}")


def _fastest(work, runs: int):
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


if __name__ == "__main__":
    main()
