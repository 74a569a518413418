"""Which chunk goes into which slot of the collection: pure decisions.

Chroma never reuses the place of a deleted id, but an upsert of an existing id takes no new place.
So a chunk that arrives takes over the slot of a chunk that leaves: first in the same document,
then in the same batch. Only what is left over is added or deleted.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd_state.chunks import Slot
from ingestd_state.status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingestd.ports import Chunk


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document shall consist of, and what it has.

    Attributes:
        document_id: the document.
        next_slot: the number of its next fresh slot.
        chunks: its chunks now; empty for a document that leaves.
        slots: the slots it has, in order.
        rewrite: write every chunk, also one whose slot holds it already.
    """

    document_id: str
    next_slot: int
    chunks: Sequence[Chunk]
    slots: Sequence[Slot]
    rewrite: bool = False


@dataclass(slots=True)
class Assignment:
    """What to do for one document.

    Attributes:
        keep: chunks whose slot holds their text already; only their metadata is written.
        write: chunks to upsert, each with its slot.
        next_slot: the number of the next fresh slot.
        borrows: some of its slots hold text of other documents until they are written.
    """

    document_id: str
    next_slot: int
    keep: list[tuple[str, Chunk]] = field(default_factory=list)
    write: list[tuple[str, Chunk]] = field(default_factory=list)
    borrows: bool = False

    def rows(self) -> list[Slot]:
        """The rows of the state table between plan and live.

        Also those whose slots keep their texts are planned: until the plan is carried out, nobody
        can say which labels a slot has.
        """
        return [_row(self.document_id, slot, chunk) for slot, chunk in (*self.keep, *self.write)]

    def slots(self) -> list[str]:
        """The slots that are planned."""
        return [slot for slot, _ in (*self.keep, *self.write)]


def assign(wanted: Iterable[Wanted]) -> tuple[list[Assignment], list[Slot]]:
    """Give every chunk of a batch a slot.

    Args:
        wanted: the documents of one collection, in the order in which they were taken up.

    Returns:
        An assignment a document, and the rows of the slots that nobody took over, doomed.
    """
    assignments: list[Assignment] = []
    homeless: list[tuple[Assignment, Chunk]] = []
    pool: deque[Slot] = deque()
    for document in wanted:
        assignment, rest, leaving = _within(document)
        assignments.append(assignment)
        homeless += [(assignment, chunk) for chunk in rest]
        pool.extend(leaving)
    for assignment, chunk in homeless:
        if pool:
            assignment.write.append((pool.popleft().slot, chunk))
            assignment.borrows = True
        else:
            slot = f"{assignment.document_id}-{assignment.next_slot}"
            assignment.next_slot += 1
            assignment.write.append((slot, chunk))
    return assignments, [_doomed(slot) for slot in pool]


def assign_page(
    document_id: str,
    next_slot: int,
    places: Iterable[tuple[Chunk, str | None]],
    leaving: Iterable[str],
    *,
    rewrite: bool = False,
) -> Assignment:
    """Give each chunk of a page of a long document a slot.

    Args:
        document_id: the document.
        next_slot: the number of its next fresh slot.
        places: its chunks, each with the slot that holds its text already.
        leaving: slots of the document that may be taken over, in order.
        rewrite: write every chunk, also one whose slot holds it already.
    """
    assignment = Assignment(document_id, next_slot)
    free = iter(leaving)
    for chunk, holding in places:
        if holding is not None and not rewrite:
            assignment.keep.append((holding, chunk))
            continue
        slot = holding or next(free, None)
        if slot is None:
            slot = f"{document_id}-{assignment.next_slot}"
            assignment.next_slot += 1
        assignment.write.append((slot, chunk))
    return assignment


def _within(document: Wanted) -> tuple[Assignment, list[Chunk], list[Slot]]:
    """Match a document's chunks with its own slots; returns what is left of both."""
    assignment = Assignment(document.document_id, document.next_slot)
    # The digest is that of prefix and text; only with the length does it say which is which.
    holding: dict[tuple[bytes, int], deque[Slot]] = defaultdict(deque)
    for slot in document.slots:
        if slot.status is ChunkStatus.LIVE:
            holding[slot.digest, slot.end - slot.start].append(slot)
    kept: set[str] = set()
    arriving: deque[Chunk] = deque()
    for chunk in document.chunks:
        same = holding.get((chunk.digest, chunk.end - chunk.start))
        if same:
            name = same.popleft().slot
            kept.add(name)
            (assignment.write if document.rewrite else assignment.keep).append((name, chunk))
        else:
            arriving.append(chunk)
    leaving = deque(slot for slot in document.slots if slot.slot not in kept)
    while arriving and leaving:
        assignment.write.append((leaving.popleft().slot, arriving.popleft()))
    return assignment, list(arriving), list(leaving)


def _row(document_id: str, slot: str, chunk: Chunk) -> Slot:
    return Slot(
        slot,
        document_id,
        chunk.ordinal,
        chunk.start,
        chunk.end,
        chunk.digest,
        ChunkStatus.PLANNED,
    )


def _doomed(slot: Slot) -> Slot:
    return Slot(
        slot.slot,
        slot.document_id,
        slot.ordinal,
        slot.start,
        slot.end,
        slot.digest,
        ChunkStatus.DOOMED,
    )
