"""Queries about chunks: which slot of a collection holds which piece of which document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, tuple_, update

from .owned import held
from .parts import VARIABLES, parts, unindexed
from .schema import chunks, documents, sources
from .status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from .engine import Database

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of ``chunks``: the slot ``slot`` holds, or will hold, this chunk."""

    slot: str
    document_id: str
    ordinal: int
    start: int
    end: int
    digest: bytes
    status: ChunkStatus


def of_documents(connection: Connection, ids: Sequence[str]) -> dict[str, list[Slot]]:
    """The slots of each document, in order of their ordinals; all of them are in memory."""
    found: dict[str, list[Slot]] = {document_id: [] for document_id in ids}
    for part in parts(ids):
        rows = connection.execute(
            select(chunks)
            .where(chunks.c.document_id.in_(part))
            .order_by(chunks.c.ordinal, chunks.c.slot)
        )
        for row in rows:
            found[row.document_id].append(_slot(row))
    return found


def walk(database: Database, document_id: str, *, page: int = PAGE) -> Iterator[list[Slot]]:
    """The slots of a document in order of their ordinals, a page at a time.

    No transaction stays open between two pages: the rows of pages that were read may be changed,
    as long as those that follow stay what they are.
    """
    last: tuple[int, str] = (-1, "")
    while True:
        with database.read() as connection:
            rows = connection.execute(
                select(chunks)
                .where(
                    chunks.c.document_id == document_id,
                    # The first part is for the index; SQLite does not find it in the second.
                    chunks.c.ordinal >= last[0],
                    tuple_(chunks.c.ordinal, chunks.c.slot) > last,
                )
                .order_by(chunks.c.ordinal, chunks.c.slot)
                .limit(page)
            ).all()
        if rows:
            yield [_slot(row) for row in rows]
        if len(rows) < page:
            return
        last = (rows[-1].ordinal, rows[-1].slot)


def at(connection: Connection, document_id: str, slot: str) -> Slot | None:
    """A slot of a document; None when it has no such slot."""
    row = connection.execute(
        select(chunks).where(chunks.c.slot == slot, chunks.c.document_id == document_id)
    ).one_or_none()
    return _slot(row) if row else None


def _slot(row: Row[Any]) -> Slot:
    return Slot(
        row.slot,
        row.document_id,
        row.ordinal,
        row.start,
        row.end,
        row.digest,
        ChunkStatus(row.status),
    )


def in_motion(connection: Connection, ids: Sequence[str]) -> list[Slot]:
    """The slots of these documents that are planned or doomed."""
    moving = [ChunkStatus.PLANNED.value, ChunkStatus.DOOMED.value]
    found: list[Slot] = []
    for part in parts(ids):
        rows = connection.execute(
            select(chunks).where(
                chunks.c.document_id.in_(part), unindexed(chunks.c.status).in_(moving)
            )
        )
        found += [_slot(row) for row in rows]
    return found


def plan(connection: Connection, slots: Sequence[Slot]) -> None:
    """Write the planned and doomed rows; a row of the same slot is replaced."""
    for part in parts(slots):
        remove(connection, [slot.slot for slot in part])
        connection.execute(
            chunks.insert(),
            [
                {
                    "slot": slot.slot,
                    "document_id": slot.document_id,
                    "ordinal": slot.ordinal,
                    "start": slot.start,
                    "end": slot.end,
                    "digest": slot.digest,
                    "status": slot.status.value,
                }
                for slot in part
            ],
        )


def next_slots(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """The number that the next fresh slot of each document gets."""
    found: dict[str, int] = {}
    for part in parts(ids):
        rows = connection.execute(
            select(documents.c.id, documents.c.next_slot).where(documents.c.id.in_(part))
        )
        found.update((row.id, row.next_slot) for row in rows)
    return found


def begin(connection: Connection, document_id: str, *, next_slot: int, holds: int) -> None:
    """Remember that a document's slots are in motion.

    Until the plan is carried out, nobody can say which bytes are indexed. So they are forgotten:
    were the file put back as it was meanwhile, it would seem to need nothing.

    Args:
        connection: the write transaction of the plan.
        document_id: the document.
        next_slot: the number of its next fresh slot.
        holds: how many slots it is to have; 0 leaves the count, which says that there is
            something to delete.
    """
    values: dict[str, int | None] = {"next_slot": next_slot, "digest": None}
    if holds:
        values["chunk_count"] = holds
    connection.execute(update(documents).where(documents.c.id == document_id).values(**values))


def make_live(connection: Connection, slots: Sequence[str]) -> None:
    """These of the planned slots are in the collection now, as planned."""
    for part in parts(slots):
        connection.execute(
            update(chunks)
            .where(chunks.c.slot.in_(part), unindexed(chunks.c.status) == ChunkStatus.PLANNED.value)
            .values(status=ChunkStatus.LIVE.value)
        )


def doom(connection: Connection, slots: Sequence[str]) -> None:
    """Nobody takes these over: they are to be deleted."""
    for part in parts(slots):
        connection.execute(
            update(chunks).where(chunks.c.slot.in_(part)).values(status=ChunkStatus.DOOMED.value)
        )


def doomed(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Slots to delete, each with the collection it is in.

    Those of a document that is not wholly written yet are left out: they hold what is left of its
    old version, which stays searchable until the new one is in.
    """
    # Planned rows are few, doomed ones may be a million: nothing is sorted, or asked for each.
    unwritten = select(chunks.c.document_id).where(chunks.c.status == ChunkStatus.PLANNED.value)
    rows = connection.execute(
        select(chunks.c.slot, sources.c.collection)
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(sources, sources.c.id == documents.c.source_id)
        .where(
            chunks.c.status == ChunkStatus.DOOMED.value,
            chunks.c.document_id.not_in(unwritten),
        )
        .limit(limit)
    )
    return [(row.slot, row.collection) for row in rows]


def forget(connection: Connection, slots: Sequence[str]) -> None:
    """Remove the rows of deleted slots, unless somebody took one over meanwhile."""
    for part in parts(slots):
        connection.execute(
            delete(chunks).where(
                chunks.c.slot.in_(part),
                unindexed(chunks.c.status) == ChunkStatus.DOOMED.value,
            )
        )


def count_live(connection: Connection) -> int:
    """Chunks that are in the collections."""
    return connection.execute(
        select(func.count()).where(chunks.c.status == ChunkStatus.LIVE.value)
    ).scalar_one()


def unsettled(connection: Connection) -> list[tuple[str, str]]:
    """Documents that were left between plan and live, each with the collection it is in."""
    rows = connection.execute(
        select(chunks.c.document_id, sources.c.collection)
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(sources, sources.c.id == documents.c.source_id)
        .where(chunks.c.status == ChunkStatus.PLANNED.value)
        .distinct()
        .order_by(chunks.c.document_id)
    )
    return [(row.document_id, row.collection) for row in rows]


def remove(connection: Connection, slots: Sequence[str]) -> None:
    """Remove rows, whatever their status."""
    for part in parts(slots):
        connection.execute(delete(chunks).where(chunks.c.slot.in_(part)))


def withdraw(connection: Connection, document_id: str) -> None:
    """Remember what a document has after its plan was taken back.

    Args:
        connection: a write transaction, in which its rows are as they shall be.
        document_id: the document.
    """
    used = next_slots(connection, [document_id]).get(document_id, 0)
    connection.execute(
        update(documents)
        .where(documents.c.id == document_id)
        .values(
            chunk_count=held(connection, [document_id]),
            digest=None,
            # So that the next attempt takes the slots that this one would have taken.
            next_slot=_following(connection, document_id, used),
        )
    )


def _following(connection: Connection, document_id: str, used: int) -> int:
    """The number after that of the last slot made for a document, of so many, that is there."""
    for end in range(used, 0, -VARIABLES):
        numbers = range(max(0, end - VARIABLES), end)
        there = connection.execute(
            select(chunks.c.slot).where(
                chunks.c.slot.in_([f"{document_id}-{number}" for number in numbers])
            )
        ).scalars()
        following = max((int(slot.rpartition("-")[2]) + 1 for slot in there), default=0)
        if following:
            return following
    return 0


def of_origin(document_id: str) -> ColumnElement[bool]:
    """A condition: the slot was made for this document, whoever has it now."""
    # Digits at both ends, so that the range holds under any collation.
    return chunks.c.slot.between(f"{document_id}-0", f"{document_id}-9999999999")


def digests(connection: Connection) -> Iterator[list[bytes]]:
    """The digests of all chunks, a page at a time; one that occurs twice may come twice."""
    rows = connection.execute(select(chunks.c.digest), execution_options={"yield_per": PAGE})
    for page in rows.scalars().partitions():
        yield list(page)
