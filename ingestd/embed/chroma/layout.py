"""Where collections lie in Chroma's directory, and what their slots hold, as its database says.

Read only, and beside a Chroma that serves: each reading is one short transaction, for which a
writer waits.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.errors import StoreError

from .health import DATABASE
from .ours import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE = 1_000
WAIT_S = 10.0
"""How long to wait for a Chroma that is writing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One collection of ours.

    Attributes:
        name: its name.
        id: Chroma's id of it.
        segment: id of its index, and name of the folder.
        rows: id of the segment with its texts and metadata.
    """

    name: str
    id: str
    segment: str
    rows: str


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """What a slot holds: the digest as its metadata tells it, in hexadecimal; empty where none."""

    slot: str
    digest: str


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[sqlite3.Connection]:
    """Chroma's database, to read.

    Raises:
        StoreError: it cannot be read.
    """
    uri = f"{(directory / DATABASE).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {directory / DATABASE}: {error}") from error


def layouts(connection: sqlite3.Connection) -> list[Layout]:
    """The collections that ingestd made, by name."""
    rows = connection.execute(
        "SELECT c.name, c.id, v.id, m.id FROM collections c "
        "JOIN segments v ON v.collection = c.id AND v.scope = 'VECTOR' "
        "JOIN segments m ON m.collection = c.id AND m.scope = 'METADATA' "
        "JOIN collection_metadata o ON o.collection_id = c.id AND o.key = ? ORDER BY c.name",
        (MARK,),
    )
    return [Layout(*row) for row in rows.fetchall()]


def count(connection: sqlite3.Connection, layout: Layout) -> int:
    """How many slots a collection has."""
    row = connection.execute(
        "SELECT count(*) FROM embeddings WHERE segment_id = ?", (layout.rows,)
    ).fetchone()
    return int(row[0])


def held(directory: Path, layout: Layout) -> Iterator[Held]:
    """Every slot of a collection, by slot; a page at a time, each as of its own moment.

    Raises:
        StoreError: the database cannot be read.
    """
    last = ""
    while True:
        with opened(directory) as connection:
            rows = connection.execute(
                "SELECT e.embedding_id, coalesce(m.string_value, '') FROM embeddings e "
                "LEFT JOIN embedding_metadata m ON m.id = e.id AND m.key = 'chunk_digest' "
                "WHERE e.segment_id = ? AND e.embedding_id > ? ORDER BY e.embedding_id LIMIT ?",
                (layout.rows, last, PAGE),
            ).fetchall()
        for row in rows:
            yield Held(*row)
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


def digests(directory: Path, name: str, slots: Sequence[str]) -> dict[str, str]:
    """What some slots of a collection hold, as far as they are there: without asking Chroma.

    Chroma takes as long to give the metadata of a slot as a tenth of what writing it takes.

    Raises:
        StoreError: the database cannot be read.
    """
    with opened(directory) as connection:
        rows = next((one.rows for one in layouts(connection) if one.name == name), "")
        return dict(
            connection.execute(
                "SELECT e.embedding_id, coalesce(m.string_value, '') FROM embeddings e "
                "LEFT JOIN embedding_metadata m ON m.id = e.id AND m.key = 'chunk_digest' "
                "WHERE e.segment_id = ? AND e.embedding_id IN (SELECT value FROM json_each(?))",
                (rows, json.dumps(list(slots))),
            ).fetchall()
        )


def state(directory: Path, layout: Layout) -> tuple[int, ...]:
    """What changes with every write to a collection.

    Raises:
        StoreError: the database cannot be read.
    """
    with opened(directory) as connection:
        found: list[int] = []
        for segment in (layout.segment, layout.rows):
            row = connection.execute(
                "SELECT seq_id FROM max_seq_id WHERE segment_id = ?", (segment,)
            ).fetchone()
            found.append(row[0] if row else 0)
        (last,) = connection.execute(
            "SELECT coalesce(max(seq_id), 0) FROM embeddings_queue WHERE topic LIKE ?",
            (f"%/{layout.id}",),
        ).fetchone()
    return (*found, last)


def index_of_build(directory: Path) -> str:
    """The folder of the one index in a private Chroma.

    Raises:
        StoreError: the database cannot be read.
    """
    with opened(directory) as connection:
        row = connection.execute("SELECT id FROM segments WHERE scope = 'VECTOR'").fetchone()
    return str(row[0])


def check_closed(directory: Path) -> None:
    """See that who had the database open ended in order.

    Raises:
        StoreError: a transaction is half done: it would be taken back in whatever is put in place.
    """
    if (directory / f"{DATABASE}-journal").exists():
        raise StoreError("Chroma did not end in order")


def changes(directory: Path) -> int:
    """How often the database was written, as SQLite counts it in the file's head.

    Raises:
        OSError: it cannot be read.
    """
    with (directory / DATABASE).open("rb") as file:
        file.seek(24)
        return int.from_bytes(file.read(4), "big")
