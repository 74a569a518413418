"""Follows the file system: watchers, the inbox, the canary, and what to do when they fail.

An event only names a path that may have changed. When the watchers cannot be trusted (the kernel's
queue overflowed, a thread died, the canary did not sing) they are replaced, and everything is
looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import structlog

from .bulletin import Bulletin
from .looks import Looks
from .renewals import Renewals
from .watch.inbox import Inbox, Pace
from .watch.kernel import BACKLOG
from .watch.mounts import MountWatch
from .watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from pathlib import Path

    from .gauges import Gauges
    from .reconcile import Findings, Reconciler
    from .settings.running import WatchSettings
    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)

CANARY_ANSWER_S = 5.0
TASKS = 3
"""One that awaits roots, one that looks at mounts, one that replaces the watchers."""
RETURN_S = 1.0
"""Between two looks whether a root that is away has come back."""


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
        self._reconciler = reconciler
        self._sources = sources
        self._on_distrust = on_distrust
        self._loop = asyncio.get_running_loop()
        pace = Pace(settings.settle_ms / 1000, settings.max_wait_s)
        self._inbox = Inbox(self._loop, settle_s=pace.settle_s, max_wait_s=pace.max_wait_s)
        self._looks = Looks(
            self._inbox,
            pace,
            reconciler,
            sources,
            on_change=on_change,
            on_distrust=on_distrust,
            on_rules=self._on_rules,
        )
        self._watchers = Watchers(sources, canary, self._inbox.put, self._on_lost)
        self._bulletin = Bulletin(reconciler.database, sources)
        self._renewals = Renewals(
            self._loop,
            self._watchers,
            self._bulletin,
            spawn=self._spawn,
            on_renewed=self._on_renewed,
        )
        self._stopped = False
        self._awaiting = False
        self._mounts_changed = False
        self._looking_at_mounts = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._mount_watch: MountWatch | None = None

    @property
    def lost(self) -> int:
        """How often the watchers were lost since the start."""
        return self._renewals.lost

    def healthy(self) -> bool:
        """Whether every thread of the watchers lives."""
        return not self._watchers.ailing()

    def dead(self) -> str:
        """Which thread of the watchers is dead; empty when all live, or there are none. Quick."""
        return self._watchers.dead()

    def unwatched(self) -> list[str]:
        """Sources that are not watched at the moment: their roots are not there."""
        return self._watchers.unwatched()

    def polled(self) -> set[str]:
        """The sources that are scanned at an interval, because events tell too little of them."""
        return self._watchers.polled()

    def short(self) -> dict[str, str]:
        """Why, of sources that are scanned at an interval although events were asked for."""
        return self._watchers.short()

    async def poll_due(self) -> None:
        """Have the sources scanned that are polled; to be called at the interval of polling."""
        if names := self.polled():
            self._on_distrust(names)

    def add_gauges(self, gauges: Gauges) -> None:
        """Have the queues of the watchers counted."""
        gauges.add(
            "watcher_inbox_paths",
            lambda: len(self._inbox),
            limit=self._inbox.limit,
            help="Paths that may have changed and wait to be looked at.",
        )
        gauges.add(
            "watcher_inbox_overflows_total",
            lambda: self._inbox.overflows,
            total=True,
            help="Times that the paths of a source were forgotten, and the source scanned instead.",
        )
        gauges.add(
            "watcher_backlog_events",
            lambda: self._watchers.counts()["backlog"],
            limit=BACKLOG,
            help="Events that were read from the kernel and are not in the inbox yet.",
        )
        gauges.add(
            "watcher_watches",
            lambda: self._watchers.counts()["watches"],
            help="Directories that the kernel watches for us.",
        )
        gauges.add(
            "watcher_losses_total",
            lambda: self.lost,
            total=True,
            help="Times that the watchers were lost and replaced.",
        )
        gauges.add(
            "watcher_tasks",
            lambda: len(self._tasks),
            limit=TASKS,
            help="Looks at mounts, roots and watchers that are under way.",
        )

    def look_soon(self, source: str, paths: Iterable[bytes]) -> None:
        """Have these paths looked at, as after events."""
        for path in paths:
            self._inbox.put(source, path, closed=True)

    def start(self) -> None:
        """Arm the watchers; blocking, about 40 µs a directory. What cannot be watched is polled."""
        self._watchers.arm()
        self._bulletin.modes(self._watchers.modes)
        with contextlib.suppress(OSError):  # no mount table; `check` looks at the roots anyway
            self._mount_watch = MountWatch()
        self._loop.call_soon_threadsafe(self._listen)

    def stop(self) -> None:
        """Disarm the watchers; blocking."""
        self._stopped = True
        self._renewals.stop()
        self._watchers.disarm()
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its readers with it
            self._loop.call_soon_threadsafe(self._listen_no_more)

    async def follow(self) -> None:
        """Look at paths as they become due, until cancelled."""
        await self._looks.run()

    async def check(self) -> None:
        """See that the watchers live: their threads, the roots, an event from end to end."""
        seen = self._renewals.count
        if not await self._check_places() and not await self._sings():
            await self._renewals.replace("no answer", seen=seen)
        await asyncio.to_thread(self._bulletin.modes, self._watchers.modes)

    async def _check_places(self) -> bool:
        """See that threads, roots and mounts are as they were; returns whether they were not."""
        if self._renewals.under_way():
            return True
        seen = self._renewals.count
        if ailing := await asyncio.to_thread(self._watchers.ailing):
            await self._renewals.replace(ailing, seen=seen)
            return True
        if outdated := await asyncio.to_thread(self._watchers.outdated):
            await self._renewals.replace(outdated, lost=False, seen=seen)
            return True
        if back := await asyncio.to_thread(self._returned):
            self._on_distrust(back)
        return False

    def _returned(self) -> set[str]:
        """Sources that could not be looked at the last time, and are there now."""
        gone = self._reconciler.unreachable & set(self._sources)
        return {name for name in gone if os.path.isdir(self._sources[name].root)}

    async def _sings(self) -> bool:
        """Whether an event comes through: watcher, inbox, and the worker that takes from it."""
        if not self._watchers.can_sing():
            return True
        self._looks.sang.clear()
        try:
            await asyncio.to_thread(self._watchers.sing)
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning("canary_mute", error=str(error))
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._looks.sang.wait(), CANARY_ANSWER_S)
        # A worker that has its hands full hears it late: that is not the watcher's fault.
        return self._looks.sang.is_set() or self._looks.busy

    def _listen(self) -> None:
        """Hear of mounts, and of roots that come back."""
        if self._stopped:
            return
        if self._mount_watch is not None:
            self._loop.add_reader(self._mount_watch.fileno(), self._on_mounts)
        self._await_roots()

    def _await_roots(self) -> None:
        if not self._awaiting and self._watchers.unwatched():
            self._awaiting = True
            self._spawn(self._look_for_roots(), "await-roots")

    async def _look_for_roots(self) -> None:
        """Look often for roots that are away: until they are watched, nothing is heard there."""
        try:
            while not self._stopped and self._watchers.unwatched():
                await asyncio.sleep(RETURN_S)
                await self._check_places()
        finally:
            self._awaiting = False

    def _listen_no_more(self) -> None:
        watch, self._mount_watch = self._mount_watch, None
        if watch is not None:
            self._loop.remove_reader(watch.fileno())
            watch.close()

    def _on_mounts(self) -> None:
        if self._stopped:
            return
        self._mounts_changed = True
        if not self._looking_at_mounts:
            self._looking_at_mounts = True
            self._spawn(self._after_mount(), "check-mounts")

    async def _after_mount(self) -> None:
        """Look once for all that was mounted meanwhile, however much that is."""
        try:
            while self._mounts_changed and not self._stopped:
                self._mounts_changed = False
                await self._check_places()
        finally:
            self._looking_at_mounts = False

    def _on_rules(self) -> None:
        """What is ours has changed, and with it which folders are watched."""
        self._renewals.soon("the rules have changed", lost=False)

    def _on_lost(self, reason: str) -> None:
        self._renewals.on_lost(reason)

    def _on_renewed(self) -> None:
        """What happened while there were no watchers is found by looking at everything."""
        self._await_roots()
        self._on_distrust(set(self._sources))

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        # The reference is kept because the loop holds tasks weakly.
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
