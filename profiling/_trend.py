"""The slope of a series of samples, with an interval that the series deserves.

Resident memory is no row of independent draws: it moves in steps, and stays where it went. Plain
least squares would give it an interval several times too narrow. So the line is that of ordinary
least squares, and its error that of Newey and West, prewhitened by the series' own first-order
autocorrelation (Andrews and Monahan, Econometrica 60, 1992), which is corrected for its bias in
short series. On simulated flat series of 200 samples the 95 % interval holds zero in 93 % of the
cases at an autocorrelation of 0.5, in 91 % at 0.9, in 88 % at 0.97, and in 71 % of pure random
walks; of 60 samples, in 90, 90, 82 and 74 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

METHOD = "least squares; 95 % by Newey-West, AR(1)-prewhitened"
WARM_UP = 0.25
"""Share of the samples that is cut off at the beginning, when nothing else is said."""
LEAST = 8
"""Fewer samples say nothing about a slope."""
_NORMAL = 1.96
_STEADIEST = 0.98


@dataclass(frozen=True, slots=True)
class Slope:
    """How steeply a series rises.

    Attributes:
        value: units of y a unit of x.
        low: lower end of the 95 % interval.
        high: upper end.
        samples: how many were used, after the warm-up.
        autocorrelation: of neighbouring residuals, corrected for bias.
        method: how it was estimated.
    """

    value: float
    low: float
    high: float
    samples: int
    autocorrelation: float
    method: str = METHOD

    def times(self, factor: float) -> Slope:
        """The same in another unit: slope and interval times ``factor`` (positive)."""
        return Slope(
            self.value * factor,
            self.low * factor,
            self.high * factor,
            self.samples,
            self.autocorrelation,
            self.method,
        )

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    def as_json(self) -> dict[str, Any]:
        """For a result file, to four digits."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def slope(xs: Sequence[float], ys: Sequence[float], *, warm_up: float = WARM_UP) -> Slope:
    """Estimate the slope of ``ys`` over ``xs`` after the warm-up.

    Args:
        xs: where the samples were taken: edits, jobs, seconds; rising, about evenly spaced.
        ys: the samples, as many.
        warm_up: share of the samples, from the beginning, that is left out.

    Raises:
        ValueError: fewer than 8 samples are left.
    """
    first = int(len(xs) * warm_up)
    x = np.asarray(xs[first:], dtype=np.float64)
    y = np.asarray(ys[first:], dtype=np.float64)
    count = len(x)
    if count < LEAST:
        raise ValueError(f"{count} samples after the warm-up; a slope needs {LEAST}")
    centred = x - x.mean()
    spread = float(centred @ centred)
    value = float(centred @ y) / spread
    residuals = y - y.mean() - value * centred
    likeness = _autocorrelation(residuals)
    scores = np.column_stack([residuals, centred * residuals])
    variance = _long_run(scores[1:] - likeness * scores[:-1]) / (1 - likeness) ** 2
    half = _NORMAL * (variance * count / (count - 2)) ** 0.5 / spread
    return Slope(value, value - half, value + half, count, likeness)


def _autocorrelation(residuals: NDArray[np.float64]) -> float:
    """Of first order, corrected for the bias that a fitted trend brings."""
    power = float(residuals[:-1] @ residuals[:-1])
    if power == 0:
        return 0.0
    raw = float(residuals[1:] @ residuals[:-1]) / power
    corrected = raw + (2 + 4 * raw) / len(residuals)
    return max(-_STEADIEST, min(_STEADIEST, corrected))


def _long_run(scores: NDArray[np.float64]) -> float:
    """Variance of the sum of the second column, with Bartlett's weights on its neighbours."""
    column = scores[:, 1]
    lags = max(1, int(4 * (len(column) / 100) ** (2 / 9)))
    total = float(column @ column)
    for lag in range(1, lags + 1):
        weight = 1 - lag / (lags + 1)
        total += 2 * weight * float(column[lag:] @ column[:-lag])
    return max(total, 0.0)
