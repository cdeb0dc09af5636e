"""Knows the networks of the study: one entry each. Adding a network is adding one entry."""

from __future__ import annotations

from ultralow.networks.spec import QUANTISED, Network
from ultralow.errors import unknown
from ultralow.networks.methods import FRONT

__all__ = ["CATALOGUE", "FINN", "QUANTISED", "Network", "network"]

_JET, _DIGIT = (16, 64, 32, 32, 5), (784, 128, 128, 128, 10)
# Standardised features, times their gains: up to ±4; tails saturate. The smallest networks are content with steps of
# 1/16; to wider ones steps of 1/64 are worth some tenths of a point.
_JET_IN, _JET_IN_FINE, _DIGIT_IN = "fixed<7,3>", "fixed<9,3>", "ufixed<1,0>"

_ENTRIES = [
    # jets: the slides' table, row by row
    Network("jets-float", "jets", _JET, "fixed<7,2>", "ufixed<8,4>", "fixed<8,3>", "float", "seed-jets-float"),
    Network("jets-float-compressed", "jets", _JET, "fixed<7,2>", "ufixed<8,4>", "fixed<8,3>", "pruned",
            "seed-jets-float-compressed"),
    Network("jets-bnn-small", "jets", _JET, "binary", "binary", _JET_IN, "binary", "seed-jets-bnn-small",
            scale_bits=1),
    Network("jets-bnn-optimised", "jets", (16, 448, 224, 224, 5), "binary", "binary", _JET_IN_FINE, "binary-wide",
            "seed-jets-bnn-optimised"),
    Network("jets-bnn-relu", "jets", (16, 128, 64, 64, 5), "binary", "ufixed<4,3>", _JET_IN_FINE, "binary-relu",
            "seed-jets-bnn-relu", scale_bits=4),
    Network("jets-tnn-optimised", "jets", (16, 128, 64, 64, 64, 5), "ternary", "ternary", _JET_IN_FINE, "ternary",
            "seed-jets-tnn-optimised"),
    Network("jets-tnn-relu", "jets", _JET, "ternary", "ufixed<5,2>", _JET_IN_FINE, "ternary-relu",
            "seed-jets-tnn-relu", scale_bits=4),
    # not in the slides: what the third weight value buys at the smallest size
    Network("jets-tnn-small", "jets", _JET, "ternary", "ternary", _JET_IN, "ternary"),
    # Shapes that the study's own searches found: of each front the one with the highest validation accuracy. Their
    # learning rates belong to ten epochs on 100,000 rows: over 60 epochs on all rows the binary one's (0.0995) left 61%
    # validation accuracy in two of three seeds.
    Network("jets-bnn-found", "jets", (16, 240, 5), "binary", "binary", _JET_IN),
    Network("jets-tnn-found", "jets", (16, 238, 114, 5), "ternary", "ternary", _JET_IN, "ternary"),
    # rows of the slides by the original recipe: what is training, and what is bits
    Network("jets-bnn-reference", "jets", _JET, "binary", "binary", "fixed<16,6>", "reference-jets",
            "seed-jets-bnn-small"),
    Network("jets-tnn-reference", "jets", (16, 128, 64, 64, 64, 5), "ternary", "ternary", "fixed<16,6>",
            "reference-jets", "seed-jets-tnn-optimised"),
    Network("mnist-bnn-reference", "mnist", _DIGIT, "binary", "binary", "ufixed<8,0>", "reference-mnist",
            "seed-mnist-bnn"),
    Network("mnist-tnn-reference", "mnist", _DIGIT, "ternary", "ternary", "ufixed<8,0>", "reference-mnist",
            "seed-mnist-tnn"),
    # digits: the slides' second table. Eight-bit pixels for float; two bits of grey are worth half a point to ternary
    # weights, and more bits hardly anything. Binary weights reach with one bit and longer training what they reach with
    # two, for a quarter fewer adders.
    Network("mnist-float", "mnist", _DIGIT, "fixed<10,2>", "ufixed<10,4>", "ufixed<8,0>", "digits-float",
            "seed-mnist-float"),
    Network("mnist-bnn", "mnist", _DIGIT, "binary", "binary", _DIGIT_IN, "digits", "seed-mnist-bnn", scale_bits=2),
    Network("mnist-tnn", "mnist", _DIGIT, "ternary", "ternary", "ufixed<2,0>", "digits-ternary", "seed-mnist-tnn"),
    # FINN's scaling table
    *(Network(f"finn-{n}-binary", "mnist", (784, n, n, n, 10), "binary", "binary", _DIGIT_IN, "digits",
              f"finn-t1-{n}-binary") for n in (128, 256, 512, 1024, 2048, 4096)),
    *(Network(f"finn-{n}-float", "mnist", (784, n, n, n, 10), "fixed<10,2>", "ufixed<10,4>", "ufixed<8,0>",
              "digits-float", f"finn-t1-{n}-float") for n in (128, 256, 512, 1024, 2048, 4096)),
]

# How the names of FINN's scaling table begin: it is a table of its own (finn.csv).
FINN = "finn-"

CATALOGUE = {entry.name: entry for entry in (*_ENTRIES, *FRONT)}


def network(name: str) -> Network:
    """The catalogue's entry.

    Raises:
        StudyError: no such entry; the message names the nearest ones.
    """
    if name not in CATALOGUE:
        raise unknown("network", name, CATALOGUE)
    return CATALOGUE[name]
