"""Style, write and show figures: a drawing with its caption and alternative text."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import mplhep
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

from ultralow.files import replacing

# Okabe and Ito's colours, without the yellow that vanishes on white. Markers and dashes tell the lines apart
# without colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#7a4b00", "#8a2be2", "#666666")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

# mplhep's house style (ticks inwards on all sides, labels at the ends) at the size of a page.
STYLE = mplhep.style.ROOT | {
    "font.size": 11, "figure.figsize": (6.0, 4.6), "figure.dpi": 100, "axes.linewidth": 1.0, "lines.linewidth": 1.4,
    "lines.markersize": 5, "axes.titlesize": 11, "axes.titlelocation": "left", "legend.fontsize": 9,
    "xtick.major.size": 6, "xtick.minor.size": 3, "ytick.major.size": 6, "ytick.minor.size": 3,
    "figure.constrained_layout.use": True, "svg.hashsalt": "ultralow", "svg.fonttype": "path", "figure.facecolor": "w",
}
# Without ticks between those that bear a number: where they say nothing, and take half the time of the drawing.
PLAIN = {"xtick.minor.visible": False, "ytick.minor.visible": False}


@dataclass(frozen=True)
class Figure:
    """A drawing, what it shows (caption), and what a reader would see in it (alt). Shows itself in a notebook."""

    canvas: Canvas
    caption: str
    alt: str
    _drawn: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def bytes(self, kind: str) -> bytes:
        """The drawing as ``svg`` or ``png``; the same values give the same bytes."""
        if kind not in self._drawn:
            with matplotlib.rc_context(STYLE):
                if not self._drawn:
                    # The layout is solved once, and by the same renderer for all kinds. savefig would draw twice more.
                    self.canvas.get_layout_engine().execute(self.canvas)
                    self.canvas.set_layout_engine("none")
                self.canvas.set_dpi(150)  # of the PNG, and of pictures in the SVG, which leaves another one behind
                stream = io.BytesIO()
                draw = FigureCanvasSVG(self.canvas).print_svg if kind == "svg" else FigureCanvasAgg(self.canvas).print_png
                draw(stream, metadata=_METADATA[kind])
            self._drawn[kind] = rounded(stream.getvalue()) if kind == "svg" else stream.getvalue()
        return self._drawn[kind]

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.bytes("png")).decode()
        size = f"width:{self.canvas.get_figwidth():.3g}in;max-width:100%"
        return (f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" style="{size}">'
                f"<figcaption>{html.escape(self.caption)}</figcaption></figure>")


# Without these matplotlib writes its version and the date.
_METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def write(figure: Figure, path: str | Path, kinds: Sequence[str] = ("svg", "png")) -> None:
    """Writes ``path`` with the suffix of each kind."""
    for kind in kinds:
        with replacing(Path(path).with_name(f"{Path(path).name}.{kind}")) as temporary:
            temporary.write_bytes(figure.bytes(kind))


def rounded(svg: bytes) -> bytes:
    """The drawing with coordinates to a hundredth of a point; matplotlib writes six digits after it."""
    return re.sub(rb'(?<=[ "])(?:d|x|y|width|height)="[^"]*"', lambda attribute: re.sub(
        rb"-?\d+\.\d{3,}", lambda number: b"%g" % round(float(number[0]), 2), attribute[0]), svg)


def label(name: object) -> str:
    """A name of the user's as a drawing's text: matplotlib sets what stands between two $ as mathematics, and has no line in a
    legend for what begins with _."""
    text = " ".join(str(name).split()).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def file_name(name: object, number: int) -> str:
    """A name of the user's as part of a file's: itself where it is plain, else what is plain of it and its number."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "-", str(name))[:60]
    return plain if plain == str(name) else f"{plain.strip('-')}-{number}"


def look(index: int) -> dict:
    """Colour and marker of the index-th of several networks; beyond COLOURS the markers are open."""
    colour = COLOURS[index % len(COLOURS)]
    return {"color": colour, "marker": MARKERS[index % len(MARKERS)],
            "markerfacecolor": colour if index // len(COLOURS) % 2 == 0 else "white"}


def blank(width: float = 6.0, height: float = 4.6) -> tuple[Canvas, matplotlib.axes.Axes]:
    """An empty drawing of one panel, sizes in inches; within STYLE's context."""
    canvas = Canvas(figsize=(width, height))
    return canvas, canvas.subplots()


def power_of_ten(value: float, _: int) -> str:
    """1000 and 0.01 as they are written: shorter than a power, and quicker to draw than matplotlib's mathematics."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.10f}".rstrip("0")


def listed(values: Mapping[str, float]) -> str:
    """Names and values as a sentence's end, for alternative texts."""
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items() if not pd.isna(value)) + "."
