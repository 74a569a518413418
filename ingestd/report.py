"""The report of a single pass, as ``run --once --json`` prints it; described in ``docs/cli.md``."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from ingestd_state import chunks, documents
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestd_state.engine import Database

    from .embed.totals import Totals
    from .reconcile import Findings

ERRORS_LISTED = 100


def report(
    database: Database,
    findings: Findings,
    seconds: Mapping[str, float],
    totals: Totals,
    *,
    extraction_peak_bytes: int = 0,
) -> dict[str, Any]:
    """The report; blocking.

    Args:
        database: the state table.
        findings: of all sources.
        seconds: by stage; what is left out took none.
        totals: what was done.
        extraction_peak_bytes: most memory of the reading child.
    """
    with database.read() as connection:
        states = documents.counts(connection)
        live = chunks.count_live(connection)
        failed = list(
            documents.by_path(
                connection,
                table.c.status.in_([DocumentStatus.FAILED.value, DocumentStatus.DEAD.value]),
                limit=ERRORS_LISTED,
            )
        )
    done = totals.documents
    skipped = states[DocumentStatus.SKIPPED.value]
    lost = states[DocumentStatus.FAILED.value] + states[DocumentStatus.DEAD.value]
    counted = totals.chunks
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
        "extraction_peak_rss_bytes": extraction_peak_bytes,
        "errors": [
            {
                "path": document.path.decode("utf-8", "backslashreplace"),
                "code": document.error_code,
                "error": document.error_text,
            }
            for document in failed
        ],
    }
