"""The long documents in hand: each goes on a step at a time, and others are dealt with between."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from ingestd.errors import DocumentError, ModelMismatchError, StoreError
from ingestd_state import work
from ingestd_state.engine import DatabaseError

from .chroma.calls import RefusedError
from .deliver import Long
from .encode import embed
from .prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parts import Parts
    from .stages import Stages

OTHER_DIMENSION = "expecting embedding with dimension"
"""What Chroma says of a collection that somebody else filled with other vectors."""
SPOOLS = 2
"""Nothing more is taken up while so many long documents lie in spools."""
DONE = object()


class Longs:
    """Long documents, from when they are read to when they are dealt with.

    Args:
        parts: what the job works with.
        stages: its threads.
    """

    def __init__(self, parts: Parts, stages: Stages) -> None:
        self._parts = parts
        self._stages = stages
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
    def ids(self) -> list[str]:
        """The documents."""
        return [long.document.id for long in [*self._held] if long.document]

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
        long, place = self._held[-1], self._stages.place()
        try:
            page = await self._stages.store(partial(self._next, long), place)
        except RefusedError as error:
            mistaken(error)
            if long.entry is None:
                raise StoreError(error.message, hint=error.hint) from error
            await self._failed(long, long.entry, DocumentError(error.message))
            return
        if page is DONE:
            await self._ended(long)
        elif isinstance(page, Prepared):
            with self._parts.totals.waits.coming():
                await embed(self._parts, self._stages, [page], place)
            if page.error and long.entry:
                await self._failed(long, long.entry, page.error)

    def _next(self, long: Long) -> object:
        with self._parts.totals.stage("store"):
            return next(long.steps, DONE)

    async def put_down(self) -> None:
        """Give all of them back; what is in of them stays in."""
        documents = self.ids
        await self.drop()

        def release() -> None:
            with self._parts.database.write() as connection:
                work.release(connection, documents)

        if documents:
            with contextlib.suppress(DatabaseError):
                await self._stages.tables.run(release)

    async def drop(self) -> None:
        """Forget all of them: somebody else knows that they are in hand."""
        held, self._held = self._held, []
        for long in held:
            await self._stages.tables.run(long.close)

    async def _ended(self, long: Long) -> None:
        """Record what became of it; what it leaves behind is cleared away next."""
        await self._leave_hand(long)
        entry, document = long.entry, long.document
        if entry:
            await self._stages.tables.run(lambda: self._parts.recorder.record([entry]))
        elif document:
            await self._stages.tables.run(lambda: self._parts.recorder.deleted([document]))
        if document:
            self._held.append(Long(None, self._parts.writer.long.sweep()))

    async def _failed(self, long: Long, entry: Prepared, error: DocumentError) -> None:
        await self._leave_hand(long)
        failed = entry.failed(error)
        await self._stages.tables.run(lambda: self._parts.recorder.record([failed]))

    async def _leave_hand(self, long: Long) -> None:
        await self._stages.tables.run(long.close)
        self._held.remove(long)  # not before: until then its spool is on the disk


def mistaken(error: RefusedError) -> None:
    """Raise where a refusal is no document's fault.

    Raises:
        ModelMismatchError: the collection holds vectors of another dimension.
    """
    if OTHER_DIMENSION in error.message:
        raise ModelMismatchError(error.message) from error
