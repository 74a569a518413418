"""The embed job: takes due documents in hand and carries them into the collections.

All writing to Chroma happens here, under one asyncio lock. Each stage has one long-lived thread
of its own: reading, encoding, storing. After each batch every reference to texts and embeddings
is dropped.

What hinders the job is raised as it is; whoever drains decides how long to wait. One document that
breaks the store must not pass for a store that is away: see `EmbedJob._one_by_one`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from ingestd.errors import DiskFullError, DocumentError, ModelMismatchError, StoreError
from ingestd_state import failpoint, work
from ingestd_state.engine import DatabaseError
from ingestd_state.status import DocumentStatus

from .chroma.calls import RefusedError
from .deliver import deliver
from .prepare import Outcome, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingestd.config import LimitSettings
    from ingestd.ports import Source
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .outcome import Recorder
    from .prepare import Preparer
    from .texts import TextEmbedder
    from .totals import Totals
    from .write import Writer

log = structlog.get_logger(__name__)
T = TypeVar("T")

OTHER_DIMENSION = "expecting embedding with dimension"
"""What Chroma says of a collection that somebody else filled with other vectors."""
PATIENCE = 3
"""After so many failures in a row the documents of a batch are tried one by one."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the job works with."""

    database: Database
    preparer: Preparer
    texts: TextEmbedder
    writer: Writer
    recorder: Recorder
    totals: Totals
    limits: LimitSettings
    clock: Callable[[], float]


class EmbedJob:
    """Drains the queue of due documents."""

    def __init__(self, parts: Parts, sources: Mapping[int, Source]) -> None:
        self.lock = asyncio.Lock()
        self.gone: dict[int, list[bytes]] = {}
        self._parts = parts
        self._sources = sources
        self._stopping = False
        self._abandoned = False
        self._unsettled = True
        self._failures = 0
        self._files = ThreadPoolExecutor(1, "read")
        self._encode = ThreadPoolExecutor(1, "encode")
        self._store = ThreadPoolExecutor(1, "store")

    def stop(self) -> None:
        """Finish the documents in hand that are ready, and take up no more."""
        self._stopping = True
        self._parts.texts.stop()

    def abandon(self) -> None:
        """Do not wait for what is in hand: the next start settles it."""
        self._abandoned = True

    def close(self) -> None:
        """End the threads, when they are done with what they have in hand."""
        for executor in (self._files, self._encode, self._store):
            executor.shutdown(wait=not self._abandoned, cancel_futures=True)

    async def settle(self) -> None:
        """Give back what an earlier process had in hand; the first drain settles the rest."""
        async with self.lock:
            given_back = await self._on(self._files, self._parts.recorder.recover)
            if given_back:
                log.info("recovered", documents=given_back)

    async def drain(self, ready: Callable[[], None] = lambda: None) -> int:
        """Deal with everything that is due; returns how many documents that were.

        Args:
            ready: called before each batch, in a thread; raises when nothing may be written.

        Raises:
            StoreError: the collection cannot be written. Nothing is lost: what was in hand is due
                again, here and after any other error.
            DatabaseError: the state table or the vectors cache cannot be read or written.
            Exception: what ``ready`` raised, or the system: no memory, no space, no descriptor.
        """
        if self._stopping:
            return 0
        async with self.lock:
            started, before = time.monotonic(), self._parts.totals.done
            await self._tidy()
            while not self._stopping:
                batch = await self._on(self._files, lambda: self._claim(ready))
                if not batch:
                    break
                await self._guarded(batch)
            done = self._parts.totals.done - before
            if done:
                seconds = time.monotonic() - started
                await self._on(self._files, lambda: self._parts.recorder.drained(done, seconds))
            return done

    async def _tidy(self) -> None:
        """Delete what a check found, and settle what the last attempt left when it broke off."""
        if not self._unsettled:
            await self._on(self._store, self._parts.writer.delete_orphans)
            return
        # As after a crash: where it broke off does not matter.
        await self._on(self._files, self._parts.recorder.recover)
        await self._on(self._store, self._parts.writer.settle)
        self._unsettled = False

    async def _guarded(self, batch: list[Document]) -> None:
        """Deal with a batch; whatever happens, nothing stays in hand."""
        self._unsettled = True
        try:
            if self._failures < PATIENCE:
                await self._process(batch)
            else:
                await self._one_by_one(batch)
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, DiskFullError):
                self._failures += 1
            with contextlib.suppress(DatabaseError):
                await self._on(self._files, lambda: self._release(batch))
            raise
        self._unsettled = False
        self._failures = 0

    async def _one_by_one(self, batch: list[Document]) -> None:
        """Find the document that breaks the store: it fails, and the next one is written.

        Two failures in a row are the store's. It begins elsewhere each time, so that two such
        documents side by side do not pass for that for ever.
        """
        first = self._failures % len(batch)
        suspect: tuple[Document, StoreError] | None = None
        for document in batch[first:] + batch[:first]:
            if self._stopping:
                await self._on(self._files, lambda: self._release(batch))
                return
            written = self._parts.totals.chunks["upserted"]
            try:
                await self._process([document])
            except StoreError as error:
                if suspect or isinstance(error, DiskFullError):
                    raise
                suspect = document, error
                continue
            if suspect and self._parts.totals.chunks["upserted"] > written:
                await self._blame(*suspect)
                suspect = None
        if suspect:
            raise suspect[1]

    async def _blame(self, document: Document, error: StoreError) -> None:
        """Count a failed attempt of one document, so that the others go on."""
        if document.status is DocumentStatus.DELETED:
            raise error
        log.warning("document_breaks_store", document=document.id, error=error.message)
        await self._on(self._store, self._parts.writer.settle)
        await self._refused([Prepared(document, self._sources[document.source_id])], error)

    async def _process(self, batch: list[Document]) -> None:
        tombstones = [entry for entry in batch if entry.status is DocumentStatus.DELETED]
        alive = [entry for entry in batch if entry.status is not DocumentStatus.DELETED]
        prepared = await self._on(self._files, lambda: self._prepare(alive))
        rest = alive[len(prepared) :]
        if rest:
            await self._on(self._files, lambda: self._release(rest))
        for entry in prepared:
            if entry.outcome is Outcome.GONE:
                self.gone.setdefault(entry.source.id, []).append(entry.document.path)
        contents = [entry for entry in prepared if entry.outcome is Outcome.CONTENT]
        with self._parts.totals.stage("embed"):
            unready = await self._on(self._encode, lambda: self._parts.texts.embed(contents))
        if unready:
            documents = [entry.document for entry in unready]
            await self._on(self._files, lambda: self._release(documents))
        ready = [entry for entry in prepared if entry not in unready]
        with self._parts.totals.stage("store"):
            await self._write(ready, tombstones)

    def _claim(self, ready: Callable[[], None]) -> list[Document]:
        now, ids = self._parts.clock(), list(self._sources)
        database = self._parts.database
        with database.read() as connection:
            if not work.is_due(connection, now, ids):
                return []
        ready()
        with database.write() as connection:
            limits = self._parts.limits
            claimed = work.claim(
                connection,
                now,
                ids,
                limit=limits.batch_documents,
                limit_bytes=limits.batch_bytes,
            )
        failpoint.reached("claim.committed")
        return claimed

    def _prepare(self, documents: Sequence[Document]) -> list[Prepared]:
        """Read documents; when a stop is asked for, the rest of the batch waits."""
        prepared: list[Prepared] = []
        with self._parts.totals.stage("extract"):
            for document in documents:
                if self._stopping:
                    break
                source = self._sources[document.source_id]
                prepared.append(self._parts.preparer.prepare(document, source))
        return prepared

    async def _write(self, ready: list[Prepared], tombstones: list[Document]) -> None:
        """Write what is ready; when Chroma refuses the batch, find out which document it is."""
        try:
            await self._on(self._store, lambda: self._deliver(ready, tombstones))
        except RefusedError as error:
            if OTHER_DIMENSION in error.message:
                raise ModelMismatchError(error.message) from error  # no document is to blame
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
        await self._on(self._files, lambda: self._parts.recorder.record(failed))

    def _deliver(self, ready: Sequence[Prepared], tombstones: Sequence[Document]) -> None:
        deliver(self._parts.writer, self._sources, ready, tombstones)
        self._parts.recorder.record(ready)
        self._parts.recorder.deleted(tombstones)

    def _release(self, documents: Sequence[Document]) -> None:
        with self._parts.database.write() as connection:
            work.release(connection, [entry.id for entry in documents])

    @staticmethod
    async def _on(executor: ThreadPoolExecutor, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, function)
