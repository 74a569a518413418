"""What an instance knows, as ``ingestd status --json`` and the page tell it.

Heavy imports stay out: ``status`` shall be quick.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from ingestd_state import chunks, documents, runs, sources
from ingestd_state.selection import LOST, Selection, walk
from ingestd_state.status import DocumentStatus

from .paths import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd_state.engine import Database
    from ingestd_state.runs import Run

LISTED = 10
RUNS = 5
WATCHER = "watcher"
"""The kind of run that the loss of the watchers is recorded as."""
PAUSE, RESUME = "pause", "resume"
"""The kinds that the beginning and the end of a pause are recorded as."""


def from_table(database: Database, now: float) -> dict[str, Any]:
    """What the state table tells; blocking.

    Args:
        database: the state table.
        now: Unix seconds.

    Raises:
        DatabaseError: it cannot be read.
    """
    with database.read() as connection:
        rows = sources.all_sources(connection)
        counts = sources.counts(connection)
        skipped = sources.skipped(connection)
        live = chunks.count_live(connection)
        oldest = documents.oldest_pending(connection)
        last_runs = runs.last(connection, runs.KEPT)
    lost = list(walk(database, Selection(statuses=LOST), limit=LISTED))
    working = walk(database, Selection(statuses=frozenset({DocumentStatus.WORKING})))
    # Only what takes long says how far it is.
    long = list(islice((entry for entry in working if entry.reason), LISTED))
    states = [state.value for state in DocumentStatus]
    by_source = {row.id: {s: counts.get(row.id, {}).get(s, 0) for s in states} for row in rows}
    totals = {state: sum(by[state] for by in by_source.values()) for state in states}
    names = {row.id: row for row in rows}
    return {
        "sources": [
            {
                "name": row.name,
                "path": text_of(row.path),
                "collection": row.collection,
                "status": row.status.value,
                "reason": row.reason,
                "watching": row.watching,
                "last_scan_at": row.last_scan_at,
                "documents": by_source[row.id],
            }
            for row in rows
        ],
        "documents": totals,
        "skipped": skipped,
        "chunks": {"live": live},
        "waiting": {
            "documents": totals["pending"] + totals["working"] + totals["deleted"],
            "oldest_s": None if oldest is None else round(max(0.0, now - oldest), 1),
        },
        "in_hand": [
            {
                "source": names[entry.source_id].name,
                "path": text_of(names[entry.source_id].path + b"/" + entry.path),
                "progress": entry.reason,
            }
            for entry in long
        ],
        "failed": [
            {
                "source": names[entry.source_id].name,
                "path": text_of(names[entry.source_id].path + b"/" + entry.path),
                "status": entry.status.value,
                "code": entry.error_code,
                "error": entry.error_text,
                "attempts": entry.attempts,
                "retry_at": entry.retry_at,
            }
            for entry in lost
        ],
        "watcher": watcher(last_runs),
        "paused": _paused(last_runs),
        "runs": [
            {
                "kind": run.kind,
                "started_at": run.started_at,
                "seconds": round(run.seconds, 3),
                "outcome": run.outcome,
                "counts": run.counts,
            }
            for run in last_runs[:RUNS]
        ],
    }


def watcher(last_runs: Sequence[Run]) -> dict[str, Any]:
    """How often the watchers were lost, as far back as runs are kept."""
    losses = [run for run in last_runs if run.kind == WATCHER]
    return {
        "lost": len(losses),
        "last_reason": losses[0].counts.get("reason", losses[0].outcome) if losses else None,
        "last_at": losses[0].started_at if losses else None,
    }


def _paused(last_runs: Sequence[Run]) -> dict[str, Any] | None:
    """What the daemon waits for; None when it works."""
    last = next((run for run in last_runs if run.kind in (PAUSE, RESUME)), None)
    if last is None or last.kind == RESUME:
        return None
    told = {name: last.counts.get(name, "") for name in ("error", "hint")}
    return {"code": last.outcome, **told, "since": last.started_at}
