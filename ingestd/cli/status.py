"""``ingestd status``: what is indexed, what waits, what failed, and who works on it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from ingestd.errors import NotFoundError
from ingestd.location import Location, locate

from . import options, output, table
from .status_page import page

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
    from ingestd import snapshot

    now = time.time() if now is None else now
    owner = table.running(location)
    gauges: list[dict[str, Any]] = []
    if owner is not None:
        from . import live

        gauges = live.gauges(location)
    try:
        with table.opened(location) as database:
            return snapshot.whole(location, owner, now, gauges=gauges, database=database)
    except NotFoundError:
        return snapshot.whole(location, owner, now, gauges=gauges, database=None)


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
