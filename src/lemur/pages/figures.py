"""Pictures whose bytes depend on their numbers only: one style, matplotlib's own fonts, no date in the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with any colour vision.
BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#8C8C8C"
CODE, TEXT = BLUE, VERMILION
OURS, PAPER = VERMILION, GREY
_STYLE: Any = {  # Any: its keys are typed as literals
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "legend.frameon": False,
    "savefig.dpi": 120,
}


@contextmanager
def picture(path: Path, width: float, height: float, title: str) -> Iterator[Figure]:
    """A figure of `width` by `height` inches, saved to `path` as PNG on exit. User settings do not affect it."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        yield figure
        figure.savefig(path, format="png", metadata={"Software": None})


def write_reason(axes: Axes, text: str) -> None:
    """Write into an empty plot why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color="#555555", wrap=True, transform=axes.transAxes)


def name_rows(axes: Axes, names: list[str]) -> None:
    """Put names on the y axis, the first at the top, without grid lines between them."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
