"""``ingestd status``: what is indexed, what waits, what failed, and who works on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import NotFoundError
from ingestd.location import Location, locate

from . import options, output, table
from .status_page import page

if TYPE_CHECKING:
    from ingestd.lock import Owner

WATCH_S = 1.0


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
        "watcher": {"lost": 0, "last_reason": None, "last_at": None},
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
        with table.opened(location) as database:
            from ingestd.overview import from_table

            found |= from_table(database, now)
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
