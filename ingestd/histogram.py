"""How often something took how long: counts by bounds, as Prometheus wants them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

CALLS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""For a call to the model or to the store."""
WAITS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
"""For what somebody waits for."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a histogram holds.

    Attributes:
        bounds: upper ends, the last one excepted, which has none.
        counts: observations up to each bound, and above the last; one more than bounds.
        total: of all observed values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def number(self) -> int:
        """How many were observed."""
        return sum(self.counts)

    def cumulative(self) -> list[tuple[str, float]]:
        """Each bound as text, with how many were at most that; ``+Inf`` is the last."""
        names = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        return [(name, float(sum(self.counts[: at + 1]))) for at, name in enumerate(names)]

    def as_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "count": self.number,
            "sum": round(self.total, 6),
            "buckets": {name: int(number) for name, number in self.cumulative()},
        }


class Histogram:
    """Counts observations. Any thread may observe.

    Args:
        bounds: upper ends, growing.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Count one."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._total += value

    def read(self) -> Distribution:
        """What was observed so far."""
        with self._lock:
            return Distribution(self._bounds, tuple(self._counts), self._total)
