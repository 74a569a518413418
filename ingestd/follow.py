"""Follows the file system: watchers, the inbox, the canary, and what to do when they fail.

An event only names a path that may have changed. When the watchers cannot be trusted (the kernel's
queue overflowed, a thread died, the canary did not sing) they are replaced, and everything is
looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from .errors import IngestdError, SourceMissingError, WatchLimitError
from .watch.inbox import Inbox
from .watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .config import WatchSettings
    from .reconcile import Findings, Reconciler, WatchedSource

log = structlog.get_logger(__name__)

CANARY = ""
"""Name of the canary's folder among the watched ones: no source can be called so."""
CANARY_ANSWER_S = 5.0


class Follower:
    """Keeps the state table informed of changes while they happen."""

    def __init__(
        self,
        reconciler: Reconciler,
        sources: Mapping[str, WatchedSource],
        settings: WatchSettings,
        *,
        canary: Path,
        on_change: Callable[[Findings], None],
        on_distrust: Callable[[set[str]], None],
    ) -> None:
        """Make a follower; `start` begins.

        Args:
            reconciler: looks at paths and records what changed.
            sources: by name.
            settings: times.
            canary: a folder of ours for the canary file.
            on_change: called with what a look found.
            on_distrust: called with the names of sources that must be scanned.
        """
        self.lost = 0
        self._reconciler = reconciler
        self._sources = sources
        self._canary = canary
        self._on_change = on_change
        self._on_distrust = on_distrust
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(
            self._loop, settle_s=settings.settle_ms / 1000, max_wait_s=settings.max_wait_s
        )
        self._observer: Observer | None = None
        self._armed: set[str] = set()
        self._sang = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None

    def healthy(self) -> bool:
        """Whether every thread of the watchers lives."""
        return self._observer is not None and self._observer.healthy()

    def unwatched(self) -> list[str]:
        """Sources that are not watched at the moment: their roots are not there."""
        return sorted(set(self._sources) - self._armed)

    def start(self) -> None:
        """Arm the watchers; blocking, about 20 µs a directory.

        Raises:
            WatchLimitError: the kernel allows no more watches.
        """
        self._canary.mkdir(parents=True, exist_ok=True)
        observer = Observer(self._on_path, self._on_lost)
        observer.watch(CANARY, os.fsencode(self._canary))
        armed = set()
        for name, source in self._sources.items():
            with contextlib.suppress(SourceMissingError):
                observer.watch(name, source.root)
                armed.add(name)
        observer.start()
        self._observer, self._armed = observer, armed
        if short := observer.unwatched():
            log.warning(
                "watches_short",
                directories=short,
                hint=f"{WatchLimitError.hint} Until then only the reconcile finds changes there.",
            )

    def stop(self) -> None:
        """Disarm the watchers; blocking."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()

    async def follow(self) -> None:
        """Look at paths as they become due, until cancelled."""
        while True:
            due = await self._inbox.take()
            overflowed = self._inbox.overflowed()
            if overflowed:
                log.warning("inbox_overflowed", sources=sorted(overflowed))
                self._on_distrust(overflowed & set(self._sources))
            by_source: dict[str, list[bytes]] = defaultdict(list)
            for name, path in due:
                if name == CANARY:
                    self._sang.set()
                else:
                    by_source[name].append(path)
            for name, paths in by_source.items():
                await self._look(self._sources[name], paths)

    async def check(self) -> None:
        """See that the watchers live: their threads, an event from end to end, and the roots."""
        back = await asyncio.to_thread(self._back)
        if back or not self.healthy() or not await self._sings():
            await self.replace("source is back" if back else "no answer from the watcher")

    def _back(self) -> list[str]:
        """Sources whose roots are there again, and not watched yet."""
        return [name for name in self.unwatched() if os.path.isdir(self._sources[name].root)]

    async def replace(self, reason: str) -> None:
        """Make new watchers, and have everything looked at again."""
        self.lost += 1
        log.warning("watcher_lost", reason=reason, times=self.lost)
        await asyncio.to_thread(self.stop)
        try:
            await asyncio.to_thread(self.start)
        except IngestdError as error:  # the next check tries again; the reconcile goes on
            log.warning("watcher_not_replaced", error=str(error), hint=error.hint)
        self._on_distrust(set(self._sources))

    async def _sings(self) -> bool:
        self._sang.clear()
        await asyncio.to_thread((self._canary / "canary").write_text, "alive\n")
        try:
            await asyncio.wait_for(self._sang.wait(), CANARY_ANSWER_S)
        except TimeoutError:
            return False
        return True

    async def _look(self, source: WatchedSource, paths: list[bytes]) -> None:
        if any(path.endswith(b".ingestignore") for path in paths):
            self._on_distrust({source.name})  # what is ours has changed
        findings = await asyncio.to_thread(self._reconciler.look, source, paths)
        self._on_change(findings)

    def _on_path(self, source: str, path: bytes, closed: bool) -> None:  # noqa: FBT001 - watcher's
        self._inbox.put(source, path, closed)

    def _on_lost(self, reason: str) -> None:
        """Called in a thread of the watcher, which is about to be replaced."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
            self._loop.call_soon_threadsafe(self._replace_soon, reason)

    def _replace_soon(self, reason: str) -> None:
        if self._observer is not None and (self._replacing is None or self._replacing.done()):
            # The reference is kept because the loop holds tasks weakly.
            self._replacing = self._loop.create_task(self.replace(reason), name="replace-watchers")
