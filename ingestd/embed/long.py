"""Writes documents that have too many chunks for one plan, a page at a time.

Each method gives the steps of one document. Between two steps nothing is in motion: no slot is
planned, so others may be written, and a stop loses nothing. Until the last step the table does not
say which bytes are indexed; so the document is taken up again after a stop or a crash, and finds
the chunks that are in already.

1. Its slots are matched with its chunks, in the spool: who keeps its text, and which are left over.
2. Page by page, in the order of `write`: plan, upsert, live. A chunk without a slot takes over one
   that is left over, else a fresh one.
3. What nobody took over is doomed; then the document is ``indexed``; then that is deleted.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from ingestd.paths import text_of
from ingestd_state import chunks, failpoint, work
from ingestd_state.status import ChunkStatus, DocumentStatus

from .chroma.calls import RefusedError
from .indexed import fingerprint_columns, finish
from .metadata import labels
from .place import batches
from .prepared import Outcome
from .slots import assign_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Chunk, Collection
    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .place import Placer
    from .prepared import Prepared
    from .slots import Assignment
    from .spool import Spool
    from .sweep import Sweeper

    Places = Sequence[tuple[Chunk, str | None]]
    """Chunks, each with the slot that holds its text already."""

log = structlog.get_logger(__name__)

TOLD_S = 30.0
"""How often the log says how far a document is."""


class LongWriter:
    """Carries long documents into the collections. Blocking: call it in the store's thread.

    A step may raise what `Writer.write` does. After `RefusedError` the page is taken back; pages
    that are in stay in.
    """

    def __init__(
        self,
        database: Database,
        collection: Callable[[str], Collection],
        placer: Placer,
        sweeper: Sweeper,
        *,
        pipeline: str,
        clock: Callable[[], float],
        page: int,
    ) -> None:
        self._database = database
        self._collection = collection
        self._placer = placer
        self._sweeper = sweeper
        self._pipeline = pipeline
        self._clock = clock
        self._page = page

    def write(self, entry: Prepared, spool: Spool) -> Iterator[Prepared | None]:
        """Write a document whose chunks are in a spool.

        Yields:
            After a step, the page that the next step writes: a document of its chunks only, to be
            embedded first. None where nothing is to be embedded.
        """
        for slots in chunks.walk(self._database, entry.document.id, page=self._page):
            _match(spool, slots)
            yield None
        failpoint.reached("long.matched")
        told, done = time.monotonic(), 0
        for places in spool.places(self._page):
            page = replace(entry, chunks=[chunk for chunk, _ in places], spool=None, embedded=0)
            yield page
            entry.embedded += page.embedded
            done += len(places)
            if not self._write_page(page, places, spool, done):
                entry.outcome = Outcome.GONE
                return
            if time.monotonic() - told >= TOLD_S:
                told = time.monotonic()
                path = text_of(entry.document.path)
                log.info("document_progress", path=path, chunks=done, of=len(spool))
        yield from self._doom_rest(spool)
        with self._database.write() as connection:
            finish(connection, entry, pipeline=self._pipeline, now=self._clock())
        failpoint.reached("long.finished")

    def leave(self, document: Document) -> Iterator[None]:
        """Delete the chunks of a document that has none any more, and a tombstone with them."""
        for slots in chunks.walk(self._database, document.id, page=self._page):
            with self._database.write() as connection:
                tombstones = work.tombstones(connection, [document.id])
                if document.status is DocumentStatus.DELETED and not tombstones:
                    return  # its file came back
                fresh = chunks.next_slots(connection, [document.id])[document.id]
                chunks.begin(connection, document.id, next_slot=fresh, holds=0)
                chunks.doom(connection, [slot.slot for slot in slots])
            failpoint.reached("long.leaving")
            yield
        yield from self.sweep()
        if document.status is DocumentStatus.DELETED:
            self._sweeper.forget([document.id])

    def relabel(self, entry: Prepared) -> Iterator[None]:
        """Write the labels of a document that was moved or touched."""
        values = labels(entry.source, entry.document.path, entry.fingerprint.mtime_ns)
        for slots in chunks.walk(self._database, entry.document.id, page=self._page):
            collection = self._collection(entry.source.collection)
            for part in batches(slots):
                self._placer.label(collection, [(slot.slot, values) for slot in part])
            yield

    def sweep(self) -> Iterator[None]:
        """Delete what is doomed."""
        return self._sweeper.deletions()

    def _write_page(self, page: Prepared, places: Places, spool: Spool, done: int) -> bool:
        """Write a page; False when the document is to be deleted."""
        assignment = self._plan(page, places, spool)
        if assignment is None:
            return False
        collection = self._collection(page.source.collection)
        try:
            self._placer.upsert(collection, ((page, *c) for c in assignment.write))
            self._placer.keep(collection, ((page, *c) for c in assignment.keep))
        except RefusedError:
            self._sweeper.withdraw()
            raise
        failpoint.reached("long.upserted")
        with self._database.write() as connection:
            chunks.make_live(connection, assignment.slots())
            remark = f"{done:,} of {len(spool):,} chunks are written"
            work.note(connection, page.document.id, remark)
        failpoint.reached("long.live")
        return True

    def _plan(self, page: Prepared, places: Places, spool: Spool) -> Assignment | None:
        document = page.document
        free = spool.leaving(sum(holding is None for _, holding in places))
        with self._database.write() as connection:
            if work.tombstones(connection, [document.id]):
                return None
            assignment = assign_page(
                document.id,
                chunks.next_slots(connection, [document.id])[document.id],
                places,
                free,
                rewrite=document.forced,
            )
            chunks.plan(connection, assignment.rows())
            chunks.begin(
                connection,
                document.id,
                next_slot=assignment.next_slot,
                # It stays a long one until all of it is written.
                holds=max(document.chunk_count, len(spool)),
            )
            # So that a scan does not take what is in hand for another change.
            work.learn(connection, document.id, fingerprint_columns(page))
        spool.taken(len(free))
        failpoint.reached("long.planned")
        return assignment

    def _doom_rest(self, spool: Spool) -> Iterator[None]:
        while slots := spool.leaving(self._page):
            with self._database.write() as connection:
                chunks.doom(connection, slots)
            spool.taken(len(slots))
            failpoint.reached("long.doomed")
            yield


def _match(spool: Spool, slots: Sequence[Slot]) -> None:
    live = [slot for slot in slots if slot.status is ChunkStatus.LIVE]
    spool.match((slot.slot, slot.digest, slot.end - slot.start) for slot in live)
    spool.leave(slot.slot for slot in slots if slot.status is not ChunkStatus.LIVE)
