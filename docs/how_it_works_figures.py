"""Knows the pictures of docs/how-it-works.md: a network small enough to see, from its weights to its pipeline."""

from __future__ import annotations

import re
import sys

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.exact.opcodes import SUMS, Opcode
from ultralow.report.figures.style import COLOURS, STYLE, Canvas, Figure, blank, write
from ultralow.files import replacing
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.circuit.pipeline import pipeline
from ultralow.study.study import root

PAGE = "docs/how-it-works.md"

# Four inputs of three bits (−4 … 3), three binary neurons, two classes. Several columns hold the same pairs of signs.
TINY = FoldedNetwork("tiny", Fixed.parse("fixed<3,3>"), (
    FoldedLayer(np.array([[1, 1, -1], [1, 1, 1], [-1, 1, 1], [-1, -1, 1]]), "binary", "binary",
                high=np.array([0, 1, -1])),
    FoldedLayer(np.array([[1, -1], [1, 1], [-1, 1]]), "linear", "binary", scale=np.ones(2, np.int64),
                offset=np.zeros(2, np.int64))), ("A", "B"))
CODES = np.array([3, -1, 2, -4])
SIGNS = [1, -1, -1, 1, 1, -1, 1, 1], [1, 1, -1, 1, -1, -1, 1, -1]
CLOCK_NS = 2.5
_BARE = STYLE | {"xtick.minor.visible": False, "ytick.minor.visible": False}


def figures() -> dict[str, Figure]:
    """Every picture of the page by the name of its file."""
    return {"how-weights": weights(TINY), "how-popcount": popcount(*SIGNS),
            "how-threshold": thresholds(0.5, 2.0, 1.5), "how-layer": layer(TINY, CODES),
            "how-sharing": sharing(TINY), "how-pipeline": circuit(TINY, CLOCK_NS)}


def weights(network: FoldedNetwork) -> Figure:
    """The signs of every layer's weights, one column per neuron."""
    with matplotlib.rc_context(_BARE):
        canvas = Canvas(figsize=(5.2, 2.6))
        for position, (axes, one) in enumerate(zip(canvas.subplots(1, len(network.layers)), network.layers)):
            rows, columns = one.kernel.shape
            _tiles(axes, one.kernel, _signed, [f"{'xh'[position]}{i + 1}" for i in range(rows)],
                   [f"h{j + 1}" for j in range(columns)] if position == 0 else list(network.classes))
            axes.set_title(f"layer {position + 1}: {rows}x{columns}", fontsize=10)
    bits = sum(one.kernel.size for one in network.layers)
    return Figure(canvas, f"All {bits} weights of the example, one bit each. A column is a neuron.",
                  f"Two grids of plus and minus signs: the {bits} weights of a network of 4 inputs, 3 neurons and 2 "
                  "classes.")


def popcount(inputs: list[int], signs: list[int]) -> Figure:
    """A sum of products of ±1 as a count of the places that agree."""
    x, w = np.array(inputs), np.array(signs)
    agree = int((x == w).sum())
    total = int(x @ w)
    with matplotlib.rc_context(_BARE):
        canvas, axes = blank(5.6, 2.2)
        _tiles(axes, np.stack([x, w, x * w]), _signed, ["input x", "weight w", "x·w"], [])
        axes.set_title(f"{agree} of {len(x)} agree, so the sum is 2·{agree} − {len(x)} = {total}", fontsize=10)
    return Figure(canvas, "A product of signs is +1 where they agree: an XNOR gate. The sum of the products is a count "
                          "of ones (popcount), doubled, less the number of inputs.",
                  f"Eight inputs, eight weights and their products, all plus or minus one: {agree} agree, the sum is "
                  f"{total}.")


def thresholds(scale: float, mean: float, ternary_at: float) -> Figure:
    """Normalisation and rounding of an integer accumulator as one and as two comparisons."""
    a = np.arange(-8, 9)
    normal = scale * (a - mean)
    top, low = int(np.ceil(ternary_at / scale + mean)), int(np.floor(-ternary_at / scale + mean))
    cut = int(np.ceil(mean))
    with matplotlib.rc_context(STYLE | {"font.size": 10}):
        canvas = Canvas(figsize=(7.4, 2.9))
        for axes, name, value, edges in zip(canvas.subplots(1, 2), ("binary", "ternary"),
                                            (np.where(a >= cut, 1, -1), (a >= top).astype(int) - (a <= low)),
                                            ([cut - 0.5], [low + 0.5, top - 0.5])):
            axes.plot(a, normal, linestyle=":", color="0.45", label="normalised sum")
            axes.plot(a, value, linestyle="none", marker="o", color=COLOURS[0], label="output")
            for edge in edges:
                axes.axvline(edge, color=COLOURS[1], linestyle="--", linewidth=1)
            axes.set(xlabel="accumulator a", ylim=(-2.2, 2.2), title=name)
            axes.set_yticks([-2, -1, 0, 1, 2])
        axes.legend(loc="upper left", fontsize=8)
    return Figure(canvas, f"The normalised sum (dotted) is never computed. Binary: +1 from a = {cut} on. Ternary: +1 "
                          f"from a = {top} on, −1 up to a = {low}, else 0.",
                  f"Output against the integer accumulator: binary steps from −1 to +1 at {cut}; ternary is −1 up to "
                  f"{low}, 0 between, +1 from {top} on.")


def layer(network: FoldedNetwork, codes: np.ndarray) -> Figure:
    """One row of input codes through the first layer, and the logits that follow."""
    first = network.layers[0]
    sums = codes @ first.kernel
    hidden, logits = first(codes[None], network.input.fraction)[0], network(codes[None])[0]
    with matplotlib.rc_context(_BARE):
        canvas, axes = blank(6.4, 2.4)
        _tiles(axes, np.stack([sums, first.high, hidden]), lambda v: f"{v:+d}" if v else "0",
               ["accumulator a", "threshold T", "a ≥ T ?"], [f"h{j + 1}" for j in range(len(sums))])
        named = ", ".join(f"x{i + 1} = {v}" for i, v in enumerate(codes))
        axes.set_title(named, fontsize=10)
    outcome = ", ".join(f"{name} {value:+d}" for name, value in zip(network.classes, logits))
    best = network.classes[int(np.argmax(logits))]
    return Figure(canvas, f"The first layer on one input. The second layer adds these signs; its sums are the answer: "
                          f"{outcome}. The larger one wins: class {best}.",
                  f"For {named} the accumulators are {_listed(sums)}, the thresholds {_listed(first.high)}, the "
                  f"outputs {_listed(hidden)}, and the last sums {outcome}.")


def sharing(network: FoldedNetwork) -> Figure:
    """Adders of each layer, neuron by neuron and as the circuit shares them."""
    apart = [int(np.maximum((one.kernel != 0).sum(0) - 1, 0).sum()) for one in network.layers]
    comb = trace(network)
    together = sum(op.opcode in SUMS for op in comb.ops)
    with matplotlib.rc_context(_BARE):
        canvas, axes = blank(6.4, 1.7)
        axes.barh(["neuron by neuron", "shared"], [sum(apart), together], color=["0.7", COLOURS[0]], edgecolor="black",
                  hatch=["", "//"], height=0.55)
        for row, count in enumerate((sum(apart), together)):
            axes.text(count + 0.1, row, str(count), va="center")
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="adders and subtractors", xlim=(0, sum(apart) + 1.5))
    return Figure(canvas, "A difference that two neurons need is computed once. The wider the layer, the more is "
                          "shared.",
                  f"{sum(apart)} adders and subtractors if each neuron adds for itself, {together} in the circuit that "
                  "shares.")


def circuit(network: FoldedNetwork, clock_ns: float) -> Figure:
    """The circuit as it is traced: a node per operation, a band per pipeline stage at this clock."""
    comb = trace(network)
    made = pipeline(comb, rtl.usable_ns(clock_ns))
    stages, delays = made.stages, made.delays
    nodes = _nodes(comb)
    place, edges = _placed(comb, nodes, stages)
    with matplotlib.rc_context(_BARE):
        canvas, axes = blank(9.0, 4.2)
        for stage, delay in enumerate(delays):
            axes.axvspan(edges[stage], edges[stage + 1], color="0.94" if stage % 2 else "0.99", zorder=0)
            axes.text((edges[stage] + edges[stage + 1]) / 2, 1.06, f"stage {stage + 1}\n{delay:.1f} ns", ha="center",
                      va="bottom", fontsize=9)
        for edge in edges[1:-1]:
            axes.axvline(edge, color=COLOURS[1], linestyle="--", linewidth=1)
        for last, (label, sources) in nodes.items():
            x, y = place[last]
            for source in sources:
                axes.annotate("", (x, y), place[source], zorder=1,
                              arrowprops={"arrowstyle": "-|>", "color": "0.35", "shrinkA": 11, "shrinkB": 12})
            shape = "circle" if label in "+−" else "round"
            axes.text(x, y, label.replace("-", "−"), ha="center", va="center", fontsize=10, zorder=2,
                      bbox={"boxstyle": f"{shape},pad=0.35", "facecolor": "white", "edgecolor": COLOURS[0]})
        for position, index in enumerate(comb.out_idxs):
            x, y = place[_owner(nodes, comb, index)]
            axes.text(edges[-1] + 0.15, y, network.classes[position], va="center", fontsize=11, weight="bold")
        axes.set(xlim=(edges[0], edges[-1] + 0.5), ylim=(-0.1, 1.3))
        axes.set_axis_off()
    counted = sum(label in "+−" for label, _ in nodes.values())
    wait = len(delays) * clock_ns
    caption = (f"The circuit at a clock of {clock_ns:g} ns. Dashed lines are registers: {len(delays)} stages, so an "
               f"answer after {len(delays)} clocks, {wait:g} ns, and a new input at every clock. Delays are "
               "estimates. A neuron is a bit, 0 or 1; the last constants make up for −1 and +1.")
    return Figure(canvas, caption, f"A graph from inputs x1 to x4 through {counted} adders and subtractors and "
                                   f"{len(network.layers[0].high)} comparisons to the sums A and B, cut into "
                                   f"{len(delays)} pipeline stages.")


def _nodes(comb) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Operations to draw, {last operation: (label, nodes read)}. An addition of a constant and the test of the sign
    that follows it are one comparison."""
    found: dict[int, tuple[str, tuple[int, ...]]] = {}
    owner: dict[int, int] = {}
    for index, op in enumerate(comb.ops):
        sources = tuple(owner[i] for i in op.input_ids)
        if op.opcode == Opcode.INPUT:
            label = f"x{op.data[0] + 1}"
        elif op.opcode in SUMS:
            label = "+−"[op.opcode]
        elif op.opcode == Opcode.ADD_CONSTANT:
            # In front of an output in the output's own unit.
            shift = dict(zip(comb.out_idxs, comb.out_shifts)).get(index, 0)
            label = f"{op.data[0] * 2.0 ** (shift - op.data[1]):+g}"
        else:  # the sign bit, and its inverse: of a sum with a constant, or of a plain sum
            before = sources[0]
            constant = found[before][0] if comb.ops[before].opcode in (Opcode.QUANTIZE, Opcode.ADD_CONSTANT) else None
            if constant is None:
                label = "≥ 0"
            elif constant.startswith("≥"):
                label, sources = constant, found.pop(before)[1]
            else:
                label, sources = f"≥ {-float(constant):g}", found.pop(before)[1]
        found[index] = (label, sources)
        owner[index] = index
    return found


def _owner(nodes: dict, comb, index: int) -> int:
    return index if index in nodes else min(i for i in nodes if i > index)


def _placed(comb, nodes: dict, stages: list[int]) -> tuple[dict[int, tuple[float, float]], list[float]]:
    """Where each node stands (stage by stage from left, then by depth; 0 to 1 upwards), and the stages' edges."""
    depth: dict[int, int] = {}
    for index, (_, sources) in nodes.items():
        depth[index] = 1 + max((depth[s] for s in sources if stages[s] == stages[index]), default=-1)
    widths = [1 + max((depth[i] for i in nodes if stages[i] == stage), default=0) for stage in range(max(stages) + 1)]
    edges = [float(edge) - 0.5 for edge in np.concatenate([[0], np.cumsum(widths)])]
    columns: dict[float, list[int]] = {}
    for index in nodes:
        columns.setdefault(edges[stages[index]] + 0.5 + depth[index], []).append(index)
    place: dict[int, tuple[float, float]] = {}
    for x, members in sorted(columns.items()):
        # Near what they read, so that few lines cross.
        members.sort(key=lambda i: (-np.mean([place[s][1] for s in nodes[i][1]] or [0.0]), comb.ops[i].data))
        for row, index in enumerate(members):
            place[index] = (x, 1 - (row + 0.5) / len(members))
    return place, edges


def _tiles(axes: Axes, values: np.ndarray, form, rows: list[str], columns: list[str]) -> None:
    axes.imshow(np.sign(values), cmap="coolwarm", vmin=-3, vmax=3, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, form(value), ha="center", va="center", fontsize=12)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.tick_params(length=0)


def _signed(value: int) -> str:
    return "+" if value > 0 else "−" if value < 0 else "0"


def _listed(values: np.ndarray) -> str:
    return ", ".join(map(str, values.tolist()))


def renewed(text: str, drawn: dict[str, Figure]) -> str:
    """The page's ``text`` with alternative text and caption of each picture as ``drawn``."""
    def shown(match: re.Match) -> str:
        figure = drawn[match[1]]
        return f"![{figure.alt}](figures/{match[1]}.svg)\n\n*{figure.caption}*\n"

    return re.sub(r"!\[[^\]]*\]\(figures/([\w-]+)\.svg\)\n\n\*[^\n]*\*\n", shown, text)


def main() -> int:
    """``python docs/how_it_works_figures.py``: draws the pictures of docs/how-it-works.md anew, and renews their texts in it."""
    drawn, page = figures(), root() / PAGE
    for name, figure in drawn.items():
        write(figure, page.parent / "figures" / name, ("svg",))
    text = renewed(page.read_text(encoding="utf-8"), drawn)
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{PAGE} and {len(drawn)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
