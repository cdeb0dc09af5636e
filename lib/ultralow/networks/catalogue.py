"""Catalogue of the networks of the study: one entry each. Adding a network is adding one entry."""

from __future__ import annotations

from ultralow.networks.spec import QUANTISED, NetworkSpec
from ultralow.errors import unknown
from ultralow.networks.methods import Additive, BoostedTrees, FrontNetwork, HgqDense, HgqTables, LearnedTables, Votes

__all__ = ["CATALOGUE", "FINN", "FRONT", "QUANTISED", "NetworkSpec", "network"]

_JET, _DIGIT = (16, 64, 32, 32, 5), (784, 128, 128, 128, 10)
# Standardised features, times their gains: up to ±4; tails saturate. The smallest networks are content with steps of
# 1/16; to wider ones steps of 1/64 are worth some tenths of a point.
_JET_IN, _JET_IN_FINE, _DIGIT_IN = "fixed<7,3>", "fixed<9,3>", "ufixed<1,0>"

_ENTRIES = [
    # jets: the slides' table, row by row
    NetworkSpec("jets-float", _JET, "fixed<7,2>", "ufixed<8,4>", "fixed<8,3>", "float", "seed-jets-float", dataset="jets"),
    NetworkSpec("jets-float-compressed", _JET, "fixed<7,2>", "ufixed<8,4>", "fixed<8,3>", "pruned",
            "seed-jets-float-compressed", dataset="jets"),
    NetworkSpec("jets-bnn-small", _JET, "binary", "binary", _JET_IN, "binary", "seed-jets-bnn-small",
            scale_bits=1, dataset="jets"),
    NetworkSpec("jets-bnn-optimised", (16, 448, 224, 224, 5), "binary", "binary", _JET_IN_FINE, "binary-wide",
            "seed-jets-bnn-optimised", dataset="jets"),
    NetworkSpec("jets-bnn-relu", (16, 128, 64, 64, 5), "binary", "ufixed<4,3>", _JET_IN_FINE, "binary-relu",
            "seed-jets-bnn-relu", scale_bits=4, dataset="jets"),
    NetworkSpec("jets-tnn-optimised", (16, 128, 64, 64, 64, 5), "ternary", "ternary", _JET_IN_FINE, "ternary",
            "seed-jets-tnn-optimised", dataset="jets"),
    NetworkSpec("jets-tnn-relu", _JET, "ternary", "ufixed<5,2>", _JET_IN_FINE, "ternary-relu",
            "seed-jets-tnn-relu", scale_bits=4, dataset="jets"),
    # not in the slides: what the third weight value buys at the smallest size
    NetworkSpec("jets-tnn-small", _JET, "ternary", "ternary", _JET_IN, "ternary", dataset="jets"),
    # Shapes that the study's own searches found: of each front the one with the highest validation accuracy. Their
    # learning rates belong to ten epochs on 100,000 rows: over 60 epochs on all rows the binary one's (0.0995) left 61%
    # validation accuracy in two of three seeds.
    NetworkSpec("jets-bnn-found", (16, 240, 5), "binary", "binary", _JET_IN, dataset="jets"),
    NetworkSpec("jets-tnn-found", (16, 238, 114, 5), "ternary", "ternary", _JET_IN, "ternary", dataset="jets"),
    # rows of the slides by the original recipe: what is training, and what is bits
    NetworkSpec("jets-bnn-reference", _JET, "binary", "binary", "fixed<16,6>", "reference-jets",
            "seed-jets-bnn-small", dataset="jets"),
    NetworkSpec("jets-tnn-reference", (16, 128, 64, 64, 64, 5), "ternary", "ternary", "fixed<16,6>",
            "reference-jets", "seed-jets-tnn-optimised", dataset="jets"),
    NetworkSpec("mnist-bnn-reference", _DIGIT, "binary", "binary", "ufixed<8,0>", "reference-mnist",
            "seed-mnist-bnn", dataset="mnist"),
    NetworkSpec("mnist-tnn-reference", _DIGIT, "ternary", "ternary", "ufixed<8,0>", "reference-mnist",
            "seed-mnist-tnn", dataset="mnist"),
    # digits: the slides' second table. Eight-bit pixels for float; two bits of grey are worth half a point to ternary
    # weights, and more bits hardly anything. Binary weights reach with one bit and longer training what they reach with
    # two, for a quarter fewer adders.
    NetworkSpec("mnist-float", _DIGIT, "fixed<10,2>", "ufixed<10,4>", "ufixed<8,0>", "digits-float",
            "seed-mnist-float", dataset="mnist"),
    NetworkSpec("mnist-bnn", _DIGIT, "binary", "binary", _DIGIT_IN, "digits", "seed-mnist-bnn", scale_bits=2, dataset="mnist"),
    NetworkSpec("mnist-tnn", _DIGIT, "ternary", "ternary", "ufixed<2,0>", "digits-ternary", "seed-mnist-tnn", dataset="mnist"),
    # FINN's scaling table
    *(NetworkSpec(f"finn-{n}-binary", (784, n, n, n, 10), "binary", "binary", _DIGIT_IN, "digits",
              f"finn-t1-{n}-binary", dataset="mnist") for n in (128, 256, 512, 1024, 2048, 4096)),
    *(NetworkSpec(f"finn-{n}-float", (784, n, n, n, 10), "fixed<10,2>", "ufixed<10,4>", "ufixed<8,0>",
              "digits-float", f"finn-t1-{n}-float", dataset="mnist") for n in (128, 256, 512, 1024, 2048, 4096)),
]

# The front of accuracy and LUTs: the study's own smallest circuits, and published peers, trained here on the same data.
_JET_TABLES = {"dataset": "jets", "input": "ufixed<6,6>"}
_DIGIT_TABLES = {"dataset": "mnist", "input": "ufixed<1,0>", "recipe": "front-digits"}

FRONT = [
    # The study's own, by the number of LUTs that they may need. The more a network can hold, the more it learns by heart: large
    # ones learn from what a float network makes of the rows.
    *(FrontNetwork(f"jets-tables-{luts}", widths=(16, *hidden, 5), method=Additive(price, wide=("mass_mmdt",)),
                   recipe=recipe, **_JET_TABLES)
      for luts, hidden, price, recipe in (
          (60, (), 2e-3, "front"), (90, (), 1e-3, "front"), (150, (4,), 1e-3, "front"), (280, (8,), 5e-4, "front"),
          (400, (12,), 3e-4, "front"), (800, (20,), 1e-4, "front-taught"), (1400, (32,), 2.5e-5, "front-taught"))),
    # By the number of their tables. Those of 300 to 1200 were built before there were passes without gradients.
    *(FrontNetwork(f"mnist-votes-{tables}", widths=(784, tables, 10), method=Votes(passes=passes), **_DIGIT_TABLES)
      for tables, passes in ((30, 1), (100, 1), (300, 0), (600, 0), (900, 0), (1200, 0), (2000, 1))),
    # Peers. Prices and sizes cover the front; what else there is to choose was chosen on the validation part.
    *(FrontNetwork(f"jets-hgq-tables-{number}", input="fixed<6,1>", widths=(16, 20, 5), recipe="peers",
                   method=HgqTables(price), dataset="jets")
      for number, price in enumerate((1.5e-6, 1e-5, 4e-5, 1.2e-4, 4e-4), start=1)),
    *(FrontNetwork(f"jets-hgq-dense-{number}", input="fixed<7,1>", widths=(16, 64, 32, 32, 5),
                   method=HgqDense(price), dataset="jets")
      for number, price in enumerate((1e-6, 4e-6, 1.6e-5), start=1)),
    *(FrontNetwork(f"jets-trees-{trees}", **_JET_TABLES, widths=(16, trees, 5),
                   method=BoostedTrees(leaf_bits=bits, learning_rate=rate, wide=("mass_mmdt",)))
      for trees, bits, rate in ((25, 4, 0.6), (50, 5, 0.5), (100, 4, 0.4), (200, 4, 0.3), (400, 5, 0.25))),
    *(FrontNetwork(f"mnist-trees-{trees}", input="ufixed<1,0>", widths=(784, trees, 10),
                   method=BoostedTrees(leaves=leaves, learning_rate=0.5, least_rows=20, features=0.5), dataset="mnist")
      for trees, leaves in ((300, 6), (600, 6))),
    *(FrontNetwork(f"jets-learned-{tables}", **_JET_TABLES, widths=(16, tables, 5), recipe="peers-tables", method=LearnedTables())
      for tables in (50, 360, 1000)),
    *(FrontNetwork(f"mnist-learned-{tables}", input="ufixed<1,0>", widths=(784, tables, 10), recipe="peers-tables",
                   method=LearnedTables(thresholds=1), dataset="mnist") for tables in (1000, 2000)),
]

# How the names of FINN's scaling table begin: it is a table of its own (finn.csv).
FINN = "finn-"

CATALOGUE = {entry.name: entry for entry in (*_ENTRIES, *FRONT)}


def network(name: str) -> NetworkSpec:
    """The catalogue's entry.

    Raises:
        StudyError: no such entry; the message names the nearest ones.
    """
    if name not in CATALOGUE:
        raise unknown("network", name, CATALOGUE)
    return CATALOGUE[name]
