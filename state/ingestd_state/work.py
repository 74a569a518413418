"""How attempts at documents end, and what is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from .parts import parts, unindexed
from .schema import chunks, documents, sources
from .status import DocumentStatus, SourceStatus, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


def recover(connection: Connection) -> int:
    """Give back what an earlier process had in hand when it died; returns how many."""
    return connection.execute(
        update(documents)
        .where(documents.c.status == DocumentStatus.WORKING.value)
        .values(status=DocumentStatus.PENDING.value)
    ).rowcount


def due_again(connection: Connection, ids: Sequence[str]) -> None:
    """What was planned for these documents is to be done again.

    A tombstone stays one, and what is missing stays missing: only who sees the file may say more.
    """
    states = set(sources_of(DocumentStatus.PENDING)) - {DocumentStatus.DELETED.value}
    for part in parts(ids):
        connection.execute(
            update(documents)
            .where(documents.c.id.in_(part), unindexed(documents.c.status).in_(sorted(states)))
            .values(status=DocumentStatus.PENDING.value, attempts=0, retry_at=None, recheck_at=None)
        )


CLEARED: dict[str, Any] = {
    "forced": False,
    "relabel": False,
    "attempts": 0,
    "priority": 0,
    "retry_at": None,
    "recheck_at": None,
    "reason": "",
    "error_code": "",
    "error_text": "",
}
"""What is done and over once an attempt has ended."""


def finish(
    connection: Connection,
    document_id: str,
    status: DocumentStatus,
    *,
    learned: dict[str, Any],
    **outcome: Any,
) -> bool:
    """Record how an attempt ended.

    A change that was seen while the job had the document in hand has put it back to ``pending``
    already. Then only what was learned is written, and the document stays due.

    Args:
        connection: a write transaction.
        document_id: the document.
        status: how the attempt ended.
        learned: columns that are true in any case, such as the digest of what is indexed.
        outcome: columns that go with the status.

    Returns:
        Whether the status was written.
    """
    learn(connection, document_id, learned)
    done = connection.execute(
        update(documents)
        .where(documents.c.id == document_id, documents.c.status == DocumentStatus.WORKING.value)
        .values(status=status.value, **{**CLEARED, **outcome})
    )
    return done.rowcount == 1


def learn(connection: Connection, document_id: str, values: dict[str, Any]) -> None:
    """Write what is true of a document, whatever its status."""
    if values:
        connection.execute(update(documents).where(documents.c.id == document_id).values(**values))


def note(connection: Connection, document_id: str, remark: str) -> None:
    """Say how far a document is that is in hand; it is over with the attempt."""
    connection.execute(
        update(documents)
        .where(documents.c.id == document_id, documents.c.status == DocumentStatus.WORKING.value)
        .values(reason=remark)
    )


def release(connection: Connection, ids: Sequence[str], *, retry_at: float | None = None) -> None:
    """Give documents back unfinished; tombstones keep their state and wait for ``retry_at``."""
    status = unindexed(documents.c.status)
    for part in parts(ids):
        connection.execute(
            update(documents)
            .where(documents.c.id.in_(part), status == DocumentStatus.WORKING.value)
            .values(status=DocumentStatus.PENDING.value, retry_at=retry_at)
        )
        connection.execute(
            update(documents)
            .where(documents.c.id.in_(part), status == DocumentStatus.DELETED.value)
            .values(retry_at=retry_at)
        )


def tombstones(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Which of these are tombstones now."""
    found: set[str] = set()
    for part in parts(ids):
        rows = connection.execute(
            select(documents.c.id).where(
                documents.c.id.in_(part),
                unindexed(documents.c.status) == DocumentStatus.DELETED.value,
            )
        )
        found.update(rows.scalars())
    return found


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """Remove tombstones whose chunks are gone; one that came back to life stays."""
    empty = ~select(chunks.c.slot).where(chunks.c.document_id == documents.c.id).exists()
    for part in parts(ids):
        connection.execute(
            delete(documents).where(
                documents.c.id.in_(part),
                unindexed(documents.c.status) == DocumentStatus.DELETED.value,
                empty,
            )
        )


def collections_of(connection: Connection) -> list[str]:
    """The collections that the sources write to."""
    rows = connection.execute(
        select(sources.c.collection)
        .where(sources.c.status != SourceStatus.DETACHED.value)
        .distinct()
    )
    return sorted(row.collection for row in rows)
