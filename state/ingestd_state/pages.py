"""Documents a page at a time, in the order of an index: a page costs what is on it.

Ordered by anything else, each page of a source of a million documents would read and sort all of
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from .schema import documents, sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, ColumnElement, Row

    from .engine import Database


def by_path(
    database: Database,
    where: ColumnElement[bool],
    *,
    columns: Sequence[Column[Any]],
    size: int,
    source_id: int | None = None,
) -> Iterator[Sequence[Row[Any]]]:
    """The documents that meet a condition, by source and path.

    No transaction stays open between two pages: what was read may be changed meanwhile.

    Args:
        database: the state table.
        where: a condition on ``documents``.
        columns: what is read; the path must be among it.
        size: documents on a page.
        source_id: of this source; None for all sources.
    """
    for one in _all(database) if source_id is None else [source_id]:
        last: bytes | None = None
        while True:
            # Source and path by themselves, because SQLite uses but half of an index for a pair.
            after = documents.c.path > last if last is not None else documents.c.path >= b""
            with database.read() as connection:
                rows = connection.execute(
                    select(*columns)
                    .where(documents.c.source_id == one, after, where)
                    .order_by(documents.c.path)
                    .limit(size)
                ).all()
            if rows:
                yield rows
            if len(rows) < size:
                break
            last = rows[-1].path


def ids(
    database: Database, where: ColumnElement[bool], *, size: int, source_id: int | None = None
) -> Iterator[list[str]]:
    """The same, but only who they are."""
    columns = [documents.c.id, documents.c.path]
    for rows in by_path(database, where, columns=columns, size=size, source_id=source_id):
        yield [row.id for row in rows]


def _all(database: Database) -> Sequence[int]:
    with database.read() as connection:
        return connection.execute(select(sources.c.id).order_by(sources.c.id)).scalars().all()
