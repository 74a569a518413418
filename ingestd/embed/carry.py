"""Carries batches through the stages: reading, encoding, storing; several at the same time.

Each batch is in one stage at a time, and a document in one batch. What a batch leaves undone is due
again: after a stop, after a failure, its own or that of another batch, and after a long document.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from ingestd.errors import DocumentError, StoreError
from ingestd_state import work
from ingestd_state.engine import DatabaseError
from ingestd_state.status import DocumentStatus

from .chroma.calls import RefusedError
from .deliver import deliver, long_entry, long_tombstone
from .encode import embed
from .longs import SPOOLS, mistaken
from .prepared import Outcome, Prepared
from .reading.parts import StoppedError
from .stages import HaltedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ingestd.ports import Source
    from ingestd_state.documents import Document

    from .batch import Batch
    from .longs import Longs
    from .parts import Parts
    from .scanner import Scanner
    from .stages import Stage, Stages

MOST_GONE = 10_000
"""Paths that were gone, a source, before all of it is looked at instead."""
ROOT = b""
"""The path of a source's own folder."""
PORTION_CHUNKS = 128
"""Chunks that are stored before somebody urgent has his turn; Chroma takes about 0.3 s for them."""


class Carrier:
    """Carries batches.

    Args:
        parts: what the job works with.
        sources: by id.
        stages: its threads.
        longs: takes the long documents.

    Attributes:
        gone: paths that were gone when they were to be read, by source.
        stopping: what is ready is written, and nothing more is made ready.
    """

    def __init__(
        self, parts: Parts, sources: Mapping[int, Source], stages: Stages, longs: Longs
    ) -> None:
        self.gone: dict[int, list[bytes]] = {}
        self.stopping = False
        self._parts = parts
        self._sources = sources
        self._stages = stages
        self._longs = longs

    async def carry(self, batch: Batch) -> None:
        """Deal with a batch; after a failure nothing of it is in hand, and nothing more is written.

        Raises:
            StoreError: the collection cannot be written; likewise any other error that is no
                document's fault.
        """
        try:
            await self.attempt(batch)
        except Exception as error:
            # At once: the next in the line must not write over a plan that broke off.
            self._stages.halted = True
            with contextlib.suppress(DatabaseError):
                await self.release(batch.documents)
            if not isinstance(error, HaltedError):
                raise

    async def attempt(self, batch: Batch) -> None:
        """The same, but after a failure it is still in hand.

        Raises:
            StoreError: see `carry`.
            HaltedError: another batch failed.
        """
        # What was put off takes minutes, in which the model does not wait for it.
        waits = contextlib.nullcontext() if batch.put_off else self._parts.totals.waits.coming()
        with waits:
            prepared, tombstones = await self._read(batch)
            ready = await self._embed(batch, prepared)
        # With tombstones at once: their slots are taken over by what is new.
        whole = batch.urgent or tombstones
        for portion in [ready] if whole else _portions(ready):
            await self._write(batch, portion, tombstones)

    async def release(self, documents: Sequence[Document]) -> None:
        """Give documents back unfinished."""
        if documents:
            await self._stages.tables.run(partial(self._release, documents))

    async def refused(self, ready: Sequence[Prepared], error: StoreError) -> None:
        """Count a failed attempt of what the collection does not take.

        Raises:
            StoreError: it takes no deletion, and no document is to blame.
        """
        if not ready:
            raise StoreError(error.message, hint=error.hint)
        failed = [entry.failed(DocumentError(error.message)) for entry in ready]
        await self._stages.tables.run(partial(self._parts.recorder.record, failed))

    # Reading

    async def _read(self, batch: Batch) -> tuple[list[Prepared], list[Document]]:
        """Read a batch; what is long in it is handed on."""
        tombstones = [one for one in batch.documents if one.status is DocumentStatus.DELETED]
        rest = [one for one in batch.documents if one.status is not DocumentStatus.DELETED]
        short: list[Prepared] = []
        stage, read = self._reader(batch)
        while rest and not self._ends:
            async with stage.turn(batch.place):
                # Within the turn: who had it before may have made a spool.
                if self._longs.spools >= SPOOLS:
                    break
                found = await stage.call(partial(read, rest))
                short += self._short_ones(found)
            rest = rest[len(found) :]
            # After a long one the rest waits: where that breaks the store, nobody hides it.
            if not found or found[-1].spool is not None:
                break
        await self.release(rest)
        return short, self._short_tombstones(tombstones)

    def _reader(self, batch: Batch) -> tuple[Stage, Callable[[Sequence[Document]], list[Prepared]]]:
        """The thread that reads a batch, and how."""
        if batch.put_off and self._parts.scanner is not None:
            return self._stages.scan, partial(self._scan, self._parts.scanner)
        return self._stages.read, self._prepare

    def _scan(self, scanner: Scanner, documents: Sequence[Document]) -> list[Prepared]:
        """Read one that was put off, until a stop."""
        [document] = documents
        try:
            return [scanner.prepare(document, self._sources[document.source_id], self._has_ended)]
        except StoppedError:
            return []

    def _has_ended(self) -> bool:
        return self._ends

    @property
    def _ends(self) -> bool:
        return self.stopping or self._stages.halted

    def _prepare(self, documents: Sequence[Document]) -> list[Prepared]:
        """Read documents, until a long one, a stop, or somebody who is urgent."""
        prepared: list[Prepared] = []
        with self._parts.totals.stage("extract"):
            for document in documents:
                if self._ends or (prepared and self._stages.read.pressed):
                    break
                source = self._sources[document.source_id]
                try:
                    prepared.append(self._parts.preparer.prepare(document, source))
                except StoppedError:
                    break
                if prepared[-1].spool is not None:
                    break
        return prepared

    def _short_ones(self, found: Sequence[Prepared]) -> list[Prepared]:
        """Without what is long: that is in hand from now on, until it is dealt with."""
        writer = self._parts.writer
        entries = [(entry, long_entry(writer, entry)) for entry in found]
        self._longs.add([long for _, long in entries if long])
        for entry in found:
            if entry.outcome is Outcome.GONE:
                self._remember_gone(entry.source.id, entry.document.path)
        return [entry for entry, long in entries if not long]

    def _short_tombstones(self, tombstones: Sequence[Document]) -> list[Document]:
        writer = self._parts.writer
        entries = [(entry, long_tombstone(writer, entry)) for entry in tombstones]
        self._longs.add([long for _, long in entries if long])
        return [entry for entry, long in entries if not long]

    def _remember_gone(self, source_id: int, path: bytes) -> None:
        """Have a path looked at after the drain; when there are too many, the whole source."""
        paths = self.gone.setdefault(source_id, [])
        if len(paths) < MOST_GONE:
            paths.append(path)
        else:
            self.gone[source_id] = [ROOT]

    # Encoding

    async def _embed(self, batch: Batch, prepared: Sequence[Prepared]) -> list[Prepared]:
        """Embed what is missing, with others in between; returns what can be written."""
        contents = [entry for entry in prepared if entry.outcome is Outcome.CONTENT]
        rest = await embed(self._parts, self._stages, contents, batch.place)
        await self.release([entry.document for entry in rest])
        left = set(map(id, rest))
        return [entry for entry in prepared if id(entry) not in left]

    # Storing

    async def _write(
        self, batch: Batch, ready: Sequence[Prepared], tombstones: Sequence[Document]
    ) -> None:
        """Write what is ready; when Chroma refuses it, find out which document it is."""
        if not ready and not tombstones:
            return
        try:
            await self._stages.store(partial(self._deliver, ready, tombstones), batch.place)
        except RefusedError as error:
            mistaken(error)
            if len(ready) + len(tombstones) <= 1:
                await self.refused(ready, error)
                return
            for entry in ready:
                await self._write(batch, [entry], [])
            for tombstone in tombstones:
                await self._write(batch, [], [tombstone])

    def _deliver(self, ready: Sequence[Prepared], tombstones: Sequence[Document]) -> None:
        with self._parts.totals.stage("store"):
            deliver(self._parts.writer, self._sources, ready, tombstones)
            self._parts.recorder.record(ready)
            self._parts.recorder.deleted(tombstones)

    def _release(self, documents: Sequence[Document]) -> None:
        with self._parts.database.write() as connection:
            work.release(connection, [entry.id for entry in documents])


def _portions(ready: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    """Documents that are written in one turn, after which somebody urgent has his."""
    portion: list[Prepared] = []
    number = 0
    for entry in ready:
        if portion and number + len(entry.chunks) > PORTION_CHUNKS:
            yield portion
            portion, number = [], 0
        portion.append(entry)
        number += len(entry.chunks)
    if portion:
        yield portion
