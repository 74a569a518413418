"""Takes the paths that may have changed from the inbox, and has each looked at.

Deletions are decided about when a burst of them is over, so that what is gone at once is judged at
once. What cannot be recorded, because the state table is away, is left to a scan.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from ingestd_state.engine import DatabaseError

from .errors import StateError
from .reconcile import Findings
from .watch.ignorefile import RULE_FILE
from .watch.inbox import Entry
from .watchers import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .reconcile import Reconciler
    from .watch.inbox import Inbox, Key, Pace
    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)


class Looks:
    """The worker between the inbox and the state table.

    Args:
        inbox: where the paths come from.
        pace: how long a burst of deletions is waited for.
        reconciler: looks at paths and records what changed.
        sources: by name.
        on_change: called with what a look found.
        on_distrust: called with the names of sources that must be scanned.
        on_rules: called when a file of rules may have changed.

    Attributes:
        sang: set when the canary is heard.
        busy: paths are in hand; the canary may have to wait for them.
    """

    def __init__(
        self,
        inbox: Inbox,
        pace: Pace,
        reconciler: Reconciler,
        sources: Mapping[str, WatchedSource],
        *,
        on_change: Callable[[Findings], None],
        on_distrust: Callable[[set[str]], None],
        on_rules: Callable[[], None],
    ) -> None:
        self.sang = asyncio.Event()
        self.busy = False
        self._inbox = inbox
        self._pace = pace
        self._reconciler = reconciler
        self._sources = sources
        self._on_change = on_change
        self._on_distrust = on_distrust
        self._on_rules = on_rules
        self._undecided: dict[str, Entry] = {}
        self._told_away = False

    async def run(self) -> None:
        """Look at paths as they become due, until cancelled."""
        while True:
            due = await self._take()
            self.busy = True
            try:
                await self._look_at(due)
                await self._decide_due()
            finally:
                self.busy = False

    async def _take(self) -> list[Key]:
        """Paths that are due; none when a decision about deletions is due before any path."""
        ends = [self._pace.due_at(entry) for entry in self._undecided.values()]
        wait_s = max(0.0, min(ends) - time.monotonic()) if ends else None
        try:
            async with asyncio.timeout(wait_s):
                return await self._inbox.take()
        except TimeoutError:
            return []

    async def _look_at(self, due: list[Key]) -> None:
        overflowed = self._inbox.overflowed()
        if overflowed:
            log.warning("inbox_overflowed", sources=sorted(overflowed))
            self._on_distrust(overflowed & set(self._sources))
        by_source: dict[str, list[bytes]] = defaultdict(list)
        for name, path in due:
            if name == CANARY:
                self.sang.set()
            else:
                by_source[name].append(path)
        for name, paths in by_source.items():
            if any(path.rpartition(b"/")[2] == RULE_FILE for path in paths):
                self._on_rules()
            await self._look(self._sources[name], paths)

    async def _look(self, source: WatchedSource, paths: list[bytes]) -> None:
        try:
            findings, missed = await asyncio.to_thread(self._reconciler.note, source, paths)
        except DatabaseError as error:
            self._away(source.name, error)
            return
        self._told_away = False
        if missed:
            self._undecide(source.name)
        self._on_change(findings)

    def _undecide(self, name: str) -> None:
        now = time.monotonic()
        self._undecided.setdefault(name, Entry(now, now, closed=False)).last = now

    async def _decide_due(self) -> None:
        """Decide about deletions where the burst is over, or goes on for too long."""
        now = time.monotonic()
        for name, entry in list(self._undecided.items()):
            if self._pace.due_at(entry) <= now:
                del self._undecided[name]
                await self._decide(name)

    async def _decide(self, name: str) -> None:
        findings = Findings()
        try:
            decided = await asyncio.to_thread(
                self._reconciler.decide, self._sources[name], findings
            )
        except (DatabaseError, StateError) as error:
            self._away(name, error)
            return
        if decided:
            self._on_change(findings)
        else:  # a scan is at work; it may have counted before we marked
            self._undecide(name)

    def _away(self, name: str, error: Exception) -> None:
        """The state table is away: what could not be recorded is found again by a scan."""
        if not self._told_away:
            self._told_away = True
            log.warning("state_away", source=name, error=str(error), next="a scan, once it is back")
        self._on_distrust({name})
