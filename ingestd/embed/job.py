"""The embed job: takes due documents in hand and carries them into the collections.

All writing to Chroma happens here, under one asyncio lock, which others get between two batches.
Each stage has one long-lived thread of its own: reading, encoding, storing. After each batch every
reference to texts and embeddings is dropped. A long document is taken step by step, and what is due
meanwhile is dealt with between two steps.

What hinders the job is raised as it is; whoever drains decides how long to wait. One document that
breaks the store must not pass for a store that is away: see `EmbedJob._one_by_one`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ingestd.errors import DiskFullError, StoreError
from ingestd_state.engine import DatabaseError
from ingestd_state.status import DocumentStatus

from .carry import Carrier, mistaken
from .claim import Claimer
from .longs import Longs
from .stages import Stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

MOST_GONE = 10_000
"""Paths that were gone, a source, before all of it is looked at instead."""
ROOT = b""
"""The path of a source's own folder."""
PATIENCE = 3
"""After so many failures in a row the documents of a batch are tried one by one."""
SPOOLS = 2
"""Nothing more is taken up while so many long documents lie in spools."""


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
    """Drains the queue of due documents.

    Attributes:
        lock: held by the one who writes to the collections.
        gone: paths that were gone when they were to be read, by source.
        longs: the long documents in hand.
    """

    def __init__(self, parts: Parts, sources: Mapping[int, Source]) -> None:
        self.lock = asyncio.Lock()
        self.gone: dict[int, list[bytes]] = {}
        self._parts = parts
        self._stopping = False
        self._abandoned = False
        self._unsettled = True
        self._failures = 0
        self._claimer = Claimer(parts.database, parts.limits, list(sources), parts.clock)
        self._stages = Stages()
        self.longs = Longs(parts, self._stages, mistaken)
        self._carrier = Carrier(parts, sources, self._stages, self.longs, self._remember_gone)

    def stop(self) -> None:
        """Finish the documents in hand that are ready, and take up no more.

        A long one is left where it is; the next start goes on with it.
        """
        self._stopping = True
        self._carrier.stop()
        self._parts.preparer.stop()
        self._parts.texts.stop()
        self._parts.writer.stop()

    def abandon(self) -> None:
        """Do not wait for what is in hand: the next start settles it."""
        self._abandoned = True

    def close(self) -> None:
        """End the threads, when they are done with what they have in hand."""
        self._stages.close(wait=not self._abandoned)

    async def settle(self) -> None:
        """Give back what an earlier process had in hand; the first drain settles the rest."""
        async with self.lock:
            given_back = await self._stages.files(self._parts.recorder.recover)
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
        started, before = time.monotonic(), self._parts.totals.done
        whole = False
        try:
            async with self.lock:
                await self._tidy()
            while not self._stopping:
                async with self.lock:  # anew each time, so that others get it
                    if not await self._turn(ready):
                        break
            whole = True
        finally:
            await self._end_longs()
            done = self._parts.totals.done - before
            await self._record(done, time.monotonic() - started, whole=whole)
        return done

    async def _turn(self, ready: Callable[[], None]) -> bool:
        """Deal with one batch, and take one step with a long document; whether there was any."""
        batch = await self._stages.files(lambda: self._claim(ready))
        if not batch and not self.longs:
            return False
        await self._guarded(batch)
        return True

    async def _tidy(self) -> None:
        """Delete what a check found, and settle what the last attempt left when it broke off."""
        if not self._unsettled:
            await self._stages.store(self._parts.writer.delete_orphans)
            return
        # As after a crash: where it broke off does not matter.
        await self._stages.files(self._parts.recorder.recover)
        await self._stages.store(self._parts.writer.settle)
        self._unsettled = False

    async def _end_longs(self) -> None:
        """Give back the long documents in hand, unless nobody waits for that any more."""
        if not self._abandoned:
            await self.longs.put_down()

    async def _record(self, done: int, seconds: float, *, whole: bool) -> None:
        """Record what a drain did, also one that broke off: what broke it off is what is told."""
        if not done or self._abandoned:
            return
        with contextlib.suppress(*(() if whole else (DatabaseError,))):
            await self._stages.files(
                lambda: self._parts.recorder.drained(done, seconds, whole=whole)
            )

    async def _guarded(self, batch: list[Document]) -> None:
        """Deal with a batch, and a step of what is long; after a failure nothing is in hand."""
        self._unsettled = True
        written = self._parts.totals.chunks["upserted"]
        try:
            if self._failures < PATIENCE or not batch:
                await self._carrier.carry(batch)
                await self.longs.step()
            else:
                await self._one_by_one(batch)
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, DiskFullError):
                self._failures += 1
            with contextlib.suppress(DatabaseError):
                await self._carrier.release(batch)
            raise
        self._unsettled = False
        # Only what was written says that the store takes it.
        if not self.longs or self._parts.totals.chunks["upserted"] > written:
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
                await self._carrier.release(batch)
                return
            written = self._parts.totals.chunks["upserted"]
            try:
                await self._carrier.carry([document])
                while self.longs and not self._stopping:
                    await self.longs.step()
            except StoreError as error:
                await self.longs.drop()
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
        await self._stages.store(self._parts.writer.settle)
        await self._carrier.fail(document, error)

    def _remember_gone(self, source_id: int, path: bytes) -> None:
        """Have a path looked at after the drain; when there are too many, the whole source."""
        paths = self.gone.setdefault(source_id, [])
        if len(paths) < MOST_GONE:
            paths.append(path)
        else:
            self.gone[source_id] = [ROOT]

    def _claim(self, ready: Callable[[], None]) -> list[Document]:
        held = self.longs.beside
        if held is None:
            return self._claimer.claim(ready)
        # Where the store may be broken, who breaks it is found the sooner, the fewer there are.
        wanted = self._failures == 0 and self.longs.spools < SPOOLS
        return self._claimer.claim_beside(ready, held, wanted=wanted)
