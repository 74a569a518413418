"""Remembers that Chroma's directory was closed in order, and what its files were like then.

Who only reads through Chroma's own client writes a row into its database all the same. So what the
database holds is remembered as well: whether anybody wrote, its log of writes says.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .aside import OURS

if TYPE_CHECKING:
    from pathlib import Path

NAME = "closed-in-order.json"
DATABASE = "chroma.sqlite3"
_SAVED = "/index_metadata.pickle"
_GRAPH = ("/header.bin", "/length.bin", "/data_level0.bin", "/link_lists.bin")
_TOLD_BY = (
    "SELECT max(seq_id) FROM embeddings_queue",
    "SELECT segment_id, seq_id FROM max_seq_id ORDER BY 1",
    "SELECT id, name FROM collections ORDER BY 1",
    "SELECT id, type, collection FROM segments ORDER BY 1",
    "SELECT * FROM collection_metadata ORDER BY 1, 2",
)


def record(directory: Path) -> None:
    """Leave a note that nobody died with the directory open; a convenience, so it may fail."""
    with contextlib.suppress(OSError, sqlite3.Error):
        note = {"files": _files(directory), "rows": _rows(directory)}
        (directory / NAME).write_text(json.dumps(note), encoding="utf-8")


def matches(directory: Path) -> bool:
    """Whether the directory is as it was when it was closed in order, to the last byte."""
    note = _noted(directory)
    return bool(note) and note.get("files") == _files(directory)


def unwritten(directory: Path) -> bool:
    """Whether nobody wrote since it was closed in order; somebody may have read."""
    note = _noted(directory)
    files, before = _files(directory), note.get("files")
    if files == before:
        return bool(note)
    if not isinstance(before, dict):
        return False
    try:
        return _kept(files) == _kept(before) and note.get("rows") == _rows(directory)
    except sqlite3.Error:
        return False


def forget(directory: Path) -> None:
    """Remove the note: somebody is about to open the directory."""
    with contextlib.suppress(FileNotFoundError):
        (directory / NAME).unlink()


def _noted(directory: Path) -> dict[str, Any]:
    try:
        note = json.loads((directory / NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _kept(files: dict[str, Any]) -> dict[str, Any]:
    """The files that a reader leaves as they are: a graph that was never saved is begun anew."""
    saved = {os.path.dirname(name) for name in files if name.endswith(_SAVED)}  # noqa: PTH120
    return {
        name: stamp
        for name, stamp in files.items()
        if name != DATABASE and (not name.endswith(_GRAPH) or os.path.dirname(name) in saved)  # noqa: PTH120
    }


def _rows(directory: Path) -> list[list[list[Any]]]:
    """What tells one state of the database from another.

    Raises:
        sqlite3.Error: it is not there, damaged, or of another version.
    """
    url = f"file:{quote(os.fsencode(directory / DATABASE))}?mode=ro"
    with contextlib.closing(sqlite3.connect(url, uri=True)) as connection:
        return [[list(row) for row in connection.execute(query)] for query in _TOLD_BY]


def _files(directory: Path) -> dict[str, list[int]]:
    """Size and time of every file of Chroma's, by name."""
    found = {}
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in OURS]
        for file in files:
            path = os.path.join(folder, file)
            stat = os.stat(path)  # noqa: PTH116 - as os.walk gives it
            if file != NAME:
                found[os.path.relpath(path, directory)] = [stat.st_size, stat.st_mtime_ns]
    return found
