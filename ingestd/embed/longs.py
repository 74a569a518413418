"""The long documents in hand: each goes on a step at a time, and others are dealt with between."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ingestd.errors import DocumentError, StoreError
from ingestd_state import work
from ingestd_state.engine import DatabaseError

from .chroma.calls import RefusedError
from .deliver import Long
from .prepare import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .job import Parts
    from .stages import Stages

DONE = object()


class Longs:
    """Long documents, from when they are read to when they are dealt with.

    Args:
        parts: what the job works with.
        stages: its threads.
        mistaken: raises where a refusal is no document's fault.
    """

    def __init__(
        self, parts: Parts, stages: Stages, mistaken: Callable[[RefusedError], None]
    ) -> None:
        self._parts = parts
        self._stages = stages
        self._mistaken = mistaken
        self._held: list[Long] = []

    def __len__(self) -> int:
        return len(self._held)

    @property
    def spools(self) -> int:
        """How many of them lie in spools."""
        return sum(bool(long.spool_bytes) for long in [*self._held])

    @property
    def spool_bytes(self) -> int:
        """Bytes on disk that they take meanwhile."""
        return sum(long.spool_bytes for long in [*self._held])

    @property
    def beside(self) -> work.Beside | None:
        """What may not be claimed now; None when nothing is in hand."""
        if not self._held:
            return None
        in_hand = [long.document.id for long in self._held if long.document]
        return work.Beside(in_hand, self._parts.writer.long_chunks)

    def add(self, longs: Sequence[Long]) -> None:
        """Take more in hand; the last one goes on first."""
        self._held += longs

    async def step(self) -> None:
        """Go one step on with the one that was taken up last.

        Raises:
            StoreError: the collection cannot be written; likewise any other error that is no
                document's fault. All must be put down, or dropped.
        """
        if not self._held:
            return
        long = self._held[-1]
        try:
            with self._parts.totals.stage("store"):
                page = await self._stages.store(lambda: next(long.steps, DONE))
        except RefusedError as error:
            self._mistaken(error)
            if long.entry is None:
                raise StoreError(error.message, hint=error.hint) from error
            await self._failed(long, long.entry, DocumentError(error.message))
            return
        if page is DONE:
            await self._ended(long)
        elif isinstance(page, Prepared):
            with self._parts.totals.stage("embed"):
                await self._stages.encode(lambda: self._parts.texts.embed([page]))
            if page.error and long.entry:
                await self._failed(long, long.entry, page.error)

    async def put_down(self) -> None:
        """Give all of them back; what is in of them stays in."""
        documents = [long.document.id for long in self._held if long.document]
        await self.drop()

        def release() -> None:
            with self._parts.database.write() as connection:
                work.release(connection, documents)

        if documents:
            with contextlib.suppress(DatabaseError):
                await self._stages.files(release)

    async def drop(self) -> None:
        """Forget all of them: somebody else knows that they are in hand."""
        held, self._held = self._held, []
        for long in held:
            await self._stages.files(long.close)

    async def _ended(self, long: Long) -> None:
        """Record what became of it; what it leaves behind is cleared away next."""
        await self._leave_hand(long)
        entry, document = long.entry, long.document
        if entry:
            await self._stages.files(lambda: self._parts.recorder.record([entry]))
        elif document:
            await self._stages.files(lambda: self._parts.recorder.deleted([document]))
        if document:
            self._held.append(Long(None, self._parts.writer.long.sweep()))

    async def _failed(self, long: Long, entry: Prepared, error: DocumentError) -> None:
        await self._leave_hand(long)
        failed = entry.failed(error)
        await self._stages.files(lambda: self._parts.recorder.record([failed]))

    async def _leave_hand(self, long: Long) -> None:
        self._held.remove(long)
        await self._stages.files(long.close)
