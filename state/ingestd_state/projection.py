"""What the collections should hold, slot by slot, as the state table knows it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from .schema import chunks, documents, sources
from .status import ChunkStatus, DocumentStatus

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
        ordinal: place of the chunk in its document.
        start: first character.
        end: one past the last character.
        digest: of the embedded text; the key of its vector.
        status: live, planned or doomed.
        document_status: of the document.
        path: relative to the source's root.
        content_digest: of the bytes that are indexed; None while they are in motion.
        pipeline: version that indexed it.
        mime: media type.
        mtime_ns: of the file as indexed.
        source_id: its source.
        relabel: its labels are about to be written anew.
    """

    slot: str
    document_id: str
    ordinal: int
    start: int
    end: int
    digest: bytes
    status: ChunkStatus
    document_status: DocumentStatus
    path: bytes
    content_digest: bytes | None
    pipeline: str | None
    mime: str
    mtime_ns: int | None
    source_id: int
    relabel: bool


_COLUMNS = {
    **{name: chunks.c[name] for name in ("slot", "document_id", "ordinal", "start", "end")},
    "digest": chunks.c.digest,
    "status": chunks.c.status,
    "document_status": documents.c.status,
    "content_digest": documents.c.digest,
    **{name: documents.c[name] for name in ("path", "pipeline", "mime", "mtime_ns")},
    **{name: documents.c[name] for name in ("source_id", "relabel")},
}
_SELECTED = [_COLUMNS[field.name].label(field.name) for field in fields(Expected)]


def walk(database: Database, collection: str) -> Iterator[Expected]:
    """Every slot of a collection, by slot; a page at a time, each as of its own moment."""
    last = ""
    while True:
        with database.read() as connection:
            query = _of(collection, chunks.c.slot > last).order_by(chunks.c.slot).limit(PAGE)
            rows = connection.execute(query).all()
        for row in rows:
            values = dict(row._mapping)  # noqa: SLF001 - the public name of this attribute
            values["status"] = ChunkStatus(values["status"])
            values["document_status"] = DocumentStatus(values["document_status"])
            yield Expected(**values)
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
        select(*_SELECTED)
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .join(sources, sources.c.id == documents.c.source_id)
        .where(sources.c.collection == collection, *conditions)
    )
