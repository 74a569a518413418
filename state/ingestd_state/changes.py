"""What the disk says: new files, changed files, moved files, files that are gone.

Nothing here deletes. A file that is gone is first marked missing; whether its document becomes a
tombstone is decided for the whole source at once.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select, update

from .chunks import of_origin
from .documents import below, by_path
from .parts import parts, unindexed
from .schema import chunks, documents
from .status import DocumentStatus, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

    from .documents import Document

    Key = tuple[int, int, int, int, int]

INTERACTIVE = 10
"""Priority of a change that a person just made; a backfill has 0."""
ID_LENGTH = 16
"""Characters of a document id."""


def directory_of(path: bytes) -> bytes:
    """The directory part of a relative path; empty for the root."""
    return path.rpartition(b"/")[0]


def _free_id(connection: Connection, source_name: str, path: bytes) -> str:
    """A document id: from the first place seen, so that two cold runs agree on it."""
    for attempt in range(1_000):
        candidate = first_id(source_name, path, attempt)
        if not _is_taken(connection, candidate):
            return candidate
    message = f"no free document id for {path!r}"
    raise RuntimeError(message)


def first_id(source_name: str, path: bytes, attempt: int = 0) -> str:
    """The document id that a path is given when nobody has it; others at further attempts."""
    seed = b"\0".join((source_name.encode(), path, str(attempt).encode()))
    return hashlib.sha256(seed).hexdigest()[:ID_LENGTH]


def _is_taken(connection: Connection, candidate: str) -> bool:
    """Whether a document has this id, or had it and left a slot that another one took over."""
    own = select(documents.c.id).where(documents.c.id == candidate)
    inherited = select(chunks.c.slot).where(of_origin(candidate))
    return any(connection.execute(query.limit(1)).first() for query in (own, inherited))


def add(
    connection: Connection,
    source: tuple[int, str],
    path: bytes,
    key: Key,
    *,
    now: float,
    priority: int = 0,
) -> str:
    """Record a file that is not known yet; returns its document id.

    Args:
        connection: a write transaction.
        source: id and name of its source.
        path: relative to the source's root.
        key: device, inode, size, mtime and ctime in nanoseconds.
        now: Unix seconds.
        priority: higher is taken up first.
    """
    source_id, source_name = source
    document_id = _free_id(connection, source_name, path)
    row = new_row(document_id, source_id, path, key, now=now, priority=priority)
    connection.execute(documents.insert().values(**row))
    return document_id


def new_row(
    document_id: str, source_id: int, path: bytes, key: Key, *, now: float, priority: int
) -> dict[str, Any]:
    """The values of the row of a file that is not known yet."""
    return {
        "id": document_id,
        "source_id": source_id,
        "path": path,
        "directory": directory_of(path),
        "status": DocumentStatus.PENDING.value,
        "changed_at": now,
        "priority": priority,
        **dict(zip(("device", "inode", "size", "mtime_ns", "ctime_ns"), key, strict=True)),
    }


def mark_changed(
    connection: Connection,
    ids: Sequence[str],
    *,
    now: float,
    priority: int = 0,
    forced: bool = False,
) -> None:
    """These files may have changed: take them up as soon as can be, whatever failed before."""
    values: dict[str, Any] = {
        "status": DocumentStatus.PENDING.value,
        "reason": "",
        "attempts": 0,
        "retry_at": None,
        "recheck_at": None,
        "missing_since": None,
        "error_code": "",
        "error_text": "",
        # The age of a change is that of its first sight, and of the last one that was urgent.
        "changed_at": _first_seen(now, priority),
        "priority": func.coalesce(documents.c.priority, 0) if priority == 0 else priority,
    }
    if forced:
        values["forced"] = True
    states = [*sources_of(DocumentStatus.PENDING), DocumentStatus.PENDING.value]
    for part in parts(ids):
        connection.execute(
            update(documents)
            .where(documents.c.id.in_(part), unindexed(documents.c.status).in_(states))
            .values(**values)
        )


def _first_seen(now: float, priority: int) -> Any:
    waits = documents.c.status == DocumentStatus.PENDING.value
    return case((and_(waits, documents.c.priority >= priority), documents.c.changed_at), else_=now)


def move(connection: Connection, document_id: str, path: bytes, *, now: float) -> None:
    """The file was renamed: keep its id, slots and vectors, and relabel its chunks."""
    mark_changed(connection, [document_id], now=now, priority=INTERACTIVE)
    connection.execute(
        update(documents)
        .where(documents.c.id == document_id)
        .values(path=path, directory=directory_of(path), relabel=True)
    )


def mark_missing(connection: Connection, ids: Sequence[str], *, now: float) -> None:
    """These files were not found; nothing is deleted yet."""
    for part in parts(ids):
        connection.execute(
            update(documents)
            .where(
                documents.c.id.in_(part),
                documents.c.status != DocumentStatus.DELETED.value,
                documents.c.missing_since.is_(None),
            )
            .values(missing_since=now)
        )


def mark_missing_below(connection: Connection, source_id: int, path: bytes, *, now: float) -> None:
    """Everything at and below this path was not found."""
    connection.execute(
        update(documents)
        .where(
            documents.c.source_id == source_id,
            below(path),
            documents.c.status != DocumentStatus.DELETED.value,
            documents.c.missing_since.is_(None),
        )
        .values(missing_since=now)
    )


def mark_found(connection: Connection, ids: Sequence[str]) -> None:
    """These files are there after all."""
    for part in parts(ids):
        connection.execute(
            update(documents)
            .where(documents.c.id.in_(part), documents.c.missing_since.is_not(None))
            .values(missing_since=None)
        )


def count_missing(connection: Connection, source_id: int) -> int:
    """Documents of a source that were not found and are not tombstones yet."""
    return connection.execute(select(func.count()).where(*_missing(source_id))).scalar_one()


def last_missed(connection: Connection, source_id: int) -> float:
    """When the last of them was not found, in Unix seconds; 0 when there is none."""
    query = select(func.max(documents.c.missing_since)).where(*_missing(source_id))
    return connection.execute(query).scalar_one() or 0.0


def missing(connection: Connection, source_id: int) -> Iterator[Document]:
    """The documents of a source that were not found and are not tombstones yet, by path."""
    return by_path(connection, *_missing(source_id))


def _missing(source_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        documents.c.source_id == source_id,
        documents.c.missing_since.is_not(None),
        documents.c.status != DocumentStatus.DELETED.value,
    )
