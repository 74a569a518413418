"""``ingestd reconcile``: compare sources with the disk now, and let held deletions through."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ingestd.errors import NotFoundError
from ingestd.location import locate
from ingestd.paths import text_of
from ingestd.visible import clean

from . import options, output, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database


def reconcile(
    names: options.Sources = None,
    *,
    accept_deletes: Annotated[
        bool,
        typer.Option("--accept-deletes", help="What is gone was meant to go: delete it."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what differs; change nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Compare sources with the disk now.

    A source that lost more than a fifth of its documents at once is held: nothing is deleted
    until `--accept-deletes` says that it is meant. A folder that is not there is never believed.
    """
    from ingestd import logs

    logs.configure("debug" if verbose else "error", "auto")
    location = locate(config=config, state_dir=state_dir)
    with table.opened(location) as database:
        sources = _chosen(database, names or [])
        if dry_run:
            _list(database, sources, json=json)
            return
        for source in sources:
            _one(database, source, accept_deletes=accept_deletes, json=json)
    if table.running(location) is None and not json:
        output.note("no daemon runs: `ingestd reindex` carries this out")


def _chosen(database: Database, names: list[str]) -> list[WatchedSource]:
    from ingestd.roots import known_sources

    known = known_sources(database)
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no source {name!r}", hint="`ingestd status` lists the sources."
            )
    return [known[name] for name in names or sorted(known)]


def _one(database: Database, source: WatchedSource, *, accept_deletes: bool, json: bool) -> None:
    from ingestd.reconcile import Reconciler
    from ingestd_state import sources as rows

    findings = Reconciler(database).reconcile(source, accept_deletes=accept_deletes)
    with database.read() as connection:
        now = next(row for row in rows.all_sources(connection) if row.id == source.id)
    if json:
        standing = {"status": now.status.value, "reason": now.reason}
        output.emit({"type": "reconcile", "source": source.name, **asdict(findings), **standing})
        return
    shown = ", ".join(f"{number:,} {what}" for what, number in asdict(findings).items() if number)
    why = f" ({now.status.value}: {now.reason})" if now.reason else ""
    typer.echo(f"{source.name}: {shown or 'nothing there'}{why}")


def _list(database: Database, sources: list[WatchedSource], *, json: bool) -> None:
    from . import again

    for source in sources:
        for document in _missing(database, source):
            _emit("gone", os.path.join(source.root, document.path), json=json)
    names = {source.name for source in sources}
    for action, place in again.plan(database, again.Wish()):
        if place.source.name in names:
            _emit(action, place.full, json=json)
    output.note("nothing was changed")


def _missing(database: Database, source: WatchedSource) -> Iterator[Document]:
    """What was not found before, and is held since."""
    from ingestd_state import changes

    with database.read() as connection:
        yield from changes.missing(connection, source.id)


def _emit(action: str, full: bytes, *, json: bool) -> None:
    path = text_of(full)
    if json:
        output.emit({"type": "document", "action": action, "file": path})
    else:
        typer.echo(f"{action:<8} {clean(path)}")
