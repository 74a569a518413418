"""Copies both databases as they were at one moment, while others go on writing to them.

Two read transactions pin what is copied. Readers take no lock, so no writer waits for a copy; the
write-ahead logs grow by what is written meanwhile. SQLite's online backup copies page by page.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from .engine import DamagedError, translated
from .schema import sources, vectors
from .status import ChunkStatus, SourceStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from .engine import Database

PAGES = 1_024
"""Copied at a time: 4 MiB with pages of the usual size."""


@contextmanager
def pinned(state: Database, cache: Database | None) -> Iterator[tuple[Connection, ...]]:
    """Read transactions on both, the state table first: it names no text that the cache lacks.

    A text is in the cache before a chunk uses it, so what the table names at the first moment is
    there at the second, unless the cache was trimmed in between.

    Raises:
        DatabaseError: one of them cannot be read.
    """
    with state.read() as table:
        _pin(table)
        if cache is None:
            yield (table,)
            return
        with cache.read() as embeddings:
            _pin(embeddings)
            yield table, embeddings


def _pin(connection: Connection) -> None:
    # A transaction begins when something is read, not when it is opened.
    connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()


def copy(connection: Connection, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy the database of a pinned read transaction into one file, without a log beside it.

    Args:
        connection: from `pinned`.
        target: a file that is not there yet.
        progress: called after each part with the pages that are copied, and all of them.

    Raises:
        DatabaseError: it cannot be read, or the copy cannot be written.
        DamagedError: the copy, and so the database, has a broken page.
    """
    raw: Any = connection.connection.driver_connection
    url = str(connection.engine.url)
    with translated(url), closing(sqlite3.connect(target, isolation_level=None)) as out:
        # Whoever copies sees to it that the file is on the disk before it is of use.
        for pragma in ("journal_mode=OFF", "synchronous=OFF"):
            out.execute(f"PRAGMA {pragma}")
        raw.backup(out, pages=PAGES, progress=lambda _s, left, all_: progress(all_ - left, all_))
        out.execute("PRAGMA journal_mode=DELETE")
        found = out.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise DamagedError(f"{url}: {found}", url)


def page_bytes(connection: Connection) -> int:
    """How large a copy of this database will be."""
    number = connection.execute(text("PRAGMA page_count")).scalar_one()
    return int(number) * int(connection.execute(text("PRAGMA page_size")).scalar_one())


def revision_of(file: Path) -> str:
    """The schema revision of a copy; empty where it has none. Nothing is written.

    Raises:
        DatabaseError: it cannot be read.
    """
    with _opened(file) as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(rows[0][0]) if rows else ""


def sources_of(connection: Connection) -> list[tuple[str, bytes, str]]:
    """Name, path and collection of each source that is watched, whatever the schema."""
    columns = (sources.c.name, sources.c.path, sources.c.collection)
    watched = sources.c.status != SourceStatus.DETACHED.value
    rows = connection.execute(select(*columns).where(watched).order_by(sources.c.name))
    return [(row.name, row.path, row.collection) for row in rows]


def figures(state: Path, cache: Path | None, model: str) -> dict[str, int]:
    """Count what two copies hold; ``without_vector`` are the chunks that need the model again.

    Args:
        state: a copy of the state table.
        cache: a copy of the vectors cache; None where there is none.
        model: fingerprint of the model; empty to take the vectors of any.

    Raises:
        DatabaseError: a copy cannot be read.
    """
    live = (ChunkStatus.LIVE.value,)
    with _opened(state) as connection:
        found = {
            "documents": connection.execute("SELECT count(*) FROM documents").fetchone()[0],
            "chunks": connection.execute(
                "SELECT count(*) FROM chunks WHERE status = ?", live
            ).fetchone()[0],
        }
        if cache is None:
            return {**found, "vectors": 0, "without_vector": found["chunks"]}
        connection.execute("ATTACH ? AS cache", (_uri(cache),))
        name = vectors.name
        found["vectors"] = connection.execute(f"SELECT count(*) FROM cache.{name}").fetchone()[0]  # noqa: S608 - the name is ours
        found["without_vector"] = connection.execute(
            "SELECT count(*) FROM chunks WHERE status = ? AND NOT EXISTS (SELECT 1 FROM "  # noqa: S608 - the same
            f"cache.{name} AS v WHERE v.digest = chunks.digest AND (v.model = ? OR ? = ''))",
            (*live, model, model),
        ).fetchone()[0]
    return found


def _uri(file: Path) -> str:
    return f"{file.absolute().as_uri()}?mode=ro&immutable=1"


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A copy that nobody writes to: without locks, and without files beside it."""
    with translated(f"sqlite:///{file}"), closing(sqlite3.connect(_uri(file), uri=True)) as found:
        yield found
