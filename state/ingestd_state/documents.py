"""Queries about documents: finding, listing, counting."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select

from .schema import documents
from .status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Row, Select

PAGE = 1_000
STREAMED = {"yield_per": PAGE}


@dataclass(frozen=True, slots=True)
class Document:
    """One row of ``documents``. Times are Unix seconds; the fingerprint may be unknown."""

    id: str
    source_id: int
    path: bytes
    status: DocumentStatus
    reason: str
    device: int | None
    inode: int | None
    size: int | None
    mtime_ns: int | None
    ctime_ns: int | None
    digest: bytes | None
    pipeline: str | None
    mime: str
    chunk_count: int
    next_slot: int
    forced: bool
    relabel: bool
    priority: int
    attempts: int
    retry_at: float | None
    recheck_at: float | None
    missing_since: float | None
    error_code: str
    error_text: str
    changed_at: float
    indexed_at: float | None

    @property
    def fingerprint(self) -> tuple[int | None, ...]:
        """Device, inode, size, mtime and ctime in nanoseconds."""
        return (self.device, self.inode, self.size, self.mtime_ns, self.ctime_ns)


COLUMNS = [documents.c[field.name] for field in fields(Document)]


KNOWN = [
    documents.c[name]
    for name in (
        "id",
        "path",
        "status",
        "device",
        "inode",
        "size",
        "mtime_ns",
        "ctime_ns",
        "missing_since",
    )
]


def document(row: Row[Any]) -> Document:
    """A document from a row of all `COLUMNS`."""
    values = dict(row._mapping)  # noqa: SLF001 - the public name of this attribute
    values["status"] = DocumentStatus(values["status"])
    return Document(**values)


def get(connection: Connection, source_id: int, path: bytes) -> Document | None:
    """The document at this path."""
    row = connection.execute(
        select(*COLUMNS).where(documents.c.source_id == source_id, documents.c.path == path)
    ).one_or_none()
    return document(row) if row else None


def by_id(connection: Connection, document_id: str) -> Document | None:
    """The document with this id."""
    row = connection.execute(select(*COLUMNS).where(documents.c.id == document_id)).one_or_none()
    return document(row) if row else None


def sample(connection: Connection, limit: int, *, largest: int) -> list[tuple[int, bytes]]:
    """Source and path of some indexed documents, picked by their ids, which are random.

    Args:
        connection: to the state table.
        limit: how many.
        largest: bytes of a file; larger ones are left out.
    """
    found = connection.execute(
        select(documents.c.source_id, documents.c.path)
        .where(documents.c.status == DocumentStatus.INDEXED, documents.c.size <= largest)
        .order_by(documents.c.id)
        .limit(limit)
    )
    return [(row.source_id, row.path) for row in found]


def below(path: bytes) -> ColumnElement[bool]:
    """A condition: the document is at this path or anywhere below it; empty means every one."""
    return _at_or_below(documents.c.path, path)


def _at_or_below(column: Column[bytes], path: bytes) -> ColumnElement[bool]:
    if not path:
        return column >= b""
    # "0" is the byte after "/". One range for the index; what only begins alike is left out of it.
    alike = and_(column >= path, column < path + b"0")
    return and_(alike, or_(column == path, column > path + b"/"))


def by_path(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> Iterator[Document]:
    """Documents by source and path, streamed."""
    query = select(*COLUMNS).where(*conditions)
    query = query.order_by(documents.c.source_id, documents.c.path)
    if limit is not None:
        query = query.limit(limit)
    for row in connection.execute(query, execution_options=STREAMED):
        yield document(row)


def known_in(connection: Connection, source_id: int, directory: bytes) -> Sequence[Row[Any]]:
    """The documents right in this directory by path, as rows of the columns a scan compares."""
    return connection.execute(_known_in(source_id, directory)).all()


def stream_in(connection: Connection, source_id: int, directory: bytes) -> Iterator[Row[Any]]:
    """The same, one after the other: a directory may hold any number of them."""
    yield from connection.execute(_known_in(source_id, directory), execution_options=STREAMED)


def _known_in(source_id: int, directory: bytes) -> Select[Any]:
    return (
        select(*KNOWN)
        .where(documents.c.source_id == source_id, documents.c.directory == directory)
        # Not the bare column: by its index, all of the source would be read for each directory.
        .order_by(func.coalesce(documents.c.path, documents.c.path))
    )


def present_in(
    connection: Connection, source_id: int, directory: bytes, *, at: bytes, limit: int
) -> Sequence[str]:
    """Ids of documents right in this directory that are not known to be gone; some of them.

    Args:
        connection: a transaction.
        source_id: their source.
        directory: where they are.
        at: only those at this path or below it; empty for all.
        limit: the most.
    """
    return (
        connection.execute(
            select(documents.c.id)
            .where(
                documents.c.source_id == source_id,
                documents.c.directory == directory,
                below(at),
                documents.c.missing_since.is_(None),
                documents.c.status != DocumentStatus.DELETED.value,
            )
            .limit(limit)
        )
        .scalars()
        .all()
    )


def known_at(connection: Connection, source_id: int, path: bytes) -> Sequence[Row[Any]]:
    """The document at this path, as rows like those of `known_in`."""
    return connection.execute(
        select(*KNOWN).where(documents.c.source_id == source_id, documents.c.path == path)
    ).all()


def directories(connection: Connection, source_id: int, path: bytes = b"") -> Iterator[bytes]:
    """The distinct directories of a source that hold documents at or below ``path``, in order."""
    column = documents.c.directory
    inside = _at_or_below(column, path)
    # Each by an index of its own: a folder must not cost what the whole source holds.
    for found in (documents.c.path == path, inside) if path else (inside,):
        query = select(column).where(documents.c.source_id == source_id, found)
        for row in connection.execute(
            query.distinct().order_by(column), execution_options=STREAMED
        ):
            yield row.directory


def with_inode(connection: Connection, device: int, inode: int) -> list[Document]:
    """The documents that were last seen as this file: candidates for a move."""
    rows = connection.execute(
        select(*COLUMNS).where(documents.c.device == device, documents.c.inode == inode)
    )
    return [document(row) for row in rows]


def counts(connection: Connection) -> dict[str, int]:
    """Documents by status."""
    rows = connection.execute(select(documents.c.status, func.count()).group_by(documents.c.status))
    found = {status.value: 0 for status in DocumentStatus}
    found.update({str(status): int(number) for status, number in rows})
    return found


def oldest_pending(connection: Connection) -> float | None:
    """When the oldest waiting change was seen, in Unix seconds; what is missing cannot be done."""
    oldest: float | None = connection.execute(
        select(func.min(documents.c.changed_at)).where(
            documents.c.status.in_([DocumentStatus.PENDING.value, DocumentStatus.WORKING.value]),
            documents.c.missing_since.is_(None),
        )
    ).scalar_one()
    return oldest


def total(connection: Connection, source_id: int) -> int:
    """Documents of a source that are not tombstones."""
    return connection.execute(
        select(func.count()).where(
            documents.c.source_id == source_id,
            documents.c.status != DocumentStatus.DELETED.value,
        )
    ).scalar_one()
