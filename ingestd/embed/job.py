"""The embed job: takes due documents in hand and carries them into the collections.

All writing to Chroma happens here, under one asyncio lock. Each stage has one long-lived thread
of its own: reading, encoding, storing. After each batch every reference to texts and embeddings
is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from ingestd.errors import DocumentError, IngestdError, StoreError
from ingestd_state import failpoint, work
from ingestd_state.engine import DatabaseError
from ingestd_state.status import DocumentStatus

from .chroma.calls import RefusedError
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

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""How long the job rests, at most, when the collection or the table cannot be written."""


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
        self._pause_s = 0.0
        self._paused_until = 0.0
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
        """Settle what an earlier process left half done: give back, and delete what is doomed."""
        async with self.lock:
            given_back = await self._on(self._files, self._parts.recorder.recover)
            if given_back:
                log.info("recovered", documents=given_back)
            await self._on(self._store, self._parts.writer.delete_doomed)

    async def drain(self) -> int:
        """Deal with everything that is due; returns how many documents that were.

        Raises:
            StoreError: the collection cannot be written. Nothing is lost: what was in hand is due
                again after a pause that doubles up to `LONGEST_PAUSE_S`.
        """
        if self._stopping or time.monotonic() < self._paused_until:
            return 0
        async with self.lock:
            started, before = time.monotonic(), self._parts.totals.done
            await self._tidy()
            while not self._stopping and (batch := await self._on(self._files, self._claim)):
                await self._guarded(batch)
            done = self._parts.totals.done - before
            self._pause_s = 0.0
            if done:
                seconds = time.monotonic() - started
                await self._on(self._files, lambda: self._parts.recorder.drained(done, seconds))
            return done

    async def _tidy(self) -> None:
        """Delete what a check found, and what the last attempt left when it broke off."""
        try:
            await self._on(self._store, self._parts.writer.delete_orphans)
            if self._pause_s:
                await self._on(self._store, self._parts.writer.delete_doomed)
        except StoreError as error:
            self._pause(error)
            raise

    async def _guarded(self, batch: list[Document]) -> None:
        """Deal with a batch; whatever happens, nothing stays in hand."""
        try:
            await self._process(batch)
        except asyncio.CancelledError:
            self._release(batch)
            raise
        except Exception as error:
            self._pause(error)
            with contextlib.suppress(DatabaseError):
                await self._on(self._files, lambda: self._release(batch, self._pause_s))
            if isinstance(error, DatabaseError):
                raise StoreError(f"the state table cannot be written: {error}") from error
            raise

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

    def _claim(self) -> list[Document]:
        now, ids = self._parts.clock(), list(self._sources)
        database = self._parts.database
        with database.read() as connection:
            if not work.is_due(connection, now, ids):
                return []
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
            await self._on(self._store, lambda: self._write_all(ready, tombstones))
        except RefusedError as error:
            if len(ready) + len(tombstones) <= 1:
                await self._refused(ready, error)
                return
            for entry in ready:
                await self._write([entry], [])
            for tombstone in tombstones:
                await self._write([], [tombstone])

    async def _refused(self, ready: list[Prepared], error: IngestdError) -> None:
        if not ready:
            raise StoreError(error.message, hint=error.hint)
        failed = [entry.failed(DocumentError(error.message)) for entry in ready]
        await self._on(self._files, lambda: self._parts.recorder.record(failed))

    def _write_all(self, ready: Sequence[Prepared], tombstones: Sequence[Document]) -> None:
        contents = _by_collection([e for e in ready if e.outcome is Outcome.CONTENT])
        labelled = _by_collection([e for e in ready if _needs_labels(e)])
        leaving: dict[str, list[Document]] = defaultdict(list)
        for entry in ready:
            if entry.outcome is Outcome.SKIPPED and entry.document.chunk_count:
                leaving[entry.source.collection].append(entry.document)
        for tombstone in tombstones:
            leaving[self._sources[tombstone.source_id].collection].append(tombstone)
        for name in {**contents, **leaving}:
            self._parts.writer.write(contents.get(name, []), leaving.get(name, []), name)
        for name, entries in labelled.items():
            self._parts.writer.relabel(entries, name)
        self._parts.recorder.record(ready)
        self._parts.recorder.deleted(tombstones)

    def _release(self, documents: Sequence[Document], pause_s: float = 0.0) -> None:
        retry_at = self._parts.clock() + pause_s if pause_s else None
        with self._parts.database.write() as connection:
            work.release(connection, [entry.id for entry in documents], retry_at=retry_at)

    def _pause(self, error: Exception) -> None:
        self._pause_s = min(max(FIRST_PAUSE_S, self._pause_s * 2), LONGEST_PAUSE_S)
        self._paused_until = time.monotonic() + self._pause_s
        log.error("store_unavailable", error=str(error), next_try_in_s=self._pause_s)

    @staticmethod
    async def _on(executor: ThreadPoolExecutor, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, function)


def _by_collection(entries: Sequence[Prepared]) -> dict[str, list[Prepared]]:
    found: dict[str, list[Prepared]] = defaultdict(list)
    for entry in entries:
        found[entry.source.collection].append(entry)
    return found


def _needs_labels(entry: Prepared) -> bool:
    """Whether the same bytes now lie elsewhere, or carry another time."""
    document = entry.document
    moved = document.relabel or entry.fingerprint.mtime_ns != document.mtime_ns
    return entry.outcome is Outcome.SAME and document.chunk_count > 0 and moved
