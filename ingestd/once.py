"""One pass: reconcile, drain, report, end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state import chunks, documents
from ingestd_state.engine import DatabaseError
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus

from .drain import Drain
from .errors import IngestdError
from .maintain import Maintainer, maintain
from .reconcile import Findings
from .service import PROGRESS_S, look_for_gone, report_progress, settle
from .tables import as_told

if TYPE_CHECKING:
    from .instance import Instance
    from .service import Reporter
    from .signals import Stop

log = structlog.get_logger(__name__)

ERRORS_LISTED = 100


async def run_once(instance: Instance, stop: Stop, reporter: Reporter) -> dict[str, Any]:
    """Bring the collections in line with the disk, once.

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
    findings = Findings()
    seconds: dict[str, float] = {}
    progress = asyncio.create_task(_progress(instance, reporter), name="progress")
    stopping = asyncio.create_task(_wait(stop), name="stop")
    work = asyncio.create_task(_work(instance, stop, drain, findings, seconds), name="work")
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
    return await asyncio.to_thread(_report, instance, findings, seconds)


async def _work(
    instance: Instance, stop: Stop, drain: Drain, findings: Findings, seconds: dict[str, float]
) -> None:
    """Compare all sources with the disk, then deal with all that is due."""
    started = time.monotonic()
    await settle(instance)
    try:
        for source in instance.sources.values():
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


def _report(instance: Instance, findings: Findings, seconds: dict[str, float]) -> dict[str, Any]:
    with instance.database.read() as connection:
        states = documents.counts(connection)
        live = chunks.count_live(connection)
        failed = list(
            documents.by_path(
                connection,
                table.c.status.in_([DocumentStatus.FAILED.value, DocumentStatus.DEAD.value]),
                limit=ERRORS_LISTED,
            )
        )
    done = instance.totals.documents
    skipped = states[DocumentStatus.SKIPPED.value]
    lost = states[DocumentStatus.FAILED.value] + states[DocumentStatus.DEAD.value]
    counted = instance.totals.chunks
    return {
        "documents": {
            "seen": findings.seen,
            "indexed": done["indexed"],
            "unchanged": max(0, findings.seen - done["indexed"] - skipped - lost),
            "moved": findings.moved,
            "deleted": done["deleted"],
            "skipped": skipped,
            "failed": lost,
            "held": findings.held,
        },
        "chunks": {
            **{
                name: counted[name]
                for name in ("embedded", "reused", "upserted", "relabelled", "deleted")
            },
            "live": live,
        },
        "seconds": {
            name: round(seconds.get(name, 0.0), 3)
            for name in ("total", "scan", "extract", "embed", "store", "model_idle")
        },
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "extraction_peak_rss_bytes": instance.pool.peak_bytes,
        "errors": [
            {
                "path": document.path.decode("utf-8", "backslashreplace"),
                "code": document.error_code,
                "error": document.error_text,
            }
            for document in failed
        ],
    }
