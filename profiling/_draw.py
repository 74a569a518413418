"""Charts as small SVG files that can be read on a light and on a dark page.

Needs matplotlib, the extra ``profile``; without it no chart is drawn, and the caller says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INK = "#7d8590"
"""Of text and axes: grey enough for white paper, light enough for a dark screen."""
COLOURS = ("#d1495b", "#2f81c7", "#d9902f", "#3c9d6b", "#9b6bc9", "#7d8590")
"""Of curves, in this order; told apart without red and green, too."""
MOST_POINTS = 400
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and it can be searched
    "svg.hashsalt": "ingestd",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        label: for the legend; empty: none.
        xs: positions.
        ys: values, as many.
        style: as matplotlib names it: ``-``, ``--``, ``:``, ``o-``.
        colour: by default the next of `COLOURS`.
    """

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: str = "-"
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        lines: the curves.
        x: label of the x axis, with its unit.
        y: label of the y axis, with its unit.
        log_x: logarithmic.
        log_y: logarithmic.
        from_zero: the y axis begins at zero.
    """

    lines: Sequence[Line]
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = True


def chart(file: Path, panels: Sequence[Panel], *, title: str = "", height: float = 3.6) -> bool:
    """Draw panels side by side into an SVG file.

    Args:
        file: to write; its folder exists.
        panels: at least one.
        title: above all of them, and what a screen reader says.
        height: in inches, of 8 wide (11 for more than one panel).

    Returns:
        Whether it was drawn: without matplotlib it is not.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra

    with mpl.rc_context(cast("Any", STYLE)):
        width = 8 if len(panels) == 1 else 11
        figure, grid = plt.subplots(1, len(panels), figsize=(width, height), squeeze=False)
        for axes, panel in zip(grid[0], panels, strict=True):
            _draw(axes, panel)
        if title:
            figure.suptitle(title, fontsize=11)
        figure.tight_layout()
        about = {"Date": None, **({"Title": title} if title else {})}
        figure.savefig(file, transparent=True, metadata=about)
        plt.close(figure)
    _make_neutral(file)
    return True


def _draw(axes: Any, panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        step = max(1, len(line.xs) // MOST_POINTS)
        axes.plot(
            line.xs[::step],
            line.ys[::step],
            line.style,
            label=line.label or None,
            color=line.colour or COLOURS[number % len(COLOURS)],
            markersize=4,
        )
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    elif panel.from_zero:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    if any(line.label for line in panel.lines):
        axes.legend(loc="best", fontsize=9)


def _make_neutral(file: Path) -> None:
    """Fonts that every reader has, and no empty lines at the ends."""
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font: \1px sans-serif", text)
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    file.write_text(text, encoding="utf-8")
