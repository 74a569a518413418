"""Gives the heap's free pages back after much work, whatever work it was."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

from . import heap

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.gauges import Gauges

TRIM_S = 30.0
"""Between two looks."""
WORTH_PAGES = 16_384
"""Pages that came into the process since the last trim, of 4 KiB each: 64 MiB."""


def pages_faulted() -> int:
    """Pages that came into this process since its start, without reading from a disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


class Trimmer:
    """Trims when enough memory went in and out since the last time.

    Page faults tell of all work alike (scans, documents, embedding, answers), and an idle daemon
    has none, so it is left alone.

    Args:
        trim: gives memory back; blocking.
        faulted: pages that came in since the start.

    Attributes:
        times: how often it trimmed.
    """

    def __init__(
        self,
        trim: Callable[[], object] = heap.trim,
        faulted: Callable[[], int] = pages_faulted,
    ) -> None:
        self.times = 0
        self._trim = trim
        self._faulted = faulted
        self._last = 0

    def add_gauges(self, gauges: Gauges) -> None:
        """Have the trims counted."""
        gauges.add(
            "memory_trims_total",
            lambda: self.times,
            total=True,
            help="Times that the heap's free pages were given back after much work.",
        )

    async def tick(self) -> None:
        """Trim if it is worth it; to be called at an interval."""
        if self._faulted() - self._last < WORTH_PAGES:
            return
        await asyncio.to_thread(self._trim)
        self.times += 1
        self._last = self._faulted()
