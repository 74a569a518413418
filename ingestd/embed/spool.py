"""The chunks of one long document, on disk: it is planned and written without being in memory.

A temporary SQLite file, thrown away when the document is written. It also knows which of the slots
that the document has hold one of its chunks already, and which are left over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.errors import DiskFullError, IngestdError
from ingestd.ports import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONG_CHUNKS = 1_000
"""A document with more chunks than this, now or in the collection, is a long one."""
LONG_CHARACTERS = 4 * 1024 * 1024
"""And one with more text than this."""
PAGE = 500
"""Chunks of a long document in hand at once."""
PAGE_CHARACTERS = 1024 * 1024
"""A page ends early when its texts are this long together."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """From when on a document is long, and how much of it is in hand at once.

    Attributes:
        long_chunks: with more chunks than this.
        page: chunks.
    """

    long_chunks: int = LONG_CHUNKS
    page: int = PAGE


SIZES = Sizes()

_SUFFIX = ".spool"
_CACHE_KIB = 2_048

_TABLES = """
CREATE TABLE chunks (
    ordinal INTEGER PRIMARY KEY, start INTEGER, "end" INTEGER, text TEXT, prefix TEXT,
    headings TEXT, digest BLOB, page INTEGER, slot TEXT
);
CREATE INDEX waiting ON chunks (digest, "end" - start, ordinal) WHERE slot IS NULL;
CREATE TABLE leaving (number INTEGER PRIMARY KEY, slot TEXT);
"""
_ADD = """
INSERT INTO chunks (ordinal, start, "end", text, prefix, headings, digest, page)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_MATCH = """
UPDATE chunks SET slot = ? WHERE ordinal = (
    SELECT ordinal FROM chunks WHERE digest = ? AND "end" - start = ? AND slot IS NULL
    ORDER BY ordinal LIMIT 1)
"""
_READ = """
SELECT ordinal, start, "end", text, prefix, headings, digest, page, slot
FROM chunks WHERE ordinal > ? ORDER BY ordinal LIMIT ?
"""
_AT = """
SELECT ordinal, start, "end", text, prefix, headings, digest, page FROM chunks WHERE ordinal = ?
"""
_LEAVING = "SELECT slot FROM leaving ORDER BY number LIMIT ?"
_TAKEN = """
DELETE FROM leaving WHERE number IN (SELECT number FROM leaving ORDER BY number LIMIT ?)
"""


class SpoolError(IngestdError):
    """The chunks of a long document cannot be kept on disk."""

    code = "spool"
    hint = "Check the space and the permissions of the state directory."


class Spool:
    """The chunks of one long document. One thread at a time.

    Args:
        folder: where the file is made; it is made when it is not there.

    Attributes:
        path: the file.

    Every method may raise `SpoolError`, or `DiskFullError` where the disk is full: no document is
    to blame for that.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd, name = tempfile.mkstemp(_SUFFIX, dir=folder)
        os.close(fd)
        self.path = Path(name)
        self._number = 0
        self._last = -1
        # Made by the thread that reads, used by those that encode and store, one after the other.
        self._database = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        with self._told():
            for pragma in (
                *("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"),
                f"cache_size=-{_CACHE_KIB}",
            ):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.executescript(_TABLES)

    def __len__(self) -> int:
        return self._number

    @property
    def size_bytes(self) -> int:
        """How large the file is; 0 when it is closed."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take the next chunks of the document.

        Args:
            chunks: in order of their ordinals, and behind those that are there.
        """
        for chunk in chunks:
            if chunk.ordinal <= self._last:
                raise ValueError(f"chunk {chunk.ordinal} comes after {self._last}")
            self._last = chunk.ordinal
        with self._transaction():
            self._database.executemany(
                _ADD,
                map(_values, chunks),
            )
        self._number += len(chunks)

    def pages(self, size: int = PAGE) -> Iterator[list[Chunk]]:
        """The chunks in order, at most ``size`` at a time."""
        for page in self.places(size):
            yield [chunk for chunk, _ in page]

    def places(self, size: int = PAGE) -> Iterator[list[tuple[Chunk, str | None]]]:
        """The same, each with the slot that holds its text already."""
        last = -1
        while page := self._page(last, size):
            yield page
            last = page[-1][0].ordinal

    def at(self, ordinal: int) -> Chunk | None:
        """One chunk; None when there is none of this ordinal."""
        with self._told():
            row = self._database.execute(_AT, (ordinal,)).fetchone()
        return _chunk(row) if row else None

    def match(self, slots: Iterable[tuple[str, bytes, int]]) -> None:
        """Find the chunks whose text slots of the document hold; the other slots leave.

        A slot goes to the first chunk that has its text and no slot yet: in order, when the slots
        come in order.

        Args:
            slots: id, digest of the embedded text, and length of the text in characters.
        """
        with self._transaction():
            for slot, digest, length in slots:
                found = self._database.execute(_MATCH, (slot, digest, length))
                if not found.rowcount:
                    self._leave([slot])

    def leave(self, slots: Iterable[str]) -> None:
        """These slots of the document hold none of its chunks: they are to be taken over."""
        with self._transaction():
            self._leave(slots)

    def leaving(self, limit: int) -> list[str]:
        """The next slots that may be taken over, in order."""
        with self._told():
            rows = self._database.execute(_LEAVING, (limit,)).fetchall()
        return [slot for (slot,) in rows]

    def taken(self, number: int) -> None:
        """The first of the leaving slots are taken over, or gone."""
        with self._transaction():
            self._database.execute(_TAKEN, (number,))

    def close(self) -> None:
        """Remove the file; may be called again."""
        self._database.close()
        self.path.unlink(missing_ok=True)

    def _page(self, last: int, size: int) -> list[tuple[Chunk, str | None]]:
        page: list[tuple[Chunk, str | None]] = []
        held = 0
        with self._told():
            rows = self._database.execute(_READ, (last, size))
            for *values, slot in rows:
                page.append((_chunk(values), slot))
                held += len(page[-1][0].text)
                if held >= PAGE_CHARACTERS:
                    break
        return page

    def _leave(self, slots: Iterable[str]) -> None:
        self._database.executemany(
            "INSERT INTO leaving (slot) VALUES (?)", ((slot,) for slot in slots)
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._database.execute("BEGIN")
            yield
            self._database.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says, as a person is told of it; a spool that failed is of no more use."""
        try:
            yield
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
            kind = DiskFullError if full else SpoolError
            raise kind(f"{self.path}: {error}") from error


def clear_spools(folder: Path) -> None:
    """Remove what an earlier process left; only for the one who holds the state directory."""
    for path in folder.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def _values(chunk: Chunk) -> tuple[object, ...]:
    c = chunk
    headings = json.dumps(c.headings)
    return c.ordinal, c.start, c.end, c.text, c.prefix, headings, c.digest, c.page


def _chunk(values: Sequence[Any]) -> Chunk:
    ordinal, start, end, text, prefix, headings, digest, page = values
    return Chunk(ordinal, start, end, text, prefix, tuple(json.loads(headings)), digest, page)
