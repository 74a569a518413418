"""Compacts the Chroma of one instance: when it is worth it, or on order; one at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingestd.errors import BusyError, StoreError

from .chroma.exchange import settle
from .chroma.growth import measure
from .compaction import Compaction
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .chroma.growth import Growth
    from .compacted import Compacted
    from .ground import Ground


class Compactor:
    """Measures and compacts.

    Args:
        ground: what is compacted; None for a remote store, which is left to whoever runs it.
    """

    def __init__(self, ground: Ground | None) -> None:
        self.ground = ground
        self._busy = asyncio.Lock()

    def stop(self) -> None:
        """Break off what is under way, and begin nothing more: nothing is changed then."""
        if self.ground is not None:
            self.ground.stopped.set()

    @property
    def busy(self) -> bool:
        """Whether a compaction is under way."""
        return self._busy.locked()

    async def growth(self) -> list[Growth]:
        """Measure; nothing for a remote store.

        Raises:
            StoreError: Chroma's files cannot be read.
        """
        ground = self.ground
        return [] if ground is None else await in_thread(lambda: measure(ground.directory))

    async def compact(
        self,
        lock: asyncio.Lock,
        names: Iterable[str],
        *,
        tell: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
    ) -> Compacted:
        """Build the indexes of these collections anew, and the database; exchange them.

        Args:
            lock: of the embed job; it is held for the last part only. The caller must not hold it.
            names: the collections; those that are not there are passed over.
            tell: told what is done now, how far it is, and how far it goes.

        Raises:
            BusyError: a compaction is under way already.
            DiskFullError: there is not enough room for both, old and new.
            CompactionStoppedError: a stop was asked for.
            StoreError: it cannot be done. Unless Chroma does not come up again, which is tried
                again and again, nothing was changed.
            DatabaseError: a table cannot be read; the same.
        """
        ground = self.ground
        if ground is None:
            raise StoreError(
                "a remote store is not compacted", hint="That is for whoever runs that server."
            )
        if self.busy:
            raise BusyError("a compaction is under way", hint="Wait for it to end.")
        async with self._busy:
            try:
                return await Compaction(ground, lock, tell).through(frozenset(names))
            finally:
                await in_thread(lambda: settle(ground.directory))
