"""Writes a batch of documents in the order that survives a crash at any point.

1. One transaction: the plan. Slots that will hold something new are ``planned``, slots that
   nobody takes over ``doomed``.
2. Upsert the planned slots; update the metadata of those that keep their text.
3. One transaction: ``planned`` becomes ``live``, the documents become ``indexed``.
4. Delete the doomed slots from the collection. 5. Forget their rows.

Each step may be repeated. A reader never misses a document: its old slots hold the old text until
the upsert swaps it for the new. A document with many chunks is written in pages: see `long`.
"""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from ingestd_state import chunks, failpoint, work
from ingestd_state.status import DocumentStatus

from .chroma.calls import RefusedError
from .indexed import finish
from .long import LongWriter
from .metadata import labels
from .place import Placer, batches
from .slots import Assignment, Wanted, assign
from .spool import SIZES, Sizes
from .sweep import Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from ingestd.ports import Collection, Metadata
    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .prepared import Prepared
    from .totals import Totals

    Group = tuple[list[Prepared], list[Document]]
    """Documents that are written, and documents that leave, in one plan."""

PLAN_ROWS = 10_000
"""Slots in one plan, unless a single document has more."""


class Writer:
    """Carries a batch into the collections. Blocking: call it in the store's thread.

    Attributes:
        long: writes the documents that have too many chunks for one plan.
        long_chunks: how many that is.
    """

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
        sizes: Sizes = SIZES,
    ) -> None:
        self._database = database
        self._collection = collection
        self._pipeline = pipeline
        self._clock = clock
        self._sweeper = Sweeper(database, collection, totals)
        self._placer = Placer(cache, model=model, pipeline=pipeline, totals=totals, clock=clock)
        self.long_chunks = sizes.long_chunks
        self.long = LongWriter(
            database,
            collection,
            self._placer,
            self._sweeper,
            pipeline=pipeline,
            clock=clock,
            page=sizes.page,
        )

    def stop(self) -> None:
        """End early with what can as well be done at the next start; from any thread."""
        self._sweeper.stop()

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
        for group in _groups(contents, leaving):
            self._write(*group, name)

    def relabel(self, same: Sequence[Prepared], name: str) -> None:
        """Write the labels of documents that were moved or touched, and nothing else."""
        collection = self._collection(name)
        for part in batches(chain.from_iterable(map(self._labels, same))):
            self._placer.label(collection, part)
        failpoint.reached("labels.done")

    def settle(self) -> None:
        """Settle what an attempt left that broke off: see `Sweeper.settle`."""
        self._sweeper.settle()

    def delete_orphans(self) -> None:
        """Delete what a check found without an owner: see `Sweeper.delete_orphans`."""
        self._sweeper.delete_orphans()

    def _write(self, contents: Sequence[Prepared], leaving: Sequence[Document], name: str) -> None:
        collection = self._collection(name)
        assignments, doomed = self._plan(contents, leaving)
        by_id = {assignment.document_id: assignment for assignment in assignments}
        # Those who take over another's slots come last: he is written by then.
        contents = sorted(contents, key=lambda entry: by_id[entry.document.id].borrows)
        now = self._clock()
        try:
            self._placer.upsert(
                collection, ((e, *c) for e in contents for c in by_id[e.document.id].write)
            )
            self._placer.keep(
                collection, ((e, *c) for e in contents for c in by_id[e.document.id].keep)
            )
        except RefusedError:
            self._sweeper.withdraw()
            raise
        self._make_live(contents, assignments, now)
        self._sweeper.delete(name, doomed)
        self._sweeper.forget([document.id for document in leaving])

    def _labels(self, entry: Prepared) -> Iterator[tuple[str, Metadata]]:
        values = labels(entry.source, entry.document.path, entry.fingerprint.mtime_ns)
        for page in chunks.walk(self._database, entry.document.id):
            for slot in page:
                yield slot.slot, values

    def _plan(
        self, contents: Sequence[Prepared], leaving: Sequence[Document]
    ) -> tuple[list[Assignment], list[str]]:
        """Give every chunk a slot; returns that, and the slots that nobody takes over."""
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
        return assignments, [slot.slot for slot in doomed]

    def _make_live(
        self, contents: Sequence[Prepared], assignments: Sequence[Assignment], now: float
    ) -> None:
        if not contents:
            return
        with self._database.write() as connection:
            chunks.make_live(connection, [slot for entry in assignments for slot in entry.slots()])
            for prepared in contents:
                finish(connection, prepared, pipeline=self._pipeline, now=now)
            failpoint.reached("live.begun")
        failpoint.reached("live.committed")


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


def _groups(contents: Sequence[Prepared], leaving: Sequence[Document]) -> Iterator[Group]:
    """Cut a batch so that no plan is too large; who arrives and who leaves stay side by side."""
    group: Group = ([], [])
    rows = 0
    for arriving, going in zip_longest(contents, leaving):
        more = going.chunk_count if going else 0
        if arriving:
            more += len(arriving.chunks) + arriving.document.chunk_count
        if rows and rows + more > PLAN_ROWS:
            yield group
            group, rows = ([], []), 0
        if arriving:
            group[0].append(arriving)
        if going:
            group[1].append(going)
        rows += more
    if group[0] or group[1]:
        yield group
