"""``ingestd ls``: the documents and their states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import NotFoundError
from ingestd.location import locate
from ingestd.paths import text_of
from ingestd.ports import SEALED
from ingestd.visible import clean

from . import options, output, table

if TYPE_CHECKING:
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database
    from ingestd_state.selection import Selection
    from ingestd_state.sources import Source

STATES = ("pending", "working", "indexed", "failed", "dead", "skipped", "deleted")


def ls(
    path: Annotated[
        Path | None, typer.Argument(help="Only this file, or what is below this folder.")
    ] = None,
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", "-s", help=f"Only this state ({', '.join(STATES)}); may be repeated."
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Only with this reason, such as secret or binary.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")
    ] = None,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """List the documents, with their state and their number of chunks."""
    wanted = status or []
    if wrong := sorted(set(wanted) - set(STATES)):
        raise typer.BadParameter(
            f"{wrong[0]!r} is none of {', '.join(STATES)}", param_hint="status"
        )
    location = locate(config=config, state_dir=state_dir)
    with table.opened(location) as database:
        from ingestd_state import sources
        from ingestd_state.selection import walk

        with database.read() as connection:
            rows = sources.all_sources(connection)
        selection = replace(_selection(database, rows, path, wanted), reason=reason)
        by_id = {row.id: row for row in rows}
        shown = 0
        for document in walk(database, selection, limit=limit):
            _print(document, by_id[document.source_id], json=json)
            shown += 1
        if not json:
            _remark(database, selection, shown, limit)


def _selection(
    database: Database, rows: list[Source], path: Path | None, wanted: list[str]
) -> Selection:
    from ingestd_state import selection
    from ingestd_state.status import DocumentStatus

    from . import places

    statuses = frozenset(DocumentStatus(state) for state in wanted)
    if path is None:
        return selection.Selection(statuses=statuses)

    def known(place: places.Place) -> bool:
        with database.read() as connection:
            return selection.count(connection, below(place)) > 0

    def below(place: places.Place) -> selection.Selection:
        return selection.Selection(place.source.id, place.path)

    place = places.find(path, rows, known=known)
    if place is None:
        raise NotFoundError(
            f"{path} is outside of every source", hint="`ingestd status` lists the sources."
        )
    if not known(place):
        raise NotFoundError(
            f"no document at or below {path}", hint=f"`ingestd why {path}` tells why."
        )
    return selection.Selection(place.source.id, place.path, statuses)


def as_json(document: Document, source: Source) -> dict[str, Any]:
    """A document as scripts see it; times are Unix seconds."""
    return {
        "type": "document",
        "id": document.id,
        "source": source.name,
        "path": text_of(document.path),
        "file": text_of(source.path + b"/" + document.path),
        "status": document.status.value,
        "reason": document.reason,
        "chunks": document.chunk_count,
        "size": None if document.size == SEALED else document.size,
        "mime": document.mime,
        "attempts": document.attempts,
        "error_code": document.error_code,
        "error": document.error_text,
        "retry_at": document.retry_at,
        "missing_since": document.missing_since,
        "changed_at": document.changed_at,
        "indexed_at": document.indexed_at,
    }


def _print(document: Document, source: Source, *, json: bool) -> None:
    if json:
        output.emit(as_json(document, source))
        return
    state = document.status.value
    column = f"{state:<8}"
    if output.on_terminal():
        column = typer.style(column, fg=output.COLOURS.get(state))
    remark = document.error_text or document.reason
    if document.missing_since is not None:
        remark = remark or "the file is missing"
    path = clean(text_of(source.path + b"/" + document.path))
    line = f"{column} {document.chunk_count:>6}  {path}"
    typer.echo(f"{line}  ({clean(remark)})" if remark else line)


def _remark(database: Database, selection: Selection, shown: int, limit: int | None) -> None:
    """Say what is left out."""
    from ingestd_state.selection import count
    from ingestd_state.status import DocumentStatus

    with database.read() as connection:
        if shown == limit:
            total = count(connection, selection)
            if total > shown:
                output.note(f"{total - shown:,} more")
        if selection.statuses == {DocumentStatus.FAILED}:
            given_up = replace(selection, statuses=frozenset({DocumentStatus.DEAD}))
            if number := count(connection, given_up):
                output.note(f"{number:,} given up: `ingestd ls --status dead`")
