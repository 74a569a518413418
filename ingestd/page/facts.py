"""What the page tells, gathered from a running daemon, seldom enough to cost little."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestd.overview import from_table
from ingestd_state.engine import DatabaseError
from ingestd_state.status import DocumentStatus

from .estimate import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.health import Health
    from ingestd.history import History, Sample
    from ingestd.instance import Instance
    from ingestd.symptoms import Symptoms

FRESH_S = 1.0
SHARE = 20
"""Counting takes at most one such part of the time, however many look."""
BLANK: dict[str, Any] = {
    "sources": [],
    "documents": {status.value: 0 for status in DocumentStatus},
    "skipped": {},
    "chunks": {"live": 0},
    "waiting": {"documents": 0, "oldest_s": None},
    "in_hand": [],
    "failed": [],
    "paused": None,
    "runs": [],
}
"""What is told of a state table that could never be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """How the daemon is at a moment.

    Attributes:
        at: Unix seconds.
        table: what the state table tells; see `ingestd.overview`.
        health: with what is wrong.
        samples: of the last day, up to now.
        left_s: seconds until what waits is done; None where nobody can tell.
        since: start of the daemon, in Unix seconds.
    """

    at: float
    table: dict[str, Any]
    health: Health
    samples: Sequence[Sample]
    left_s: float | None
    since: float


class Gatherer:
    """Gathers them; what was gathered serves all who ask for a moment.

    Args:
        instance: whose they are.
        symptoms: tells what is wrong.
        history: has the last day.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        instance: Instance,
        symptoms: Symptoms,
        history: History,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instance = instance
        self._symptoms = symptoms
        self._history = history
        self._clock = clock
        self._pace = Pace()
        self._since = instance.clock()
        self._lock = asyncio.Lock()
        self._again_at = 0.0
        self._last: Facts | None = None

    def tick(self) -> None:
        """Note how far the work is; to be called now and then, also while nobody looks."""
        self._pace.note(self._clock(), self._instance.totals.done)

    async def gather(self) -> Facts:
        """How the daemon is now, or was a moment ago. On the event loop."""
        async with self._lock:
            if self._last is None or self._clock() >= self._again_at:
                started = self._clock()
                self._last = await self._gather()
                ended = self._clock()
                self._again_at = ended + max(FRESH_S, SHARE * (ended - started))
            return self._last

    async def _gather(self) -> Facts:
        health = await self._symptoms.look()
        now = self._instance.clock()
        try:
            table = await asyncio.to_thread(from_table, self._instance.database, now)
        except DatabaseError:  # it is among what is wrong; what was known last is still shown
            table = self._last.table if self._last else BLANK
        self.tick()
        left_s = self._pace.left_s(table["waiting"]["documents"])
        samples = [*self._history.read(), await asyncio.to_thread(self._history.now)]
        return Facts(now, table, health, samples, left_s, self._since)
