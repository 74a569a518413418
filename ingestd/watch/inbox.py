"""Where watcher threads drop paths that may have changed, and the event loop takes the quiet ones.

A path is due when its writer closed it, when it has been quiet for the settle time, or when it has
waited long enough although it is still written to.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Key = tuple[str, bytes]
"""A source's name and a path relative to its root."""

TAKE_LIMIT = 5000


@dataclass(slots=True)
class Entry:
    """What is known of a waiting path: times on the inbox's clock, in seconds."""

    first: float
    last: float
    closed: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a path waits.

    Attributes:
        settle_s: until it has been quiet for so long.
        max_wait_s: but no longer than this after its first event.
    """

    settle_s: float = 0.2
    max_wait_s: float = 5.0

    def due_at(self, entry: Entry) -> float:
        """When a path is due, if nothing more happens to it."""
        if entry.closed:
            return entry.last
        return min(entry.last + self.settle_s, entry.first + self.max_wait_s)


def due(
    entries: Mapping[Key, Entry], now: float, pace: Pace, limit: int = TAKE_LIMIT
) -> tuple[list[Key], float | None]:
    """Choose the paths to take now, in order of arrival.

    Returns:
        At most ``limit`` keys; and, when there are none, the time at which the first one is due,
        or None when nothing waits.
    """
    ready: list[Key] = []
    next_at: float | None = None
    for key, entry in entries.items():
        at = pace.due_at(entry)
        if at <= now:
            ready.append(key)
            if len(ready) == limit:
                break
        elif next_at is None or at < next_at:
            next_at = at
    return ready, None if ready else next_at


class Inbox:
    """Paths on their way from the watcher's threads to one asyncio worker.

    Args:
        loop: where `take` runs.
        settle_s: a path is due when it was quiet for so long.
        max_wait_s: a path is due this long after its first event, quiet or not.
        limit: no more paths than this wait. Above it, all paths of the source with the most of
            them are dropped, and `overflowed` names it: it has to be scanned.
        clock: seconds, never going back.

    Attributes:
        limit: see above.
        overflows: how often the paths of a source were dropped.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        settle_s: float = 0.2,
        max_wait_s: float = 5.0,
        limit: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._pace = Pace(settle_s, max_wait_s)
        self.limit = limit
        self.overflows = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Key, Entry] = {}
        self._counts: Counter[str] = Counter()
        self._overflowed: set[str] = set()
        self._announce = False
        self._called = False
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """How many paths wait."""
        return len(self._entries)

    def put(self, source: str, path: bytes, closed: bool) -> None:  # noqa: FBT001  # the watcher's callback
        """Note that a path may have changed. From any thread; never raises.

        Args:
            source: the source's name.
            path: relative to the source's root.
            closed: nobody is writing to it any more: no need to wait for quiet.
        """
        with self._lock:
            if source in self._overflowed:
                return  # the scan to come sees it
            wake = self._note((source, path), closed=closed) and not self._called
            self._called = self._called or wake
        if wake:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody will take it
                self._loop.call_soon_threadsafe(self._wake.set)

    def _note(self, key: Key, *, closed: bool) -> bool:
        """Enter a path; whether the worker, asleep until the next one is due, must hear of it."""
        now = self._clock()
        entry = self._entries.get(key)
        if entry is not None:
            entry.last, entry.closed = now, closed
            return closed
        first = not self._entries
        self._entries[key] = Entry(now, now, closed)
        self._counts[key[0]] += 1
        if len(self._entries) > self.limit:
            self._drop_fullest()
            return True
        return closed or first

    def _drop_fullest(self) -> None:
        source, _ = self._counts.most_common(1)[0]
        self._entries = {key: entry for key, entry in self._entries.items() if key[0] != source}
        del self._counts[source]
        self._overflowed.add(source)
        self._announce = True
        self.overflows += 1

    async def take(self) -> list[Key]:
        """Wait for paths that are due, and take them: at most `TAKE_LIMIT`, in order of arrival.

        Idle, it sleeps without waking up. One task only may call it.

        Returns:
            Source names and paths. Empty only when a source has overflowed: ask `overflowed`.
        """
        while True:
            self._wake.clear()
            with self._lock:
                self._called = False
                announce, self._announce = self._announce, False
                ready, next_at = due(self._entries, self._clock(), self._pace)
                for key in ready:
                    del self._entries[key]
                self._counts.subtract(Counter(source for source, _ in ready))
            if ready or announce:
                return ready
            await self._sleep(next_at)

    async def _sleep(self, until: float | None) -> None:
        """Sleep until woken, or until a time on the clock."""
        seconds = None if until is None else max(0.0, until - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def overflowed(self) -> set[str]:
        """The sources that lost paths, and which must be scanned; forgets them."""
        with self._lock:
            sources, self._overflowed = self._overflowed, set()
        return sources
