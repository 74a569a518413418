"""The last day as lines of SVG: no script, no style, nothing to fetch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.history import Sample

WIDTH, HEIGHT = 288, 100
"""Units of the drawing: five minutes a column, a hundredth of the highest value a row."""
DAY_S = 24 * 3_600.0
COLUMN_S = DAY_S / WIDTH


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of one value.

    Attributes:
        path: of the line, in the commands of SVG; empty without samples.
        area: of what is below it.
        most: the highest value.
        last: the newest one.
        total: of all.
    """

    path: str
    area: str
    most: float
    last: float
    total: float


def chart(
    samples: Sequence[Sample],
    now: float,
    value: Callable[[Sample], float],
) -> Chart:
    """Draw a value of the samples of the last day.

    Args:
        samples: oldest first, a minute apart; where some are missing, so is the line.
        now: Unix seconds, at the right edge.
        value: of a sample; of those in one column the highest is drawn.
    """
    columns: dict[int, float] = {}
    for one in samples:
        place = int((one.at - now + DAY_S) / COLUMN_S)
        if 0 <= place <= WIDTH:
            place = min(place, WIDTH - 1)
            columns[place] = max(columns.get(place, 0.0), value(one))
    if not columns:
        return Chart("", "", 0.0, 0.0, 0.0)
    most = max(columns.values())
    lines, areas = [], []
    for run in _runs(sorted(columns)):
        heights = [(place, HEIGHT - HEIGHT * columns[place] / (most or 1.0)) for place in run]
        steps = " ".join(f"V{y:.1f}H{x + 1}" for x, y in heights)
        lines.append(f"M{run[0]} {heights[0][1]:.1f}{steps}")
        areas.append(f"M{run[0]} {HEIGHT}{steps}V{HEIGHT}Z")
    total = sum(value(one) for one in samples)
    return Chart(" ".join(lines), " ".join(areas), most, value(samples[-1]), total)


def _runs(places: Sequence[int]) -> list[list[int]]:
    """Neighbours together."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs
