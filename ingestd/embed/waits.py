"""How long the model waits for something else, while documents are on their way to it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Waits:
    """Adds up the time in which there is work for the model, and the model has none in hand.

    Any thread may call.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._coming = 0
        self._running = 0
        self._since: float | None = None
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """So long, until now."""
        with self._lock:
            return self._seconds + self._lasting()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Meanwhile, there is work on its way to the model."""
        self._change(coming=1)
        try:
            yield
        finally:
            self._change(coming=-1)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Meanwhile, the model works."""
        self._change(running=1)
        try:
            yield
        finally:
            self._change(running=-1)

    def _change(self, *, coming: int = 0, running: int = 0) -> None:
        with self._lock:
            self._seconds += self._lasting()
            self._coming += coming
            self._running += running
            waits = self._coming and not self._running
            self._since = self._clock() if waits else None

    def _lasting(self) -> float:
        return 0.0 if self._since is None else self._clock() - self._since
