"""The daemon: watch, reconcile and embed until told to stop; then stop in order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

import structlog

from ingestd_state import vectors, work

from .errors import StoreError
from .follow import Follower
from .schedule import DRAIN_S, Schedule

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .instance import Instance
    from .reconcile import Findings
    from .signals import Stop

log = structlog.get_logger(__name__)

PROGRESS_S = 0.25
JITTER = 0.1
"""Share of the interval by which reconciles are spread."""


class Reporter(Protocol):
    """Who wants to know how it goes."""

    def progress(self, done: int, waiting: int, chunks: int) -> None:
        """So many documents are done since the start, so many wait; so many chunks embedded."""

    def ready(self, instance: Instance) -> None:
        """Everything that was waiting at the start is dealt with."""


class Service:
    """A running daemon."""

    def __init__(self, instance: Instance, stop: Stop, reporter: Reporter) -> None:
        self._instance = instance
        self._stop = stop
        self._reporter = reporter
        self._due = asyncio.Event()
        self._scan = asyncio.Event()
        self._to_scan: set[str] = set()
        self._caught_up = False
        self._scanned = False
        self._follower = Follower(
            instance.reconciler,
            instance.sources,
            instance.settings.watch,
            canary=instance.location.state_dir / "canary",
            on_change=self._on_change,
            on_distrust=self.scan_soon,
        )

    def scan_soon(self, names: set[str]) -> None:
        """Have these sources scanned as soon as can be."""
        self._to_scan |= names
        self._scan.set()

    async def run(self) -> None:
        """Run until a stop is asked for.

        Raises:
            WatchLimitError: the kernel allows no more watches.
            Exception: whatever ended one of the tasks: a daemon that is half dead must not go on.
        """
        await self._instance.job.settle()
        # Armed before the first scan: what changes meanwhile is not lost.
        await asyncio.to_thread(self._follower.start)
        self.scan_soon(set(self._instance.sources))
        schedule = self._schedule()
        schedule.start()
        tasks = [
            self._task("follow", self._follower.follow()),
            self._task("reconcile", self._reconcile_loop()),
            self._task("progress", self._progress_loop()),
        ]
        embed = self._task("embed", self._embed_loop())
        stopping = self._task("stop", self._wait_stop())
        try:
            done, _ = await asyncio.wait(
                [*tasks, embed, stopping], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {stopping}:
                log.error("task_died", task=task.get_name(), error=str(task.exception()))
                task.result()
        finally:
            schedule.stop()
            await self._cancel([*tasks, stopping])
            await asyncio.to_thread(self._follower.stop)
            await self._finish(embed)

    async def _finish(self, embed: asyncio.Task[None]) -> None:
        """Let the job finish the document in hand, within the time that is allowed."""
        self._instance.job.stop()
        self._instance.store.call.stop()  # a server that is away shall not use up its attempts
        self._due.set()
        limit_s = self._instance.settings.limits.stop_s
        done, _ = await asyncio.wait([embed], timeout=limit_s)
        if not done:
            log.warning("stop_forced", after_s=limit_s)
            self._instance.job.abandon()
            await self._cancel([embed])

    def _schedule(self) -> Schedule:
        settings = self._instance.settings.watch
        schedule = Schedule()
        schedule.every(DRAIN_S, "drain", self._tick_drain)
        schedule.every(
            settings.reconcile_s,
            "reconcile",
            self._tick_reconcile,
            jitter_s=settings.reconcile_s * JITTER,
        )
        schedule.every(settings.canary_s, "canary", self._follower.check)
        schedule.nightly("maintain", self._maintain)
        return schedule

    async def _tick_drain(self) -> None:
        self._due.set()

    async def _tick_reconcile(self) -> None:
        self.scan_soon(set(self._instance.sources))

    async def _maintain(self) -> None:
        limit = self._instance.settings.limits.vectors_bytes
        await asyncio.to_thread(maintain, self._instance, limit)

    async def _embed_loop(self) -> None:
        while not self._stop.event.is_set():
            await self._due.wait()
            self._due.clear()
            try:
                await self._instance.job.drain()
            except StoreError:
                continue  # told by the job, which rests; what was in hand is due again
            if await look_for_gone(self._instance):
                self._due.set()
            self._tell_ready()

    def _tell_ready(self) -> None:
        if self._scanned and not self._caught_up and not self._due.is_set():
            self._caught_up = True
            self._reporter.ready(self._instance)
            log.info("ready", sources=sorted(self._instance.sources))

    async def _reconcile_loop(self) -> None:
        while True:
            await self._scan.wait()
            self._scan.clear()
            names, self._to_scan = self._to_scan, set()
            for name in sorted(names):
                source = self._instance.sources[name]
                await asyncio.to_thread(self._instance.reconciler.reconcile, source)
                self._due.set()
            self._scanned = True
            self._due.set()

    async def _progress_loop(self) -> None:
        """Report until the first backlog is done."""
        while not self._caught_up:
            await report_progress(self._instance, self._reporter)
            await asyncio.sleep(PROGRESS_S)
        await asyncio.Event().wait()

    async def _wait_stop(self) -> None:
        await self._stop.event.wait()

    def _on_change(self, _findings: Findings) -> None:
        self._due.set()

    @staticmethod
    def _task(name: str, work_to_do: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work_to_do, name=name)

    @staticmethod
    async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def report_progress(instance: Instance, reporter: Reporter) -> None:
    """Tell a reporter how far the work is."""
    waiting = await asyncio.to_thread(count_open, instance)
    reporter.progress(instance.totals.done, waiting, instance.totals.chunks["embedded"])


async def look_for_gone(instance: Instance) -> bool:
    """Have the paths looked at that were gone when the job came to read them."""
    gone, instance.job.gone = instance.job.gone, {}
    for source in instance.sources.values():
        if source.id in gone:
            await asyncio.to_thread(instance.reconciler.look, source, gone[source.id])
    return bool(gone)


def count_open(instance: Instance) -> int:
    """Documents that wait for the job, or are in its hands; blocking."""
    ids = [source.id for source in instance.sources.values()]
    with instance.database.read() as connection:
        return work.count_open(connection, instance.clock(), ids)


def maintain(instance: Instance, limit_bytes: int) -> None:
    """Keep the caches within their bounds, and cut the write-ahead logs; blocking."""
    with instance.cache.write() as connection:
        pruned = vectors.prune(connection, limit_bytes)
    instance.cache.checkpoint()
    instance.database.checkpoint()
    log.info("maintained", vectors_pruned=pruned)
