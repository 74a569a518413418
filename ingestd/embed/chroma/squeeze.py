"""Writes Chroma's database anew, without what was deleted: ``python -m ... squeeze DIR PARENT``.

A text that is deleted stays in the file: in free pages, in the free parts of pages, in the index of
the texts, and in Chroma's log. The copy has none of it. Orders come as a line of JSON on standard
input; see `Order`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .health import DATABASE
from .layout import layouts

if TYPE_CHECKING:
    from collections.abc import Sequence

RAW = "raw.sqlite3"
LAST = 3
"""Chroma's number for a deletion, in its log."""
SHOWN = 500


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    Attributes:
        directory: Chroma's data, which may be open elsewhere, but is not written meanwhile.
        folder: where the copy goes.
        built: ids of the indexes that hold everything by now, so that they need no log.
    """

    directory: str
    folder: str
    built: Sequence[str]

    def as_json(self) -> bytes:
        """As a line."""
        return json.dumps(asdict(self)).encode() + b"\n"


def squeeze(order: Order) -> tuple[int, int]:
    """Write the copy.

    Returns:
        Bytes before and after.

    Raises:
        sqlite3.Error: the database cannot be read, or the copy not be written.
        OSError: the same.
    """
    source, folder = Path(order.directory) / DATABASE, Path(order.folder)
    raw, new = folder / RAW, folder / DATABASE
    for left in (raw, new):
        left.unlink(missing_ok=True)
    with contextlib.closing(_connect(raw)) as copy:
        with contextlib.closing(_connect(source, mode="ro")) as original:
            original.backup(copy)  # all pages at once: nobody writes meanwhile
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        slots = _slots(copy)
        _purge(copy, order.built)
        _optimise(copy)
        copy.execute("VACUUM INTO ?", (str(new),))
    raw.unlink()
    with contextlib.closing(_connect(new, mode="ro")) as written:
        if _slots(written) != slots:
            message = "the copy does not hold what the database holds"
            raise sqlite3.DatabaseError(message)
    found = source.stat()
    new.chmod(found.st_mode & 0o7777)
    return found.st_size, new.stat().st_size


def _connect(path: Path, *, mode: str = "rwc") -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=30.0, isolation_level=None)


def _slots(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """How many slots each collection has."""
    return connection.execute(
        "SELECT segment_id, count(*) FROM embeddings GROUP BY segment_id ORDER BY segment_id"
    ).fetchall()


def _purge(copy: sqlite3.Connection, built: Sequence[str]) -> None:
    """Empty the log of our collections.

    Chroma numbers its writes from the last one in the log, so that one stays, with nothing in it.
    Where the index was not built anew, what is not saved yet is read from the log once more: ids
    and vectors, but no texts.
    """
    (last,) = copy.execute("SELECT max(seq_id) FROM embeddings_queue").fetchone()
    for layout in layouts(copy):
        ours = ("%/" + layout.id,)
        copy.execute(
            "UPDATE embeddings_queue SET metadata = '{}' WHERE topic LIKE ? AND seq_id <= "
            "(SELECT coalesce(max(seq_id), 0) FROM max_seq_id WHERE segment_id = ?)",
            (*ours, layout.rows),
        )
        if layout.segment in built:
            _forget_log(copy, layout.segment, ours, last)


def _forget_log(copy: sqlite3.Connection, segment: str, ours: tuple[str], last: int | None) -> None:
    (newest,) = copy.execute(
        "SELECT max(seq_id) FROM embeddings_queue WHERE topic LIKE ?", ours
    ).fetchone()
    if newest is not None:
        copy.execute(
            "INSERT OR REPLACE INTO max_seq_id (segment_id, seq_id) VALUES (?, ?)",
            (segment, newest),
        )
    copy.execute("DELETE FROM embeddings_queue WHERE topic LIKE ? AND seq_id <> ?", (*ours, last))
    copy.execute(
        "UPDATE embeddings_queue SET operation = ?, vector = NULL, encoding = NULL, "
        "metadata = '{}' WHERE topic LIKE ?",
        (LAST, *ours),
    )


def _optimise(copy: sqlite3.Connection) -> None:
    """Write the index of the texts anew: until then it knows what was in deleted ones."""
    copy.execute(
        "INSERT INTO embedding_fulltext_search (embedding_fulltext_search) VALUES ('optimize')"
    )


def main() -> None:
    """Carry out one order."""
    parent = int(sys.argv[1])
    from .build import stand_back  # noqa: PLC0415 - not for readers
    from .child import end_with_parent  # noqa: PLC0415 - the same

    end_with_parent(parent)
    stand_back()
    try:
        before, after = squeeze(Order(**json.loads(sys.stdin.buffer.readline())))
        said: dict[str, Any] = {"before": before, "after": after}
    except (OSError, sqlite3.Error) as error:
        said = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:SHOWN]}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
