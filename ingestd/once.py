"""One pass: reconcile, drain, report, end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state.engine import DatabaseError

from .backlog import report_progress
from .drain import Drain
from .errors import IngestdError
from .maintain import Maintainer, maintain
from .reconcile import Findings
from .report import report
from .service import PROGRESS_S, look_for_gone, settle
from .tables import as_told

if TYPE_CHECKING:
    from .instance import Instance
    from .service import Reporter
    from .signals import Stop

log = structlog.get_logger(__name__)


async def run_once(
    instance: Instance, stop: Stop, reporter: Reporter, found: Findings | None = None
) -> dict[str, Any]:
    """Bring the collections in line with the disk, once.

    Args:
        instance: what is open.
        stop: a stop that is asked for.
        reporter: told how far the work is.
        found: what a glance at all sources found; None: they are to be compared with the disk.

    Returns:
        The report: ``documents``, ``chunks``, ``seconds``, ``peak_rss_bytes``,
        ``extraction_peak_rss_bytes``, ``errors``;
        described in ``docs/cli.md``. After a stop it is about what was done until then.

    Raises:
        StoreError: the collections cannot be written.
        StateError: the state table cannot be written.
    """
    started = time.monotonic()
    drain = Drain(instance)
    findings = found or Findings()
    seconds: dict[str, float] = {}
    progress = asyncio.create_task(_progress(instance, reporter), name="progress")
    stopping = asyncio.create_task(_wait(stop), name="stop")
    work = asyncio.create_task(
        _work(instance, stop, drain, findings, seconds, scan=found is None), name="work"
    )
    try:
        await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            instance.reconciler.interrupt()
            await drain.finish(work)
        _result(work, stopped=stop.event.is_set())
    finally:
        for task in (work, progress, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
    if not stop.event.is_set():
        await _maintain(instance, stop)
    await report_progress(instance, reporter)
    reporter.ready(instance)
    seconds |= {
        "total": time.monotonic() - started,
        **instance.totals.seconds,
        "model_idle": instance.totals.waits.seconds,
    }
    return await asyncio.to_thread(
        report,
        instance.database,
        findings,
        seconds,
        instance.totals,
        extraction_peak_bytes=instance.pool.peak_bytes,
    )


async def _work(
    instance: Instance,
    stop: Stop,
    drain: Drain,
    findings: Findings,
    seconds: dict[str, float],
    *,
    scan: bool,
) -> None:
    """Compare all sources with the disk, then deal with all that is due."""
    started = time.monotonic()
    await settle(instance)
    try:
        for source in instance.sources.values() if scan else ():
            findings.add(await asyncio.to_thread(instance.reconciler.reconcile, source))
        seconds["scan"] = time.monotonic() - started
        while not stop.event.is_set():
            done = await drain.once()
            if not (await look_for_gone(instance) or done):
                break
    except DatabaseError as error:
        raise as_told(error) from error


def _result(work: asyncio.Task[None], *, stopped: bool) -> None:
    """Raise what ended the work, unless a stop did."""
    if work.cancelled():
        return
    error = work.exception()
    if error is None:
        return
    if not stopped or not isinstance(error, IngestdError):
        raise error
    log.warning("left_for_next_start", error=error.message)


async def _maintain(instance: Instance, stop: Stop) -> None:
    """Maintain what a daemon maintains by night; a stop breaks it off."""
    await asyncio.to_thread(maintain, instance)
    maintainer = Maintainer(instance)
    compacting = asyncio.create_task(maintainer.compact_due(), name="compact")
    stopping = asyncio.create_task(_wait(stop), name="stop")
    await asyncio.wait([compacting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    maintainer.stop()
    await compacting


async def _wait(stop: Stop) -> None:
    await stop.event.wait()


async def _progress(instance: Instance, reporter: Reporter) -> None:
    while True:
        await report_progress(instance, reporter)
        await asyncio.sleep(PROGRESS_S)
