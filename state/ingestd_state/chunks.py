"""Queries about chunks: which slot of a collection holds which piece of which document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from .parts import parts
from .schema import chunks, documents, sources
from .status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

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
    """The slots of each document, in order of their ordinals."""
    found: dict[str, list[Slot]] = {document_id: [] for document_id in ids}
    rows = connection.execute(
        select(chunks)
        .where(chunks.c.document_id.in_(ids))
        .order_by(chunks.c.ordinal, chunks.c.slot)
    )
    for row in rows:
        slot = Slot(
            row.slot,
            row.document_id,
            row.ordinal,
            row.start,
            row.end,
            row.digest,
            ChunkStatus(row.status),
        )
        found[slot.document_id].append(slot)
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
    rows = connection.execute(
        select(documents.c.id, documents.c.next_slot).where(documents.c.id.in_(ids))
    )
    return {row.id: row.next_slot for row in rows}


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


def make_live(connection: Connection, ids: Sequence[str]) -> None:
    """The planned slots of these documents are in the collection now."""
    connection.execute(
        update(chunks)
        .where(chunks.c.document_id.in_(ids), chunks.c.status == ChunkStatus.PLANNED.value)
        .values(status=ChunkStatus.LIVE.value)
    )


def doomed(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Slots to delete, each with the collection it is in.

    Those of a document that is not wholly written yet are left out: they hold what is left of its
    old version, which stays searchable until the new one is in.
    """
    other = chunks.alias()
    unwritten = (
        select(other.c.slot)
        .where(
            other.c.document_id == chunks.c.document_id,
            other.c.status == ChunkStatus.PLANNED.value,
        )
        .exists()
    )
    rows = connection.execute(
        select(chunks.c.slot, sources.c.collection)
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(sources, sources.c.id == documents.c.source_id)
        .where(chunks.c.status == ChunkStatus.DOOMED.value, ~unwritten)
        .order_by(chunks.c.slot)
        .limit(limit)
    )
    return [(row.slot, row.collection) for row in rows]


def forget(connection: Connection, slots: Sequence[str]) -> None:
    """Remove the rows of deleted slots, unless somebody took one over meanwhile."""
    for part in parts(slots):
        connection.execute(
            delete(chunks).where(
                chunks.c.slot.in_(part),
                chunks.c.status == ChunkStatus.DOOMED.value,
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


def withdraw(connection: Connection, document_id: str, *, holds: int) -> None:
    """Remember what a document has after its plan was taken back.

    Args:
        connection: a write transaction, in which its rows are as they shall be.
        document_id: the document.
        holds: how many slots it has.
    """
    # So that the next attempt takes the slots that this one would have taken.
    own = connection.execute(select(chunks.c.slot).where(of_origin(document_id))).scalars()
    following = max((int(slot.rpartition("-")[2]) + 1 for slot in own), default=0)
    connection.execute(
        update(documents)
        .where(documents.c.id == document_id)
        .values(chunk_count=holds, digest=None, next_slot=following)
    )


def of_origin(document_id: str) -> ColumnElement[bool]:
    """A condition: the slot was made for this document, whoever has it now."""
    # Digits at both ends, so that the range holds under any collation.
    return chunks.c.slot.between(f"{document_id}-0", f"{document_id}-9999999999")


def digests(connection: Connection) -> Iterator[list[bytes]]:
    """The digests of all chunks, a page at a time; one that occurs twice may come twice."""
    rows = connection.execute(select(chunks.c.digest), execution_options={"yield_per": PAGE})
    for page in rows.scalars().partitions():
        yield list(page)
