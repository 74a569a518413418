"""What documents have, for those who need not hold it: numbers, single slots, pages of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from .parts import parts, unindexed
from .schema import chunks, documents
from .status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from .engine import Database

PAGE = 1_000


def held(connection: Connection, ids: Sequence[str]) -> int:
    """How many slots these documents have together, whatever their status."""
    return sum(
        connection.execute(select(func.count()).where(chunks.c.document_id.in_(part))).scalar_one()
        for part in parts(ids)
    )


def distinct(connection: Connection, document_id: str) -> int:
    """How many chunks of a document have a slot that is not to be deleted."""
    return connection.execute(
        select(func.count(chunks.c.ordinal.distinct())).where(
            chunks.c.document_id == document_id,
            unindexed(chunks.c.status) != ChunkStatus.DOOMED.value,
        )
    ).scalar_one()


def has(connection: Connection, document_id: str, ordinal: int) -> bool:
    """Whether this chunk of a document has such a slot."""
    found = select(chunks.c.slot).where(
        chunks.c.document_id == document_id,
        chunks.c.ordinal == ordinal,
        unindexed(chunks.c.status) != ChunkStatus.DOOMED.value,
    )
    return connection.execute(found.limit(1)).first() is not None


def of_source(database: Database, source_id: int, *, page: int = PAGE) -> Iterator[list[str]]:
    """The slots of a source, a page at a time; no transaction stays open between two pages."""
    last = ""
    while True:
        with database.read() as connection:
            # Not joined: SQLite would begin with the documents, and sort all chunks for each page.
            rows = connection.execute(
                select(chunks.c.slot, chunks.c.document_id)
                .where(chunks.c.slot > last)
                .order_by(chunks.c.slot)
                .limit(page)
            ).all()
            own = _in_source(connection, source_id, [row.document_id for row in rows])
        slots = [row.slot for row in rows if row.document_id in own]
        if slots:
            yield slots
        if len(rows) < page:
            return
        last = rows[-1].slot


def _in_source(connection: Connection, source_id: int, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in parts(list(dict.fromkeys(ids))):
        rows = connection.execute(
            select(documents.c.id).where(
                documents.c.id.in_(part), unindexed(documents.c.source_id) == source_id
            )
        )
        found.update(rows.scalars())
    return found
