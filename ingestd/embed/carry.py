"""Carries a batch of documents through the stages: read, embedded, written, recorded.

What is long is handed over, to go on by itself. A batch that the store refuses is taken apart, to
find out which document it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.errors import DocumentError, ModelMismatchError, StoreError
from ingestd_state import work
from ingestd_state.status import DocumentStatus

from .chroma.calls import RefusedError
from .deliver import deliver, long_entry, long_tombstone
from .prepare import Outcome, Prepared
from .reading.parts import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingestd.ports import Source
    from ingestd_state.documents import Document

    from .job import Parts
    from .longs import Longs
    from .stages import Stages

OTHER_DIMENSION = "expecting embedding with dimension"
"""What Chroma says of a collection that somebody else filled with other vectors."""


class Carrier:
    """Carries batches; the caller holds the lock, and gives back what an error leaves in hand.

    Args:
        parts: what it works with.
        sources: by id.
        stages: the threads.
        longs: takes over what is long.
        gone: told the source and the path of each file that was not there.
    """

    def __init__(
        self,
        parts: Parts,
        sources: Mapping[int, Source],
        stages: Stages,
        longs: Longs,
        gone: Callable[[int, bytes], None],
    ) -> None:
        self._parts = parts
        self._sources = sources
        self._stages = stages
        self._longs = longs
        self._gone = gone
        self._stopping = False

    def stop(self) -> None:
        """Read no more documents of the batch in hand; what was read is written."""
        self._stopping = True

    async def carry(self, batch: list[Document]) -> None:
        """Deal with documents in hand.

        Raises:
            StoreError: a collection cannot be written.
            DatabaseError: the state table or the vectors cache cannot be read or written.
        """
        tombstones = [entry for entry in batch if entry.status is DocumentStatus.DELETED]
        alive = [entry for entry in batch if entry.status is not DocumentStatus.DELETED]
        prepared = await self._stages.files(lambda: self._prepare(alive))
        rest = alive[len(prepared) :]
        if rest:
            await self.release(rest)
        for entry in prepared:
            if entry.outcome is Outcome.GONE:
                self._gone(entry.source.id, entry.document.path)
        prepared, tombstones = self._short_ones(prepared, tombstones)
        contents = [entry for entry in prepared if entry.outcome is Outcome.CONTENT]
        with self._parts.totals.stage("embed"):
            unready = await self._stages.encode(lambda: self._parts.texts.embed(contents))
        if unready:
            await self.release([entry.document for entry in unready])
        ready = [entry for entry in prepared if entry not in unready]
        with self._parts.totals.stage("store"):
            await self._write(ready, tombstones)

    async def fail(self, document: Document, error: StoreError) -> None:
        """Count a failed attempt of a document."""
        await self._refused([Prepared(document, self._sources[document.source_id])], error)

    async def release(self, documents: Sequence[Document]) -> None:
        """Give documents back unfinished."""

        def release() -> None:
            with self._parts.database.write() as connection:
                work.release(connection, [entry.id for entry in documents])

        await self._stages.files(release)

    def _short_ones(
        self, prepared: list[Prepared], tombstones: list[Document]
    ) -> tuple[list[Prepared], list[Document]]:
        """A batch without what is long: that is in hand from now on, until it is dealt with."""
        writer = self._parts.writer
        entries = [(entry, long_entry(writer, entry)) for entry in prepared]
        leaving = [(entry, long_tombstone(writer, entry)) for entry in tombstones]
        self._longs.add([long for _, long in (*leaving, *entries) if long])
        return (
            [entry for entry, long in entries if not long],
            [entry for entry, long in leaving if not long],
        )

    def _prepare(self, documents: Sequence[Document]) -> list[Prepared]:
        """Read documents; after a long one, and when a stop is asked for, the rest waits."""
        prepared: list[Prepared] = []
        with self._parts.totals.stage("extract"):
            for document in documents:
                if self._stopping:
                    break
                source = self._sources[document.source_id]
                try:
                    prepared.append(self._parts.preparer.prepare(document, source))
                except StoppedError:
                    break
                if prepared[-1].spool is not None:
                    break  # one spool at a time
        return prepared

    async def _write(self, ready: list[Prepared], tombstones: list[Document]) -> None:
        """Write what is ready; when Chroma refuses the batch, find out which document it is."""
        try:
            await self._stages.store(lambda: self._deliver(ready, tombstones))
        except RefusedError as error:
            mistaken(error)
            if len(ready) + len(tombstones) <= 1:
                await self._refused(ready, error)
                return
            for entry in ready:
                await self._write([entry], [])
            for tombstone in tombstones:
                await self._write([], [tombstone])

    async def _refused(self, ready: list[Prepared], error: StoreError) -> None:
        if not ready:
            raise StoreError(error.message, hint=error.hint)
        failed = [entry.failed(DocumentError(error.message)) for entry in ready]
        await self._stages.files(lambda: self._parts.recorder.record(failed))

    def _deliver(self, ready: Sequence[Prepared], tombstones: Sequence[Document]) -> None:
        deliver(self._parts.writer, self._sources, ready, tombstones)
        self._parts.recorder.record(ready)
        self._parts.recorder.deleted(tombstones)


def mistaken(error: RefusedError) -> None:
    """Raise where a refusal is no document's fault."""
    if OTHER_DIMENSION in error.message:
        raise ModelMismatchError(error.message) from error
