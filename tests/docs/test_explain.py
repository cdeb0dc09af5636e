import re

import numpy as np
import pytest

import how_it_works_figures
from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.report import site
from ultralow.circuit.pipeline import pipeline
from ultralow.study.study import root


@pytest.fixture(scope="module")
def drawn():
    return how_it_works_figures.figures()


def test_the_page_shows_every_picture_as_the_code_draws_it(drawn):
    text = (root() / how_it_works_figures.PAGE).read_text()
    assert re.findall(r"\(figures/(how-\w+)\.svg\)\n\n\*", text) == list(drawn)
    assert how_it_works_figures.renewed(text, drawn) == text, "`python docs/how_it_works_figures.py` renews it"
    for name, figure in drawn.items():
        assert (root() / f"docs/figures/{name}.svg").read_bytes() == figure.bytes("svg"), "`python docs/how_it_works_figures.py`"


def test_what_the_pictures_say_is_so(drawn):
    layer = how_it_works_figures.TINY.layers[0]
    sums = how_it_works_figures.CODES @ layer.kernel
    assert f"accumulators are {', '.join(map(str, sums))}" in drawn["how-layer"].alt
    assert f"A {how_it_works_figures.TINY(how_it_works_figures.CODES[None])[0, 0]:+d}" in drawn["how-layer"].caption
    x, w = map(np.array, how_it_works_figures.SIGNS)
    assert x @ w == 2 * (x == w).sum() - 8 and f"the sum is {x @ w}" in drawn["how-popcount"].alt
    comb = trace(how_it_works_figures.TINY)
    stages = len(pipeline(comb, rtl.usable_ns(how_it_works_figures.CLOCK_NS)).delays)
    assert f"{stages} stages" in drawn["how-pipeline"].caption
    assert "9 adders and subtractors and 3 comparisons" in drawn["how-pipeline"].alt
    assert "13 adders" in drawn["how-sharing"].alt and "9 in the circuit" in drawn["how-sharing"].alt


def test_the_drawn_graph_computes_the_network():
    """Followed by hand, node by node, the picture gives the folded network's logits for every input."""
    comb = trace(how_it_works_figures.TINY)
    nodes = how_it_works_figures._nodes(comb)
    codes = np.stack(np.meshgrid(*[np.arange(-4, 4)] * 4), -1).reshape(-1, 4)
    values = {}
    for index, (label, sources) in nodes.items():
        read = [values[source] for source in sources]
        if label.startswith("x"):
            values[index] = codes[:, int(label[1:]) - 1]
        elif label in "+−":
            values[index] = read[0] + read[1] if label == "+" else read[0] - read[1]
        elif label.startswith("≥"):
            values[index] = (read[0] >= int(label[2:])).astype(int)
        else:  # in front of an output: bits stand for −1 and +1
            values[index] = 2 * read[0] + int(label)
    logits = np.stack([values[index] for index in comb.out_idxs], 1)
    assert (logits == how_it_works_figures.TINY(codes)).all()


def test_a_markdown_page_takes_its_pictures_along():
    title, body = site.page(root() / "docs/how-it-works.md")
    assert title == "How a network of one or two bits becomes gates"
    assert body.count('src="data:image/svg+xml;base64,') == len(re.findall("<img", body)) == 6
