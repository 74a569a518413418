"""What the collections should hold, slot by slot, as the state table knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from .schema import chunks, documents, sources
from .status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Select

    from .engine import Database

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Expected:
    """One slot as it should be.

    Attributes:
        slot: its id in the collection.
        document_id: whose it is.
        digest: of the embedded text; the key of its vector.
        status: live, planned or doomed.
    """

    slot: str
    document_id: str
    digest: bytes
    status: ChunkStatus


def walk(database: Database, collection: str) -> Iterator[Expected]:
    """Every slot of a collection, by slot; a page at a time, each as of its own moment."""
    last = ""
    while True:
        with database.read() as connection:
            query = _of(collection, chunks.c.slot > last).order_by(chunks.c.slot).limit(PAGE)
            rows = connection.execute(query).all()
        for row in rows:
            yield Expected(row.slot, row.document_id, row.digest, ChunkStatus(row.status))
        if len(rows) < PAGE:
            return
        last = rows[-1].slot


def count(database: Database, collection: str) -> int:
    """How many slots the collection should have, doomed ones included."""
    with database.read() as connection:
        query = _of(collection).with_only_columns(func.count())
        return connection.execute(query).scalar_one()


def _of(collection: str, *conditions: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    return (
        select(chunks.c.slot, chunks.c.document_id, chunks.c.digest, chunks.c.status)
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(sources, sources.c.id == documents.c.source_id)
        .where(sources.c.collection == collection, *conditions)
    )
