"""``ingestd status``: what is indexed, what waits, what failed, and who works on it."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import NotFoundError
from ingestd.location import Location, locate

from . import options, output, table
from .status_page import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.lock import Owner
    from ingestd_state.runs import Run

WATCH_S = 1.0
LISTED = 10
RUNS = 5
WATCHER = "watcher"
"""The kind of run that the loss of the watchers is recorded as."""
PAUSE, RESUME = "pause", "resume"
"""The kinds that the beginning and the end of a pause are recorded as."""


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh each second.")] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Show what is indexed, what waits and what failed."""
    location = locate(config=config, state_dir=state_dir)
    if watch:
        _watch(location, json=json)
    else:
        _print(snapshot(location), json=json)


def snapshot(location: Location, now: float | None = None) -> dict[str, Any]:
    """Everything that ``status`` tells, as ``docs/cli.md`` describes it."""
    now = time.time() if now is None else now
    owner = table.running(location)
    found: dict[str, Any] = {
        "type": "status",
        "at": now,
        "running": owner is not None,
        "daemon": _daemon(owner) if owner else None,
        "state_dir": str(location.state_dir),
        "config_file": str(location.config_file) if location.config_file else None,
        "sources": [],
        "documents": {},
        "skipped": {},
        "chunks": {"live": 0},
        "waiting": {"documents": 0, "oldest_s": None},
        "in_hand": [],
        "failed": [],
        "vectors": {"count": 0, "bytes": 0},
        "watcher": _watcher([]),
        "paused": None,
        "memory": None,
        "gauges": [],
        "runs": [],
    }
    if owner is not None:
        from . import live

        found["gauges"] = live.gauges(location)
        found["memory"] = live.memory(owner.pid, found["gauges"])
    try:
        found |= _from_table(location, now)
    except NotFoundError:
        return found
    found["vectors"] = _vectors(location)
    if owner is None:
        found["paused"] = None
    return found


def _daemon(owner: Owner) -> dict[str, Any]:
    return {
        "pid": owner.pid,
        "host": owner.host,
        "since": owner.since,
        "verb": owner.verb,
        "store_url": output.masked(owner.store_url) or None,
        "sources": list(owner.sources),
    }


def _from_table(location: Location, now: float) -> dict[str, Any]:
    with table.opened(location) as database:
        from ingestd_state import chunks, documents, runs, sources
        from ingestd_state.selection import LOST, Selection, walk
        from ingestd_state.status import DocumentStatus

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
                "path": output.text(row.path),
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
                "path": output.text(names[entry.source_id].path + b"/" + entry.path),
                "progress": entry.reason,
            }
            for entry in long
        ],
        "failed": [
            {
                "source": names[entry.source_id].name,
                "path": output.text(names[entry.source_id].path + b"/" + entry.path),
                "status": entry.status.value,
                "code": entry.error_code,
                "error": entry.error_text,
                "attempts": entry.attempts,
                "retry_at": entry.retry_at,
            }
            for entry in lost
        ],
        "watcher": _watcher(last_runs),
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


def _watcher(last_runs: Sequence[Run]) -> dict[str, Any]:
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


def _vectors(location: Location) -> dict[str, int]:
    files = [location.state_dir / name for name in ("vectors.db", "vectors.db-wal")]
    taken = sum(file.stat().st_size for file in files if file.exists())
    if not taken:
        return {"count": 0, "bytes": 0}
    from ingestd_state import vectors
    from ingestd_state.engine import Database, DatabaseError

    cache = Database(location.vectors_url)
    try:
        with cache.read() as connection:
            return {"count": vectors.count(connection), "bytes": taken}
    except DatabaseError:  # a cache: being made, or about to be made anew
        return {"count": 0, "bytes": taken}
    finally:
        cache.close()


def _print(found: dict[str, Any], *, json: bool) -> None:
    if json:
        output.emit(found)
    else:
        page(found).show()


def _watch(location: Location, *, json: bool) -> None:
    try:
        if json or not output.on_terminal():
            while True:
                _print(snapshot(location), json=json)
                time.sleep(WATCH_S)
        from rich.live import Live

        with Live(page(snapshot(location)).rich(), auto_refresh=False, screen=True) as live:
            while True:
                time.sleep(WATCH_S)
                live.update(page(snapshot(location)).rich(), refresh=True)
    except KeyboardInterrupt:
        return
