"""``ingestd why``: the last decision about a path, and what happens next."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import NotFoundError
from ingestd.location import Location, locate, read_toml
from ingestd.paths import text_of

from . import options, output, table

if TYPE_CHECKING:
    from ingestd_state.engine import Database

    from .places import Place


def why(
    path: Annotated[Path, typer.Argument(help="A file, by its path or by its path in a source.")],
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Say why a file is, or is not, in the collection, and what happens next."""
    location = locate(config=config, state_dir=state_dir)
    running = table.running(location) is not None
    with table.opened(location) as database:
        place = _place(database, path)
        limit = _file_bytes(location)
        answer = (
            _answer(database, place, running=running, file_bytes=limit) if place else _outside(path)
        )
    if json:
        output.emit(answer)
    if answer["state"] == "outside":
        raise NotFoundError(
            f"{answer['path']} is outside of every source",
            hint="`ingestd status` lists the sources; `ingestd run DIR` adds one.",
        )
    if answer["state"] == "absent":
        raise NotFoundError(
            f"{answer['path']}: {answer['reason']}",
            hint="Check the spelling; `ingestd ls` lists every document.",
        )
    if not json:
        _print(answer)


def _place(database: Database, path: Path) -> Place | None:
    from ingestd_state import documents, sources

    from .places import find

    def known(place: Place) -> bool:
        with database.read() as connection:
            return documents.get(connection, place.source.id, place.path) is not None

    with database.read() as connection:
        rows = sources.all_sources(connection)
    return find(path, rows, known=known)


def _outside(path: Path) -> dict[str, Any]:
    absolute = os.fsencode(path.expanduser().absolute())
    return {"type": "why", "path": text_of(absolute), "source": None, "state": "outside"}


def _file_bytes(location: Location) -> int:
    """The size above which files are skipped, read without the configuration's heavy machinery."""
    from ingestd.watch.rules import DEFAULT_MAX_FILE_BYTES

    values = read_toml(location.config_file) if location.config_file else {}
    limits = values.get("limits")
    found = os.environ.get("INGESTD_LIMITS__FILE_BYTES") or (
        limits.get("file_bytes") if isinstance(limits, dict) else None
    )
    try:
        return int(found or DEFAULT_MAX_FILE_BYTES)
    except (TypeError, ValueError):
        return DEFAULT_MAX_FILE_BYTES  # `ingestd config check` tells


def _answer(database: Database, place: Place, *, running: bool, file_bytes: int) -> dict[str, Any]:
    from ingestd.roots import rules_of
    from ingestd_state import documents

    from . import verdict
    from .ls import as_json

    with database.read() as connection:
        document = documents.get(connection, place.source.id, place.path)
    rules = rules_of(place.source)
    if document is None:
        found = verdict.of_path(
            place.path, place.source, rules, running=running, file_bytes=file_bytes
        )
    else:
        found = verdict.of_document(document, place.source, rules, running=running, now=time.time())
    return {
        "type": "why",
        "path": text_of(place.full),
        "source": place.source.name,
        "source_status": place.source.status.value,
        "watching": place.source.watching,
        **asdict(found),
        "document": as_json(document, place.source) if document else None,
    }


def _print(answer: dict[str, Any]) -> None:
    document = answer["document"] or {}
    page = output.Page()
    page.fields(
        "",
        [
            ("path", answer["path"]),
            ("source", _source(answer)),
            ("state", answer["state"]),
            ("reason", answer["reason"]),
            ("rule", answer["rule"]),
            ("next", answer["next"]),
            ("error", document.get("error_code", "")),
            ("tries", str(document.get("attempts") or "")),
            ("next try", _time(document.get("retry_at"))),
            ("chunks", str(document.get("chunks") or "")),
            ("type", document.get("mime", "")),
            ("size", output.size(document["size"]) if document.get("size") else ""),
            ("changed", _time(document.get("changed_at"))),
            ("indexed", _time(document.get("indexed_at"))),
        ],
    )
    page.show()


def _source(answer: dict[str, Any]) -> str:
    how = answer["watching"] if answer["watching"].startswith("polling") else ""
    return f"{answer['source']} ({', '.join(filter(None, (answer['source_status'], how)))})"


def _time(moment: float | None) -> str:
    return output.when(moment) if moment is not None else ""
