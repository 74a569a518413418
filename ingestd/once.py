"""One pass: reconcile, drain, report, end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from typing import TYPE_CHECKING, Any

from ingestd_state import chunks, documents
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus

from .reconcile import Findings
from .service import PROGRESS_S, look_for_gone, maintain, report_progress

if TYPE_CHECKING:
    from .instance import Instance
    from .service import Reporter
    from .signals import Stop

ERRORS_LISTED = 100


async def run_once(instance: Instance, stop: Stop, reporter: Reporter) -> dict[str, Any]:
    """Bring the collections in line with the disk, once.

    Returns:
        The report: ``documents``, ``chunks``, ``seconds``, ``peak_rss_bytes``, ``errors``;
        described in ``docs/cli.md``.

    Raises:
        StoreError: the collections cannot be written.
    """
    started = time.monotonic()
    progress = asyncio.create_task(_progress(instance, reporter), name="progress")
    watch = asyncio.create_task(_stop_job(instance, stop), name="stop")
    findings = Findings()
    try:
        await instance.job.settle()
        for source in instance.sources.values():
            found = await asyncio.to_thread(instance.reconciler.reconcile, source)
            findings.add(found)
        scan_s = time.monotonic() - started
        while not stop.event.is_set():
            done = await instance.job.drain()
            if not (await look_for_gone(instance) or done):
                break
    finally:
        for task in (progress, watch):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    await asyncio.to_thread(maintain, instance, instance.settings.limits.vectors_bytes)
    await report_progress(instance, reporter)
    reporter.ready(instance)
    seconds = {"total": time.monotonic() - started, "scan": scan_s, **instance.totals.seconds}
    return await asyncio.to_thread(_report, instance, findings, seconds)


async def _progress(instance: Instance, reporter: Reporter) -> None:
    while True:
        await report_progress(instance, reporter)
        await asyncio.sleep(PROGRESS_S)


async def _stop_job(instance: Instance, stop: Stop) -> None:
    await stop.event.wait()
    instance.job.stop()


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
            for name in ("total", "scan", "extract", "embed", "store")
        },
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "errors": [
            {
                "path": document.path.decode("utf-8", "backslashreplace"),
                "code": document.error_code,
                "error": document.error_text,
            }
            for document in failed
        ],
    }
