"""Knows how a folded network gets better without gradients: each weight is changed where that lowers the loss.

The straight-through gradient says which way a latent weight should move, not whether the jump to the next level is
worth it. Here the jump itself is tried, on the integers that become gates: weight by weight in random order, with the
neuron's threshold as it is and moved along with the sum's mean. A change is kept if it lowers the cross-entropy of the
training rows by more than it would by chance. Only rows whose neuron switches are computed again, and behind it only
what changes: a pass over a small network takes seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numba import njit, typed

from ultralow.errors import StudyError
from ultralow.exact.dense import FoldedNetwork

ROWS = 50_000  # of the training part, drawn anew for each pass
SURE = 1.0  # a change must lower the loss by so many standard errors


def refine(network: FoldedNetwork, x: np.ndarray, y: np.ndarray, passes: int, seed: int,
           log: Callable[[str], None] = print) -> FoldedNetwork:
    """The network after ``passes`` over all its weights.

    Args:
        x, y: encoded training rows (rows, inputs); labels (rows,).
        seed: of the rows and the order of the weights. Same seed, same network.

    Raises:
        StudyError: the network has other activations than binary or ternary ones.
    """
    if any(layer.activation not in ("binary", "ternary") for layer in network.layers[:-1]):
        raise StudyError(f"{network.name}: refine works on binary and ternary activations only; leave it 0 in the recipe")
    rng = np.random.default_rng(seed)
    weights = typed.List([layer.kernel.astype(np.int32) for layer in network.layers])
    # Binary is ternary without a middle: at or below high − 1 is −1.
    high = typed.List([layer.high.copy() for layer in network.layers[:-1]])
    low = typed.List([(layer.high - 1 if layer.low is None else layer.low).copy() for layer in network.layers[:-1]])
    last = network.layers[-1]
    scale, offset = last.scale * 2.0**-(last.scale_fraction + network.formats()[-1][0]), last.offset * 2.0**-last.offset_fraction
    levels = np.array([(-1, 1), (-1, 0, 1)][network.layers[0].weights == "ternary"], np.int32)
    places = np.array([(n, i, j) for n, layer in enumerate(network.layers) for i, j in np.ndindex(layer.kernel.shape)])
    for number in range(1, passes + 1):
        start, rows = time.monotonic(), rng.permutation(len(y))[:ROWS]
        given, sums = _forward(network.input.codes(x[rows]), weights, high, low)
        losses = _losses(sums[-1], scale, offset, y[rows])
        before, means = losses.mean(), typed.List([values.mean(0) for values in given])
        kept = _sweep(rng.permutation(places), weights, high, low, scale, offset, levels, given, sums, means, losses,
                      y[rows], SURE)
        log(f"refinement {number} of {passes}: {kept} of {len(places)} weights changed, loss {before:.4f} to "
            f"{losses.mean():.4f} on {len(rows)} training rows, {time.monotonic() - start:.0f} s")
    layers = [replace(layer, kernel=weights[n].astype(np.int64), **_thresholds(layer, high[n], low[n]))
              for n, layer in enumerate(network.layers[:-1])]
    return replace(network, layers=(*layers, replace(last, kernel=weights[-1].astype(np.int64))))


def _thresholds(layer, high, low) -> dict:
    return {"high": high} if layer.low is None else {"high": high, "low": low}


def _forward(codes, weights, high, low):
    """Inputs and sums of every layer, each (rows, width)."""
    given, sums = typed.List([codes.astype(np.int32)]), typed.List()
    for n, kernel in enumerate(weights):
        sums.append((given[n].astype(np.float64) @ kernel).astype(np.int32))
        if n < len(high):
            given.append(((sums[n] >= high[n]).astype(np.int32) - (sums[n] <= low[n]).astype(np.int32)))
    return given, sums


def _losses(sums, scale, offset, y):
    logits = sums * scale + offset
    logits = logits - logits.max(1, keepdims=True)
    return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]


@njit(cache=True)
def _loss(logits, label):
    most, total = logits.max(), 0.0
    for value in logits:
        total += np.exp(value - most)
    return np.log(total) + most - logits[label]


@njit(cache=True)
def _behind(row, n, j, step, weights, high, low, scale, offset, given, sums, label, keep):
    """Loss of a row after output j of hidden layer n moved by ``step``; with ``keep`` the row's state moves too.

    Returns −1 where the change does not reach the output.
    """
    places, steps, count = np.array([j]), np.array([step]), 1
    if keep:
        given[n + 1][row, j] += step
    for m in range(n + 1, len(weights)):
        width = weights[m].shape[1]
        new = sums[m][row].copy()
        for c in range(count):
            for o in range(width):
                new[o] += steps[c] * weights[m][places[c], o]
        if keep:
            sums[m][row] = new
        if m == len(weights) - 1:
            return _loss(new * scale + offset, label)
        places, steps, count = np.empty(width, np.int64), np.empty(width, np.int64), 0
        for o in range(width):
            moved = np.int32(new[o] >= high[m][o]) - np.int32(new[o] <= low[m][o]) - given[m + 1][row, o]
            if moved:
                places[count], steps[count] = o, moved
                count += 1
                if keep:
                    given[m + 1][row, o] += moved
        if count == 0:
            return -1.0
    return -1.0


@njit(cache=True)
def _sweep(order, weights, high, low, scale, offset, levels, given, sums, means, losses, y, sure):
    """Tries every weight of ``order`` (places, 3), each a layer, input and output, once; how many were changed."""
    kept, rows, end = 0, len(y), len(weights) - 1
    for q in range(len(order)):
        n, i, j = order[q]
        best, level, shift = -1e-9, weights[n][i, j], 0
        for other in levels:
            if other == weights[n][i, j]:
                continue
            by = other - weights[n][i, j]
            along = 0 if n == end else np.int64(np.rint(by * means[n][i]))
            for turn in range(2):
                move = turn * along
                if turn and move == 0:
                    continue
                change, square = 0.0, 0.0
                for row in range(rows):
                    if n == end:
                        logits = sums[n][row] * scale + offset
                        logits[j] += by * given[n][row, i] * scale[j]
                        found = _loss(logits, y[row])
                    else:
                        new = sums[n][row, j] + by * given[n][row, i]
                        step = np.int32(new >= high[n][j] + move) - np.int32(new <= low[n][j] + move) - given[n + 1][row, j]
                        if step == 0:
                            continue
                        found = _behind(row, n, j, step, weights, high, low, scale, offset, given, sums, y[row], False)
                        if found < 0:
                            continue
                    change += found - losses[row]
                    square += (found - losses[row]) ** 2
                    if row == rows // 8 and change > 0:
                        break  # not likely to turn
                if change + sure * np.sqrt(square) < best:
                    best, level, shift = change + sure * np.sqrt(square), other, move
        if level == weights[n][i, j]:
            continue
        by = level - weights[n][i, j]
        weights[n][i, j] = level
        if n < end:
            high[n][j] += shift
            low[n][j] += shift
        for row in range(rows):
            sums[n][row, j] += by * given[n][row, i]
            if n == end:
                losses[row] = _loss(sums[n][row] * scale + offset, y[row])
                continue
            step = np.int32(sums[n][row, j] >= high[n][j]) - np.int32(sums[n][row, j] <= low[n][j]) - given[n + 1][row, j]
            if step:
                found = _behind(row, n, j, step, weights, high, low, scale, offset, given, sums, y[row], True)
                if found >= 0:
                    losses[row] = found
        kept += 1
    return kept
