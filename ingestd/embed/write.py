"""Writes a batch of documents in the order that survives a crash at any point.

1. One transaction: the plan. Slots that will hold something new are ``planned``, slots that
   nobody takes over ``doomed``.
2. Upsert the planned slots; update the metadata of those that keep their text.
3. One transaction: ``planned`` becomes ``live``, the documents become ``indexed``.
4. Delete the doomed slots from the collection. 5. Forget their rows.

Each step may be repeated. A reader never misses a document: its old slots hold the old text until
the upsert swaps it for the new.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ingestd.errors import StoreError
from ingestd_state import chunks, failpoint, vectors, work
from ingestd_state.status import DocumentStatus

from .chroma.calls import RefusedError
from .metadata import labels, of_chunk
from .prepare import NOWHERE, RACY_S
from .slots import Assignment, Wanted, assign
from .sweep import Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from ingestd.ports import Chunk, Collection, Metadata
    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .prepare import Prepared
    from .totals import Totals

    Placed = tuple[Prepared, str, Chunk]
    """A chunk of a document, and the slot that it goes into."""

T = TypeVar("T")

BATCH = 250
"""Slots in flight between the vectors cache and the collection."""


class Writer:
    """Carries a batch into the collections. Blocking: call it in the store's thread."""

    def __init__(
        self,
        database: Database,
        cache: Database,
        collection: Callable[[str], Collection],
        *,
        model: str,
        pipeline: str,
        totals: Totals,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._cache = cache
        self._collection = collection
        self._model = model
        self._pipeline = pipeline
        self._totals = totals
        self._clock = clock
        self._sweeper = Sweeper(database, collection, totals)

    def write(self, contents: Sequence[Prepared], leaving: Sequence[Document], name: str) -> None:
        """Write the documents of one collection.

        Args:
            contents: documents with chunks whose embeddings are all in the vectors cache.
            leaving: documents that shall have no chunks any more.
            name: the collection.

        Raises:
            RefusedError: the collection does not take it; the plan is taken back, the documents
                have what they had before, as far as nothing new is in.
            StoreError: the collection could not be written; a repeat converges.
            DatabaseError: the state table could not be written; the same.
        """
        collection = self._collection(name)
        assignments = self._plan(contents, leaving)
        by_id = {assignment.document_id: assignment for assignment in assignments}
        # Those who take over another's slots come last: he is written by then.
        contents = sorted(contents, key=lambda entry: by_id[entry.document.id].borrows)
        now = self._clock()
        try:
            self._upsert(
                collection, [(e, *c) for e in contents for c in by_id[e.document.id].write]
            )
            self._relabel_kept(
                collection, [(e, *c) for e in contents for c in by_id[e.document.id].keep]
            )
        except RefusedError:
            self._sweeper.withdraw()
            raise
        self._make_live(contents, now)
        self._sweeper.delete_doomed([document.id for document in leaving])

    def relabel(self, same: Sequence[Prepared], name: str) -> None:
        """Write the labels of documents that were moved or touched, and nothing else."""
        with self._database.read() as connection:
            slots = chunks.of_documents(connection, [prepared.document.id for prepared in same])
        collection = self._collection(name)
        written = [
            (slot.slot, labels(entry.source, entry.document.path, entry.fingerprint.mtime_ns))
            for entry in same
            for slot in slots[entry.document.id]
        ]
        for part in _parts(written):
            collection.relabel([slot for slot, _ in part], [values for _, values in part])
            failpoint.reached("labels.part")
        self._totals.chunks["relabelled"] += len(written)
        failpoint.reached("labels.done")

    def settle(self) -> None:
        """Settle what an attempt left that broke off: see `Sweeper.settle`."""
        self._sweeper.settle()

    def delete_orphans(self) -> None:
        """Delete what a check found without an owner: see `Sweeper.delete_orphans`."""
        self._sweeper.delete_orphans()

    def _plan(self, contents: Sequence[Prepared], leaving: Sequence[Document]) -> list[Assignment]:
        ids = [prepared.document.id for prepared in contents]
        with self._database.write() as connection:
            leaving = _still_leaving(connection, leaving)
            everyone = [*ids, *(entry.id for entry in leaving)]
            slots = chunks.of_documents(connection, everyone)
            fresh = chunks.next_slots(connection, everyone)
            assignments, doomed = assign(_wanted(contents, leaving, slots, fresh))
            for assignment in assignments:
                rows = assignment.rows()
                chunks.plan(connection, rows)
                chunks.begin(
                    connection,
                    assignment.document_id,
                    next_slot=assignment.next_slot,
                    holds=len(rows),
                )
            chunks.plan(connection, doomed)
            failpoint.reached("plan.begun")
        failpoint.reached("plan.committed")
        return assignments

    def _upsert(self, collection: Collection, placed: Sequence[Placed]) -> None:
        now = self._clock()
        for part in _parts(placed):
            found = self._embeddings([chunk.digest for _, _, chunk in part])
            collection.upsert(
                [slot for _, slot, _ in part],
                np.stack([found[chunk.digest] for _, _, chunk in part]),
                [chunk.text for _, _, chunk in part],
                [self._metadata(prepared, chunk, now) for prepared, _, chunk in part],
            )
            self._totals.chunks["upserted"] += len(part)
            failpoint.reached("upsert.part")
        failpoint.reached("upsert.done")

    def _relabel_kept(self, collection: Collection, placed: Sequence[Placed]) -> None:
        now = self._clock()
        for part in _parts(placed):
            collection.relabel(
                [slot for _, slot, _ in part],
                [self._metadata(prepared, chunk, now) for prepared, _, chunk in part],
            )
            self._totals.chunks["relabelled"] += len(part)
            failpoint.reached("relabel.part")

    def _embeddings(
        self, digests: Sequence[bytes]
    ) -> dict[bytes, np.ndarray[tuple[int], np.dtype[np.float32]]]:
        with self._cache.read() as connection:
            found = vectors.get(connection, self._model, digests)
        if any(digest not in found for digest in digests):
            raise StoreError(
                "embeddings left the vectors cache before they were written",
                hint="They are made again; raise limits.vectors_bytes if this repeats.",
            )
        return {digest: np.frombuffer(data, dtype="<f4") for digest, data in found.items()}

    def _metadata(self, prepared: Prepared, chunk: Chunk, now: float) -> Metadata:
        return of_chunk(prepared, chunk, pipeline=self._pipeline, now=now)

    def _make_live(self, contents: Sequence[Prepared], now: float) -> None:
        if not contents:
            return
        with self._database.write() as connection:
            chunks.make_live(connection, [prepared.document.id for prepared in contents])
            for prepared in contents:
                work.finish(
                    connection,
                    prepared.document.id,
                    DocumentStatus.INDEXED,
                    learned={
                        **fingerprint_columns(prepared),
                        "digest": prepared.digest,
                        "pipeline": self._pipeline,
                        "mime": prepared.mime,
                        "chunk_count": len(prepared.chunks),
                        "indexed_at": now,
                    },
                    recheck_at=recheck_at(prepared, now),
                )
            failpoint.reached("live.begun")
        failpoint.reached("live.committed")


def fingerprint_columns(prepared: Prepared) -> dict[str, int]:
    """The fingerprint as the state table takes it; nothing for a file that could not be opened."""
    return {} if prepared.fingerprint == NOWHERE else asdict(prepared.fingerprint)


def recheck_at(prepared: Prepared, now: float) -> float | None:
    """When a file that was too fresh to trust its times is looked at again."""
    return now + RACY_S if prepared.recheck else None


def _still_leaving(connection: Connection, leaving: Sequence[Document]) -> list[Document]:
    """Without the tombstones whose file came back since they were taken in hand."""
    tombstones = work.tombstones(connection, [document.id for document in leaving])
    return [
        document
        for document in leaving
        if document.status is not DocumentStatus.DELETED or document.id in tombstones
    ]


def _wanted(
    contents: Sequence[Prepared],
    leaving: Sequence[Document],
    slots: dict[str, list[Slot]],
    fresh: dict[str, int],
) -> Iterator[Wanted]:
    # The numbers are those of the table: since the documents were taken in hand, an attempt that
    # the collection refused may have used some up.
    for prepared in contents:
        document = prepared.document
        yield Wanted(
            document.id,
            fresh[document.id],
            prepared.chunks,
            slots[document.id],
            rewrite=document.forced,
        )
    for document in leaving:
        yield Wanted(document.id, fresh[document.id], (), slots[document.id])


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
