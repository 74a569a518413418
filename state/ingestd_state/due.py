"""The queue of documents: which are due, and which are taken in hand next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, or_, select, update

from .documents import COLUMNS, Document, document
from .parts import parts
from .schema import documents
from .status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row


def _kinds(now: float, source_ids: Sequence[int]) -> list[ColumnElement[bool]]:
    """What is due, kind by kind: no row is of two, and an index finds each of them."""
    retry = or_(documents.c.retry_at.is_(None), documents.c.retry_at <= now)
    # A file that is not there can wait until somebody sees it again, or its tombstone is made.
    there = documents.c.missing_since.is_(None)
    # As a text of no column, because nearly all are indexed: few of them have a time.
    settled = (documents.c.status + "").in_(
        [DocumentStatus.INDEXED.value, DocumentStatus.SKIPPED.value]
    )
    kinds = (
        and_(documents.c.status == DocumentStatus.PENDING.value, retry, there),
        and_(documents.c.status == DocumentStatus.DELETED.value, retry),
        and_(documents.c.status == DocumentStatus.FAILED.value, documents.c.retry_at <= now, there),
        and_(documents.c.recheck_at <= now, settled, there),
    )
    # A sum, because SQLite would rather go through all documents of a source by its index.
    ours = (documents.c.source_id + 0).in_(source_ids)
    return [and_(kind, ours) for kind in kinds]


PUT_OFF = -10
"""The priority of documents that are read when nothing else is due, by somebody else."""
LEVELS = (
    documents.c.priority > 0,
    documents.c.priority == 0,
    and_(documents.c.priority < 0, documents.c.priority > PUT_OFF),
)
"""One after the other, and the usual one by an index: nothing sorts a million rows for a few."""
CLAIMED_CHUNKS = 2_000
"""Chunks that the documents of one claim have together: to delete them takes a second or so."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is in hand already while more is claimed.

    Attributes:
        in_hand: ids of documents, which may have changed since.
        most_chunks: documents that had more are large, and wait; None where they need not.
        most_bytes: the same for files; by default as many as may be claimed together.
    """

    in_hand: Collection[str] = ()
    most_chunks: int | None = None
    most_bytes: int | None = None


NOTHING = Beside()
"""Nothing is in hand."""


def is_due(connection: Connection, now: float, source_ids: Sequence[int]) -> bool:
    """Whether there is anything to do."""
    found = (select(documents.c.id).where(kind).exists() for kind in _kinds(now, source_ids))
    return bool(connection.execute(select(or_(*found))).scalar_one())


def count_open(connection: Connection, now: float, source_ids: Sequence[int]) -> int:
    """How many documents wait for the embed job, or are in its hands."""
    working = and_(
        documents.c.source_id.in_(source_ids), documents.c.status == DocumentStatus.WORKING.value
    )
    return connection.execute(
        select(func.count()).where(or_(*_kinds(now, source_ids), working))
    ).scalar_one()


def oldest(connection: Connection, now: float, source_ids: Sequence[int]) -> float | None:
    """When the oldest change was seen that is due, or in hand, in Unix seconds.

    What was put off until nothing else is due does not count, and what waits for another try.
    """
    ours = (documents.c.source_id + 0).in_(source_ids)
    kinds = (
        and_(_kinds(now, source_ids)[0], documents.c.priority > PUT_OFF),
        and_(documents.c.status == DocumentStatus.WORKING.value, ours),
    )
    times = (
        connection.execute(select(func.min(documents.c.changed_at)).where(kind)).scalar_one()
        for kind in kinds
    )
    return min((time for time in times if time is not None), default=None)


def count_urgent(connection: Connection, *, most: int) -> int:
    """How many documents wait for which somebody waits; so many are counted at most."""
    some = (
        select(documents.c.id)
        .where(documents.c.status == DocumentStatus.PENDING.value, documents.c.priority > 0)
        .limit(most)
    )
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def claim_put_off(
    connection: Connection, now: float, source_ids: Sequence[int], in_hand: Collection[str]
) -> list[Document]:
    """Take the document in hand that was put off for longest; none while another one is."""
    kind = and_(_kinds(now, source_ids)[0], documents.c.priority <= PUT_OFF)
    row = connection.execute(
        select(*COLUMNS)
        .where(kind, documents.c.id.not_in(in_hand))
        .order_by(documents.c.changed_at, documents.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return []
    connection.execute(
        update(documents)
        .where(documents.c.id == row.id)
        .values(status=DocumentStatus.WORKING.value, retry_at=None, recheck_at=None)
    )
    return [document(row)]


def claim(
    connection: Connection,
    now: float,
    source_ids: Sequence[int],
    *,
    limit: int,
    limit_bytes: int,
    limit_chunks: int = CLAIMED_CHUNKS,
    beside: Beside = NOTHING,
    urgent: bool = False,
) -> list[Document]:
    """Take the most urgent documents in hand; tombstones come along as they are.

    Args:
        connection: a write transaction.
        now: Unix seconds.
        source_ids: the sources that this process serves.
        limit: the most documents.
        limit_bytes: the most bytes of files together; a larger file comes alone.
        limit_chunks: the most chunks that they have together; a larger document comes alone.
        beside: what is in hand already, and whether anything large is taken.
        urgent: only what somebody waits for, the last change first: he who saved a file now does
            not wait for the thousands that were copied before.

    Returns:
        Documents with status ``working``, or ``deleted`` for tombstones.
    """
    most = limit + len(beside.in_hand)  # the first ones may be in hand
    age = documents.c.changed_at.desc() if urgent else documents.c.changed_at
    found: list[Row[Any]] = []
    for level in LEVELS[:1] if urgent else LEVELS:
        for kind in _kinds(now, source_ids):
            found += connection.execute(
                select(*COLUMNS)
                .where(kind, level, *_small(limit_bytes, beside))
                .order_by(documents.c.priority.desc(), age, documents.c.id)
                .limit(most)
            )
        if len(found) >= most:
            break
    found.sort(key=lambda row: _place(row, newest=urgent))
    free = (document(row) for row in found if row.id not in beside.in_hand)
    taken = list(_within(limit_bytes, limit_chunks, islice(free, limit)))
    ids = [entry.id for entry in taken if entry.status is not DocumentStatus.DELETED]
    for part in parts(ids):
        connection.execute(
            update(documents)
            .where(documents.c.id.in_(part))
            .values(status=DocumentStatus.WORKING.value, retry_at=None, recheck_at=None)
        )
    return taken


def _place(row: Row[Any], *, newest: bool) -> tuple[int, float, str]:
    return -row.priority, -row.changed_at if newest else row.changed_at, row.id


def _small(limit_bytes: int, beside: Beside) -> list[ColumnElement[bool]]:
    if beside.most_chunks is None:
        return []
    size = case(
        (documents.c.status == DocumentStatus.DELETED.value, 0),
        else_=func.coalesce(documents.c.size, 0),
    )
    return [
        documents.c.chunk_count <= beside.most_chunks,
        size <= (limit_bytes if beside.most_bytes is None else beside.most_bytes),
    ]


def _within(limit_bytes: int, limit_chunks: int, found: Iterable[Document]) -> Iterator[Document]:
    held = held_chunks = 0
    for entry in found:
        size, number = size_of(entry), entry.chunk_count
        if held and held + size > limit_bytes:
            return
        if held_chunks and held_chunks + number > limit_chunks:
            return
        held += size
        held_chunks += number
        yield entry


def size_of(entry: Document) -> int:
    """Bytes that are to be read of a document in hand: of a tombstone, none."""
    return 0 if entry.status is DocumentStatus.DELETED else entry.size or 0
