"""The numbers of the running daemon: what fills up, how far, and where its bound is.

Whoever owns a queue, a cache or a process adds a gauge; nothing is computed until somebody reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .histogram import Distribution

Value = float | Mapping[str, float] | Distribution
"""A number; of a gauge with a label, one for each value of the label; or a histogram."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A gauge as it stands.

    Attributes:
        name: in snake case, the unit at its end; a counter ends in ``_total``.
        value: None where it cannot be told now.
        unit: such as ``bytes``; empty for a plain number.
        limit: the value is never above this for long; None where there is no such bound.
        help: what it counts, in one sentence.
        label: what the keys of the value mean; empty for a single number.
        total: it only grows, from the start of the daemon on.
    """

    name: str
    value: Value | None
    unit: str
    limit: float | None
    help: str
    label: str
    total: bool

    def as_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        value: Any = self.value
        if isinstance(value, Distribution):
            value = value.as_json()
        elif isinstance(value, Mapping):
            value = dict(value)
        return {
            "name": self.name,
            "value": value,
            "unit": self.unit,
            "limit": self.limit,
            "help": self.help,
            "label": self.label,
            "total": self.total,
        }


@dataclass(frozen=True, slots=True)
class _Gauge:
    name: str
    read: Callable[[], Value | None]
    unit: str
    limit: float | None
    help: str
    label: str
    total: bool


class Gauges:
    """The gauges of one process, in the order in which they were added. Any thread may use it."""

    def __init__(self) -> None:
        self._gauges: dict[str, _Gauge] = {}
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        read: Callable[[], Value | None],
        *,
        help: str,  # noqa: A002 - the word that metrics use
        unit: str = "",
        limit: float | None = None,
        label: str = "",
        total: bool = False,
    ) -> None:
        """Add a gauge.

        Args:
            name: see `Reading`.
            read: gives the number, in the thread of whoever reads; quick, or at least bounded.
            help: see `Reading`.
            unit: see `Reading`.
            limit: see `Reading`.
            label: see `Reading`.
            total: see `Reading`.

        Raises:
            ValueError: there is one of this name.
        """
        with self._lock:
            if name in self._gauges:
                raise ValueError(f"there are two gauges called {name}")
            self._gauges[name] = _Gauge(name, read, unit, limit, help, label, total)

    def read(self) -> list[Reading]:
        """All of them; blocking. One that cannot be read has no value, and hinders no other."""
        with self._lock:
            gauges = list(self._gauges.values())
        return [_reading(gauge) for gauge in gauges]


def _reading(gauge: _Gauge) -> Reading:
    value: Value | None
    try:
        value = gauge.read()
    except Exception:  # noqa: BLE001 - what it counts may be closed, or away, at this moment
        value = None
    return Reading(gauge.name, value, gauge.unit, gauge.limit, gauge.help, gauge.label, gauge.total)
