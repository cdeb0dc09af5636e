"""Refine a folded network without gradients: change single weights where that lowers the loss.

The straight-through gradient says which way a latent weight should move, not whether the jump to the next level is
worth it. Here the jump itself is tried, on the integers that become gates: weight by weight in random order, with the
neuron's threshold as it is and moved along with the sum's mean. A change is kept if it lowers the cross-entropy of the
training rows by more than it would by chance. Only rows whose neuron switches are computed again, and behind it only
what changes: a pass over a small network takes seconds.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numba import njit, typed

from ultralow import metrics
from ultralow.errors import Log, StudyError
from ultralow.exact.dense import FoldedLayer, FoldedNetwork

ROWS = 50_000  # of the training part, drawn anew for each pass
SURE = 1.0  # a change must lower the loss by so many standard errors


class _Parameters(NamedTuple):
    """What the network holds: of each layer the kernel (inputs, outputs), of hidden ones the thresholds (outputs,), of the last
    one what makes logits of its sums."""

    kernels: typed.List
    high: typed.List
    low: typed.List
    scale: np.ndarray
    offset: np.ndarray


class _Activity(NamedTuple):
    """What each row gives in the network as it is now: each layer's inputs and sums, (rows, width), and the same once more as
    (width, rows), since a weight is tried on one input and one sum of all rows; each row's loss, and its label."""

    inputs: typed.List
    sums: typed.List
    inputs_by_unit: typed.List
    sums_by_unit: typed.List
    losses: np.ndarray
    labels: np.ndarray


class _Scratch(NamedTuple):
    """Memory that trials use again and again: one row's sums and logits; which units of two layers in turn move, and by how
    much, (2, width); the rows whose neuron switches, and by how much."""

    sums: np.ndarray
    logits: np.ndarray
    units: np.ndarray
    steps: np.ndarray
    rows: np.ndarray
    row_steps: np.ndarray


class _State(NamedTuple):
    parameters: _Parameters
    activity: _Activity
    scratch: _Scratch


def refine(network: FoldedNetwork, x: np.ndarray, y: np.ndarray, passes: int, seed: int,
           log: Log = print) -> FoldedNetwork:
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
    parameters = _parameters(network)
    levels = np.array([(-1, 1), (-1, 0, 1)][network.layers[0].weights == "ternary"], np.int32)
    places = np.array([(n, i, j) for n, layer in enumerate(network.layers) for i, j in np.ndindex(layer.kernel.shape)])
    for number in range(1, passes + 1):
        start, rows = time.monotonic(), rng.permutation(len(y))[:ROWS]
        activity = _forward(network.input.codes(x[rows]), y[rows], parameters)
        before, means = activity.losses.mean(), typed.List([values.mean(0) for values in activity.inputs])
        state = _State(parameters, activity, _scratch(network, len(rows)))
        changed = _sweep(rng.permutation(places), state, means, levels, SURE)
        log(f"refinement {number} of {passes}: {changed} of {len(places)} weights changed, loss {before:.4f} to "
            f"{activity.losses.mean():.4f} on {len(rows)} training rows, {time.monotonic() - start:.0f} s")
    kernels = [kernel.astype(np.int64) for kernel in parameters.kernels]
    layers = [replace(layer, kernel=kernels[n], **_thresholds(layer, parameters.high[n], parameters.low[n]))
              for n, layer in enumerate(network.layers[:-1])]
    return replace(network, layers=(*layers, replace(network.layers[-1], kernel=kernels[-1])))


def _parameters(network: FoldedNetwork) -> _Parameters:
    *hidden, last = network.layers
    return _Parameters(
        typed.List([layer.kernel.astype(np.int32) for layer in network.layers]),
        # Binary is ternary without a middle: at or below high − 1 is −1.
        typed.List([layer.high.copy() for layer in hidden]),
        typed.List([(layer.high - 1 if layer.low is None else layer.low).copy() for layer in hidden]),
        last.scale * 2.0**-(last.scale_fraction + network.formats()[-1][0]), last.offset * 2.0**-last.offset_fraction)


def _thresholds(layer: FoldedLayer, high: np.ndarray, low: np.ndarray) -> dict[str, np.ndarray]:
    return {"high": high} if layer.low is None else {"high": high, "low": low}


def _scratch(network: FoldedNetwork, rows: int) -> _Scratch:
    widest = max(layer.kernel.shape[1] for layer in network.layers)
    return _Scratch(np.empty(widest, np.int32), np.empty(network.layers[-1].kernel.shape[1]),
                    np.empty((2, widest), np.int64), np.empty((2, widest), np.int64), np.empty(rows, np.int64),
                    np.empty(rows, np.int64))


def _forward(codes: np.ndarray, labels: np.ndarray, parameters: _Parameters) -> _Activity:
    inputs, sums = typed.List([codes.astype(np.int32)]), typed.List()
    for n, kernel in enumerate(parameters.kernels):
        sums.append((inputs[n].astype(np.float64) @ kernel).astype(np.int32))
        if n < len(parameters.high):
            inputs.append((sums[n] >= parameters.high[n]).astype(np.int32) - (sums[n] <= parameters.low[n]).astype(np.int32))
    losses = metrics.cross_entropies(sums[-1] * parameters.scale + parameters.offset, labels)
    by_unit = [typed.List([np.ascontiguousarray(values.T) for values in part]) for part in (inputs, sums)]
    return _Activity(inputs, sums, *by_unit, losses, labels)


@njit(cache=True)
def _sweep(order, state, means, levels, sure):
    """Tries every weight of ``order`` (weights, 3), each a layer, an input and an output, once; how many were changed."""
    changed, end = 0, len(state.parameters.kernels) - 1
    for place in range(len(order)):
        n, i, j = order[place]
        level = state.parameters.kernels[n][i, j]
        best, best_level, best_shift = -1e-9, level, 0
        for other in levels:
            if other == level:
                continue
            # The threshold as it is, and moved along with what the sum changes by on average.
            along = 0 if n == end else np.int64(np.rint((other - level) * means[n][i]))
            for turn in range(1 if along == 0 else 2):
                gain = _bound(n, i, j, other - level, turn * along, state, sure)
                if gain < best:
                    best, best_level, best_shift = gain, other, turn * along
        if best_level != level:
            _change(n, i, j, best_level, best_shift, state)
            changed += 1
    return changed


@njit(cache=True)
def _bound(n, i, j, by, shift, state, sure):
    """What weight (i, j) of layer n, changed by ``by``, with its neuron's thresholds shifted, adds to the loss of all rows, plus
    ``sure`` standard errors. It is given up after an eighth of the rows where these are not better off."""
    parameters, activity, rows = state.parameters, state.activity, state.scratch.rows
    if n == len(parameters.kernels) - 1:
        return _bound_of_logits(i, j, by, state, sure)
    switching = _switching(n, i, j, by, shift, state)
    change, square = 0.0, 0.0
    for k in range(switching):
        row = rows[k]
        loss = _propagate(row, n, j, state.scratch.row_steps[k], state, False)
        if loss < 0:
            continue
        change += loss - activity.losses[row]
        square += (loss - activity.losses[row]) ** 2
        if row == len(activity.losses) // 8 and change > 0:
            break
    return change + sure * np.sqrt(square)


@njit(cache=True)
def _bound_of_logits(i, j, by, state, sure):
    parameters, activity, logits = state.parameters, state.activity, state.scratch.logits
    inputs, sums = activity.inputs[-1], activity.sums[-1]
    change, square = 0.0, 0.0
    for row in range(len(activity.losses)):
        for o in range(len(logits)):
            logits[o] = sums[row, o] * parameters.scale[o] + parameters.offset[o]
        logits[j] += by * inputs[row, i] * parameters.scale[j]
        loss = _loss(logits, activity.labels[row])
        change += loss - activity.losses[row]
        square += (loss - activity.losses[row]) ** 2
        if row == len(activity.losses) // 8 and change > 0:
            break
    return change + sure * np.sqrt(square)


@njit(cache=True)
def _switching(n, i, j, by, shift, state):
    """Lists the rows whose neuron j of hidden layer n switches, and by how much, in the scratch memory; returns their number."""
    parameters, activity, scratch = state.parameters, state.activity, state.scratch
    sums, inputs = activity.sums_by_unit[n][j], activity.inputs_by_unit[n][i]
    outputs = activity.inputs_by_unit[n + 1][j]
    high, low = parameters.high[n][j] + shift, parameters.low[n][j] + shift
    count = 0
    for row in range(len(sums)):
        moved = sums[row] + by * inputs[row]
        step = np.int64(moved >= high) - np.int64(moved <= low) - outputs[row]
        scratch.rows[count], scratch.row_steps[count] = row, step
        count += step != 0
    return count


@njit(cache=True)
def _propagate(row, n, j, step, state, keep):
    """Loss of a row after output j of hidden layer n moved by ``step``; with ``keep`` the row's activity moves too.

    Returns −1 where the change does not reach the output.
    """
    parameters, activity = state.parameters, state.activity
    sums, units, steps = state.scratch.sums, state.scratch.units, state.scratch.steps
    units[0, 0], steps[0, 0], count, now = j, step, 1, 0
    if keep:
        _move_output(n, row, j, step, activity)
    for m in range(n + 1, len(parameters.kernels)):
        kernel, old = parameters.kernels[m], activity.sums[m]
        width = kernel.shape[1]
        for o in range(width):
            sums[o] = old[row, o]
        for k in range(count):
            unit, by = units[now, k], np.int32(steps[now, k])
            for o in range(width):
                sums[o] += by * kernel[unit, o]
        if keep:
            for o in range(width):
                old[row, o] = sums[o]
                activity.sums_by_unit[m][o, row] = sums[o]
        if m == len(parameters.kernels) - 1:
            logits = state.scratch.logits
            for o in range(width):
                logits[o] = sums[o] * parameters.scale[o] + parameters.offset[o]
            return _loss(logits, activity.labels[row])
        high, low, outputs = parameters.high[m], parameters.low[m], activity.inputs[m + 1]
        count, now = 0, 1 - now
        for o in range(width):
            moved = np.int64(sums[o] >= high[o]) - np.int64(sums[o] <= low[o]) - outputs[row, o]
            if moved:
                units[now, count], steps[now, count] = o, moved
                count += 1
                if keep:
                    _move_output(m, row, o, moved, activity)
        if count == 0:
            return -1.0
    return -1.0


@njit(cache=True)
def _move_output(n, row, j, step, activity):
    activity.inputs[n + 1][row, j] += step
    activity.inputs_by_unit[n + 1][j, row] += step


@njit(cache=True)
def _loss(logits, label):
    most, total = logits.max(), 0.0
    for value in logits:
        total += np.exp(value - most)
    return np.log(total) + most - logits[label]


@njit(cache=True)
def _change(n, i, j, level, shift, state):
    """Sets weight (i, j) of layer n, shifts its neuron's thresholds, and brings the activity of all rows up to date."""
    parameters, activity = state.parameters, state.activity
    by, last = level - parameters.kernels[n][i, j], n == len(parameters.kernels) - 1
    parameters.kernels[n][i, j] = level
    if not last:
        parameters.high[n][j] += shift
        parameters.low[n][j] += shift
    for row in range(len(activity.losses)):
        activity.sums[n][row, j] += by * activity.inputs[n][row, i]
        activity.sums_by_unit[n][j, row] = activity.sums[n][row, j]
        if last:
            logits = state.scratch.logits
            for o in range(len(logits)):
                logits[o] = activity.sums[n][row, o] * parameters.scale[o] + parameters.offset[o]
            activity.losses[row] = _loss(logits, activity.labels[row])
            continue
        moved = activity.sums[n][row, j]
        step = np.int64(moved >= parameters.high[n][j]) - np.int64(moved <= parameters.low[n][j]) - activity.inputs[n + 1][row, j]
        if step:
            loss = _propagate(row, n, j, step, state, True)
            if loss >= 0:
                activity.losses[row] = loss
