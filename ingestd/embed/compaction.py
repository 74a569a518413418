"""Compacts Chroma: builds new indexes and a new database beside those in use, and exchanges them.

Chroma never gives a place in an index away twice, and a deleted text stays in its database. While
the old files serve, new ones are made of what is live. Then the embed job waits for a moment, what
changed meanwhile is carried over, and Chroma is closed, given the new files, and opened again. The
collections keep their ids, so that what readers hold goes on working. Nothing is embedded.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

import structlog

from ingestd.errors import DiskFullError, StoreError
from ingestd_state import collections, failpoint, runs
from ingestd_state.engine import DatabaseError

from .chroma import layout
from .chroma.aside import FOLDER, WORK
from .chroma.beside import Beside
from .chroma.exchange import NEW, put_in_place, sync_all, workplace
from .chroma.growth import measure
from .chroma.recycle import between
from .chroma.squeezer import squeeze_beside
from .compacted import Compacted
from .ground import CompactionStoppedError
from .threads import in_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from .chroma.growth import Growth
    from .chroma.layout import Layout
    from .ground import Ground

    Tell = Callable[[str, int, int], None]
    """Called with what is done now, how far it is, and how far it goes."""

log = structlog.get_logger(__name__)

ROUND_S = 2.0
"""A round that took longer is followed by another before the embed job has to wait."""
ROUNDS = 4
TELL_S = 30.0
INDEX_FACTOR = 1.2
DATABASE = "the database"
"""How the last part is called, where progress is told."""


class Compaction:
    """One compaction, from beginning to end; who begins it removes the workplace after it.

    Args:
        ground: what it works on.
        lock: of the embed job; it is held for the last part only.
        tell: told how far it is.
    """

    def __init__(self, ground: Ground, lock: asyncio.Lock, tell: Tell) -> None:
        self._of = ground
        self._directory = ground.directory
        self._lock = lock
        self._tell = tell
        self._told = time.monotonic()
        self._whole = False

    async def through(self, names: frozenset[str]) -> Compacted:
        """Build the indexes of these collections anew, and the database; exchange them.

        Raises:
            DiskFullError: there is not enough room for both, old and new.
            StoreError: it cannot be done.
            DatabaseError: a table cannot be read.
        """
        started = time.monotonic()
        before = await in_thread(lambda: measure(self._directory))
        chosen = [one for one in before if one.collection in names]
        await in_thread(lambda: self._check_room(before, chosen))
        log.info("compacting", collections=sorted(names), bloat=_bloat(chosen))
        making = await in_thread(lambda: self._begin(names))
        for beside in making:
            await self._catch_up(beside)
        failpoint.reached("compact.built")
        async with self._lock:
            paused = time.monotonic()
            away_s = await self._exchange(making)
            paused_s = time.monotonic() - paused
        failpoint.reached("compact.serving")
        done = Compacted(
            before,
            await in_thread(lambda: measure(self._directory)),
            [beside.layout.name for beside in making],
            sum(beside.listed for beside in making),
            sum(beside.read_back for beside in making),
            self._whole,
            time.monotonic() - started,
            paused_s,
            away_s,
        )
        await in_thread(lambda: self._end(done))
        return done

    def _check_room(self, all_: list[Growth], chosen: list[Growth]) -> None:
        """See that old and new fit on the disk side by side."""
        index = sum(one.index_bytes / one.bloat for one in chosen) * INDEX_FACTOR
        # The database twice: as it is, to be worked on, and as it will be.
        needed = int(index + 2 * sum(one.database_bytes for one in all_))
        free = shutil.disk_usage(self._directory).free
        if free - needed < self._of.free_bytes:
            raise DiskFullError(
                f"to compact takes {needed / 1024**2:,.0f} MiB for a while, {free / 1024**2:,.0f} "
                f"MiB are free in {self._directory}, and {self._of.free_bytes / 1024**2:,.0f} MiB "
                "must stay free"
            )

    def _begin(self, names: frozenset[str]) -> list[Beside]:
        folder = workplace(self._directory)
        with layout.opened(self._directory) as connection:
            found = layout.layouts(connection)
        making = []
        for one in found:
            if one.name in names:
                collection = self._of.opened(one.name)
                making.append(
                    Beside(
                        self._directory,
                        folder,
                        one,
                        collection=collection,
                        cache=self._of.cache,
                        model=self._of.model,
                        index=collection.index,
                    )
                )
        return making

    async def _catch_up(self, beside: Beside) -> None:
        """Carry over until that is quick; what is left then is carried over while nobody writes."""
        for _ in range(ROUNDS):
            started = time.monotonic()
            await self._follow(beside, final=False)
            if time.monotonic() - started < ROUND_S:
                return

    async def _follow(self, beside: Beside, *, final: bool) -> None:
        name = beside.layout.name
        total = await in_thread(lambda: _count(self._directory, beside.layout))
        pages = beside.follow(final=final)
        try:
            while done := await in_thread(lambda: next(pages, None)):
                self._of.check_going()
                self._tell(name, done, total)
                if time.monotonic() - self._told > TELL_S:
                    self._told = time.monotonic()
                    log.info("compacting", collection=name, done=done, slots=total)
        finally:
            await in_thread(pages.close)

    async def _exchange(self, making: list[Beside]) -> float:
        """Carry over the rest, and put the new files in place; nobody else writes meanwhile."""
        self._of.check_going()
        layouts = [beside.layout for beside in making]
        await in_thread(lambda: self._check_flags(layouts))
        states = await in_thread(lambda: self._states(layouts))
        for beside in making:
            await self._follow(beside, final=True)
            await in_thread(beside.finish)
        segments = [one.segment for one in layouts]
        writes, squeezed = await in_thread(lambda: self._squeeze(segments))
        failpoint.reached("compact.squeezed")

        def change() -> None:
            failpoint.reached("compact.closed")
            layout.check_closed(self._directory)
            untouched = layout.changes(self._directory) == writes
            if not untouched and self._states(layouts) != states:
                raise StoreError("somebody else writes to the collections of ingestd")
            self._whole = untouched and squeezed
            put_in_place(self._directory, segments, database=self._whole)
            failpoint.reached("compact.exchanged")

        away_s = await between(self._of.store, self._of.server, change)
        if squeezed and not self._whole:
            log.warning("compact_without_database", reason="somebody else wrote to it meanwhile")
        return away_s

    def _squeeze(self, segments: list[str]) -> tuple[int, bool]:
        """Copy the database; returns how often it was written before, and whether that went well.

        The indexes are worth exchanging without it.
        """
        new = self._directory / WORK / NEW
        self._tell(DATABASE, 0, 1)
        writes = layout.changes(self._directory)
        try:
            squeeze_beside(self._directory, new, segments, self._of.check_going)
        except CompactionStoppedError:
            raise
        except StoreError as error:
            log.error("compact_without_database", reason=error.message)  # noqa: TRY400 - it says it
            squeezed = False
        else:
            squeezed = True
        sync_all(new)
        self._tell(DATABASE, 1, 1)
        return writes, squeezed

    def _states(self, layouts: list[Layout]) -> list[tuple[int, ...]]:
        return [layout.state(self._directory, one) for one in layouts]

    def _check_flags(self, layouts: list[Layout]) -> None:
        with self._of.database.read() as connection:
            flagged = {refill.name for refill in collections.flagged(connection)}
        for one in layouts:
            if one.name in flagged:
                raise StoreError(f"the collection {one.name!r} is to be filled anew first")

    def _end(self, done: Compacted) -> None:
        """Remove what an earlier repair kept, and leave word."""
        shutil.rmtree(self._directory / FOLDER, ignore_errors=True)
        counts = done.as_json()
        run = runs.Run("compact", time.time() - done.seconds, done.seconds, "done", counts)
        with contextlib.suppress(DatabaseError), self._of.database.write() as connection:
            runs.add(connection, run)
        told = {name: value for name, value in counts.items() if name not in {"before", "after"}}
        log.info("compacted", **told, bloat=_bloat(done.after))


def _count(directory: Path, one: Layout) -> int:
    with layout.opened(directory) as connection:
        return layout.count(connection, one)


def _bloat(growths: list[Growth]) -> dict[str, float]:
    return {one.collection: round(one.bloat, 2) for one in growths}
