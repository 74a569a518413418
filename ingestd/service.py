"""The daemon: watch, reconcile and embed until told to stop; then stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Protocol

import structlog

from ingestd_state.engine import DatabaseError

from . import figures, tally
from .backlog import in_words, report_progress
from .desk import Desk
from .drain import Drain
from .follow import Follower
from .front import Front
from .history import EVERY_S as SAMPLE_S
from .home import Home
from .maintain import Maintainer
from .memory.gate import Gate
from .memory.trimmer import TRIM_S, Trimmer
from .relief import guard_of
from .scans import Scans
from .schedule import DRAIN_S, Schedule
from .symptoms import Symptoms
from .tables import as_told
from .vitals import Vitals
from .web import Web

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from .herald import Herald
    from .instance import Instance
    from .reconcile import Findings
    from .signals import Stop

log = structlog.get_logger(__name__)

PROGRESS_S = 0.25
PROGRESS_SHARE = 20
"""Counting takes at most one such part of the time: with many documents it takes a while."""
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

    def __init__(self, instance: Instance, stop: Stop, reporter: Reporter, herald: Herald) -> None:
        self._instance = instance
        self._stop = stop
        self._reporter = reporter
        self._herald = herald
        self._due = asyncio.Event()
        self._caught_up = False
        gate = Gate()
        self._drain = Drain(instance, gate)
        self._guard = guard_of(instance, gate, on_open=self._due.set)
        self._trimmer = Trimmer()
        self._maintainer = Maintainer(instance)
        self._home = Home(*state_files(instance))
        self._scans = Scans(instance.reconciler, instance.sources, on_scanned=self._due.set)
        self._follower = Follower(
            instance.reconciler,
            instance.sources,
            instance.settings.watch,
            canary=instance.location.state_dir / "canary",
            on_change=self._on_change,
            on_distrust=self._scans.soon,
        )
        self._vitals = Vitals(instance.texts, self._follower)
        self._symptoms = Symptoms(instance, self._follower, self._drain, self._guard, self._vitals)
        self._front = Front(instance, self._symptoms)
        self._web = Web(instance.settings.http, self._front.routes)
        self._desk = Desk(instance, self._maintainer, self._front.probes)

    def _add_gauges(self) -> None:
        gauges = self._instance.gauges
        figures.add_gauges(gauges, self._instance)
        tally.add_gauges(gauges, self._instance, self._follower, self._scans)
        self._guard.add_gauges(gauges)
        self._follower.add_gauges(gauges)
        self._trimmer.add_gauges(gauges)

    async def run(self) -> None:
        """Run until a stop is asked for.

        Raises:
            StateError: the state table is damaged, or the state directory was taken away.
            PortBusyError: the address of the page is taken.
            ConfigError: there is no such address.
            Exception: whatever ended one of the tasks: a daemon that is half dead must not go on.
        """
        await self._web.open()
        await asyncio.to_thread(self._instance.show_page, self._web.address)
        try:
            await self._run()
        finally:
            await self._front.close()
            await self._web.close()

    async def _run(self) -> None:
        await settle(self._instance)
        # Armed before the first scan: what changes meanwhile is not lost.
        await asyncio.to_thread(self._follower.start)
        log.info("watching", sources=sorted(self._instance.sources))
        self._symptoms.started = True
        await self._front.minute()
        self._herald.ready(await in_words(self._instance))
        self._scans.soon(self._instance.sources)
        schedule = self._schedule()
        schedule.start()
        tasks = [
            self._task("follow", self._follower.follow()),
            self._task("reconcile", self._scans.run()),
            self._task("progress", self._progress_loop()),
            self._task("home", self._home.keep()),
            self._task("maintain", self._maintainer.run()),
            self._task("tell", self._herald.tell(lambda: in_words(self._instance))),
            self._task("pulse", self._pulse()),
            self._task("obey", self._herald.obey()),
        ]
        embed = self._task("embed", self._embed_loop())
        stopping = self._task("stop", self._wait_stop())
        try:
            self._add_gauges()
            await self._desk.open()
            await asyncio.wait([*tasks, embed, stopping], return_when=asyncio.FIRST_COMPLETED)
            self._raise_first([*tasks, embed])
        finally:
            self._herald.stopping()
            self._symptoms.stopping = True
            schedule.stop()
            self._maintainer.stop()
            await self._desk.close()
            self._instance.reconciler.interrupt()
            await self._guard.stop()
            await self._cancel([*tasks, stopping])
            await asyncio.to_thread(self._follower.stop)
            await self._end(embed)

    async def _end(self, embed: asyncio.Task[None]) -> None:
        """End the embed job: in order, or at once when all that it writes is lost anyway."""
        self._due.set()
        if self._home.gone():
            await self._drain.abandon(embed)
            return
        died = embed.done()
        await self._drain.finish(embed)
        if not died and embed.done() and not embed.cancelled():
            self._raise_first([embed])

    @staticmethod
    def _raise_first(tasks: list[asyncio.Task[None]]) -> None:
        """Raise what ended a task; at a stop, the embed job may have ended in order."""
        for task in tasks:
            if task.done() and (error := task.exception()):
                log.error("task_died", task=task.get_name(), error=str(error))
                raise error

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
        schedule.every(settings.poll_s, "poll", self._follower.poll_due)
        schedule.every(settings.canary_s, "canary", self._follower.check)
        schedule.every(settings.canary_s, "store", self._drain.look_after)
        schedule.every(self._instance.settings.memory.check_s, "memory", self._guard.check)
        schedule.every(TRIM_S, "trim", self._trimmer.tick)
        schedule.every(SAMPLE_S, "history", self._front.minute)
        schedule.nightly("maintain", self._maintainer.nightly)
        return schedule

    async def _pulse(self) -> None:
        stuck_s = self._instance.settings.limits.stuck_s
        await self._herald.pulse(self._vitals.observe, stuck_s=stuck_s)

    async def _tick_drain(self) -> None:
        self._vitals.tick()
        self._look_at_queue()

    async def _tick_reconcile(self) -> None:
        self._scans.soon(self._instance.sources)

    async def _embed_loop(self) -> None:
        await self._store_is_open()
        while not self._stop.event.is_set():
            await self._due.wait()
            self._due.clear()
            if await self._drain.attempt():
                self._maintainer.soon()
                self._look_for_gone()
                self._tell_ready()

    async def _store_is_open(self) -> None:
        """Wait for the store; meanwhile, what changes is recorded. A stop ends the wait."""
        opening = asyncio.ensure_future(open_store(self._instance))
        stopping = asyncio.ensure_future(self._stop.event.wait())
        try:
            await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
        finally:
            opening.cancel()
            stopping.cancel()

    def _look_for_gone(self) -> None:
        """Have the paths looked at that were gone when the job came to read them."""
        gone = self._instance.job.take_gone()
        for source in self._instance.sources.values():
            self._follower.look_soon(source.name, gone.get(source.id, ()))

    def _tell_ready(self) -> None:
        if self._scans.complete and not self._caught_up and not self._due.is_set():
            self._caught_up = True
            self._reporter.ready(self._instance)
            log.info("ready", sources=sorted(self._instance.sources))

    async def _progress_loop(self) -> None:
        """Report until the first backlog is done."""
        while not self._caught_up:
            started = time.monotonic()
            await report_progress(self._instance, self._reporter)
            took_s = time.monotonic() - started
            await asyncio.sleep(max(PROGRESS_S, PROGRESS_SHARE * took_s))
        await asyncio.Event().wait()

    async def _wait_stop(self) -> None:
        await self._stop.event.wait()

    def _on_change(self, _findings: Findings) -> None:
        self._look_at_queue()

    def _look_at_queue(self) -> None:
        """Have the embed job look at the queue, also while it is at work."""
        self._due.set()
        self._instance.job.poke()

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


def state_files(instance: Instance) -> list[Path]:
    """What must stay in its place while the daemon runs; the cache may be made anew."""
    table = instance.database.file
    return [instance.location.lock_file, *([table] if table else [])]


async def settle(instance: Instance) -> None:
    """Give back what an earlier process had in hand.

    Raises:
        StateError: the state table cannot be written.
    """
    try:
        await instance.job.settle()
    except DatabaseError as error:
        raise as_told(error) from error


async def open_store(instance: Instance) -> None:
    """Wait until the store is open, where that goes on in the background.

    Raises:
        IngestdError: it cannot be opened, or the state table cannot be read.
    """
    try:
        await instance.opened()
    except DatabaseError as error:
        raise as_told(error) from error


async def look_for_gone(instance: Instance) -> bool:
    """Look at the paths that were gone when the job came to read them; whether there were any."""
    gone = instance.job.take_gone()
    for source in instance.sources.values():
        if source.id in gone:
            await asyncio.to_thread(instance.reconciler.look, source, gone[source.id])
    return bool(gone)
