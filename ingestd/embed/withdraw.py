"""Takes back a plan that was not carried out: the rows say again what the collection holds.

Between plan and live nobody can tell from the table what is in a slot. A plan that breaks off must
not stay so: a slot may hold text of the document that lent it, which would stay searchable as long
as the borrower is not written, and that may be for ever. The collection itself tells whose chunk
lies in each slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd_state import chunks, failpoint, orphans
from ingestd_state.chunks import Slot
from ingestd_state.status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.ports import Collection, Record
    from ingestd_state.engine import Database

PAGE = 250
"""Slots asked for at once."""


def withdraw(database: Database, collection: Collection, ids: Sequence[str]) -> None:
    """Make the rows of documents say what the collection holds.

    Of their slots, those that are live hold what the table says. Of the others, a slot that holds
    a chunk of one of these documents is live, under the document that the chunk says it is of. A
    slot that is not in the collection loses its row. A slot with a chunk of any other document is
    an orphan: who lent it is written, or gone.

    No more is in memory than was in one plan: a document that is written in pages has no more in
    motion than a page.

    Args:
        database: the state table.
        collection: where the chunks of these documents are.
        ids: documents with planned slots; they are due, and nobody else writes their chunks.

    Raises:
        StoreError: the collection does not tell; nothing is changed.
        DatabaseError: the table cannot be written; nothing is changed.
    """
    with database.read() as connection:
        slots = [slot.slot for slot in chunks.in_motion(connection, ids)]
    live, ownerless = _sorted(collection, slots, set(ids))
    with database.write() as connection:
        chunks.remove(connection, slots)
        chunks.plan(connection, live)
        for document_id in ids:
            chunks.withdraw(connection, document_id)
        orphans.add(connection, collection.name, ownerless)
        failpoint.reached("withdraw.begun")
    failpoint.reached("withdraw.committed")


def _sorted(
    collection: Collection, slots: Sequence[str], ids: set[str]
) -> tuple[list[Slot], list[str]]:
    """The slots that are there: those of these documents, as rows, and all others."""
    live: list[Slot] = []
    ownerless: list[str] = []
    for start in range(0, len(slots), PAGE):
        # A page at a time: the texts come along, and are not kept.
        for record in collection.get(slots[start : start + PAGE]):
            row = _row(record)
            if row is not None and row.document_id in ids:
                live.append(row)
            else:
                ownerless.append(record.id)
    return live, ownerless


def _row(record: Record) -> Slot | None:
    """What a record says of itself; None where somebody else wrote it."""
    said = record.metadata
    try:
        return Slot(
            record.id,
            str(said["document_id"]),
            int(said["ordinal"] or 0),
            int(said["start"] or 0),
            int(said["end"] or 0),
            bytes.fromhex(str(said["chunk_digest"])),
            ChunkStatus.LIVE,
        )
    except (KeyError, ValueError):
        return None
