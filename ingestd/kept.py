"""What is measured seldom, however often somebody asks."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FRESH_S = 1.0
"""How long what was measured serves those who read with it."""
SHARE = 20
"""Measuring takes at most one such part of the time."""


class Kept(Generic[T]):
    """A measurement that serves for a moment; any thread may ask, and one measures.

    Args:
        measure: does it; blocking.
        clock: seconds, never going back.
    """

    def __init__(
        self, measure: Callable[[], T], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._lock = threading.Lock()
        self._last: list[T] = []
        self._until = 0.0

    def __call__(self) -> T:
        """What was measured now, or a moment ago."""
        with self._lock:
            started = self._clock()
            if not self._last or started >= self._until:
                self._last[:] = [self._measure()]
                ended = self._clock()
                self._until = ended + max(FRESH_S, SHARE * (ended - started))
            return self._last[0]
