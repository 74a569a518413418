"""The embed job: takes due documents in hand and carries them into the collections.

All writing to Chroma happens here, under one asyncio lock, which others get between two writes.
Several batches are in hand at once, each in another stage: while one is stored, the next is encoded
and the one after it is read. What somebody waits for overtakes the rest in every stage. A long
document goes on step by step beside them.

What hinders the job is raised as it is; whoever drains decides how long to wait. One document that
breaks the store must not pass for a store that is away: see `Suspects`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ingestd.errors import DiskFullError, StoreError
from ingestd_state.engine import DatabaseError

from .carry import Carrier
from .claim import Claimer, HinderedError, Room, ask
from .hand import Hand
from .longs import SPOOLS, Longs
from .stages import HaltedError, Stages
from .suspects import Suspects

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ingestd.ports import Source

    from .batch import Batch
    from .parts import Parts

log = structlog.get_logger(__name__)

PATIENCE = 3
"""After so many failures in a row the documents of a batch are tried one by one."""


class EmbedJob:
    """Drains the queue of due documents.

    Attributes:
        lock: held while something is written to the collections.
        longs: the long documents in hand.
    """

    def __init__(self, parts: Parts, sources: Mapping[int, Source]) -> None:
        self.lock = asyncio.Lock()
        self._parts = parts
        self._stages = Stages(self.lock)
        self.longs = Longs(parts, self._stages)
        self._carrier = Carrier(parts, sources, self._stages, self.longs)
        self._suspects = Suspects(parts, sources, self._stages, self._carrier, self.longs)
        self._claimer = Claimer(
            parts.database,
            parts.limits,
            list(sources),
            parts.clock,
            long_chunks=parts.writer.long_chunks,
        )
        self._hand = Hand()
        self._stopping = False
        self._abandoned = False
        self._unsettled = True
        self._failures = 0

    # What others ask

    def stop(self) -> None:
        """Finish the documents in hand that are ready, and take up no more.

        A long one is left where it is; the next start goes on with it.
        """
        self._stopping = self._carrier.stopping = True
        self._parts.preparer.stop()
        if self._parts.scanner is not None:
            self._parts.scanner.stop()
        self._parts.texts.stop()
        self._parts.writer.stop()

    def abandon(self) -> None:
        """Do not wait for what is in hand: the next start settles it."""
        self._abandoned = True

    def close(self) -> None:
        """End the threads, when they are done with what they have in hand."""
        self._stages.close(wait=not self._abandoned)

    def poke(self) -> None:
        """Something may have become due: a drain that is under way looks at once."""
        self._hand.poke()

    def take_gone(self) -> dict[int, list[bytes]]:
        """The paths that were gone when they were to be read, by source; each is told once."""
        gone, self._carrier.gone = self._carrier.gone, {}
        return gone

    @property
    def gone_paths(self) -> int:
        """How many there are of these."""
        return sum(map(len, self._carrier.gone.values()))

    @property
    def busy(self) -> bool:
        """Whether something is in hand."""
        return bool(self._hand)

    @property
    def bytes_in_hand(self) -> int:
        """Bytes of the files in hand."""
        return sum(batch.bytes for batch in self._hand.batches)

    async def rest(self) -> None:
        """Wait until the batches in hand are done with, for who keeps others from being taken up.

        A long document goes on.
        """
        await self._hand.rest()

    @property
    def stages(self) -> Stages:
        """Its threads, with the line before each, for who uses model or store beside it."""
        return self._stages

    # The work

    async def settle(self) -> None:
        """Give back what an earlier process had in hand; the first drain settles the rest."""
        async with self.lock:
            given_back = await self._stages.tables.run(self._parts.recorder.recover)
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
        self._hand, self._stages.halted = Hand(), False
        whole = False
        try:
            await self._tidy()
            await self._work(ready)
            whole = True
        finally:
            await self._end()
            done = self._parts.totals.done - before
            await self._record(done, time.monotonic() - started, whole=whole)
        return done

    async def _tidy(self) -> None:
        """Delete what a check found, and settle what the last attempt left when it broke off."""
        if not self._unsettled:
            await self._stages.store(self._parts.writer.delete_orphans)
            return
        # As after a crash: where it broke off does not matter.
        await self._stages.tables.run(self._parts.recorder.recover)
        await self._stages.store(self._parts.writer.settle)
        self._unsettled = False

    async def _work(self, ready: Callable[[], None]) -> None:
        try:
            while not self._stopping and await self._turn(ready):
                pass
            await self._hand.finish()
        except StoreError as error:
            if not isinstance(error, DiskFullError):
                self._failures += 1
            raise

    async def _turn(self, ready: Callable[[], None]) -> bool:
        """Take up what there is room for, and wait for news; whether anything is in hand."""
        if self._failures >= PATIENCE and not self.longs:
            return await self._suspect(ready)
        await self._take_up(ready)
        if self.longs and not self._hand.steps:
            self._take(self._step())
        if not self._hand:
            return False
        more = not self._hand.has_room(urgent=False)
        with self._parts.totals.waits.coming() if more else contextlib.nullcontext():
            await self._hand.wait()
        self._unsettled = bool(self._hand)
        return True

    async def _take_up(self, ready: Callable[[], None]) -> None:
        """Take batches in hand, as many as there is room for.

        Raises:
            Exception: what ``ready`` raised, once nothing is in hand that could go on.
        """
        try:
            if self.longs:
                await self._stages.tables.run(partial(ask, ready))
            while not self._stopping and (batch := await self._claim(ready)):
                self._take(self._carry(batch), batch)
        except HinderedError as hindered:
            cause = hindered.__cause__ or hindered
            goes_on = self._hand or self.longs
            # What keeps new work out does not end what is in hand, unless it fills the disk.
            if goes_on and not isinstance(cause, DiskFullError):
                return
            await self._hand.finish()
            raise cause from None

    async def _claim(self, ready: Callable[[], None]) -> Batch | None:
        hand, longs = self._hand, self.longs
        # Where the store may be broken, who breaks it is found the sooner, the fewer there are.
        alone = self._failures > 0
        if longs.spools >= SPOOLS or (alone and (hand or longs)):
            return None
        in_hand = {entry.id for batch in hand.batches for entry in batch.documents}
        room = Room(
            urgent=hand.has_room(urgent=True),
            others=hand.has_room(urgent=False),
            large=not longs and not any(batch.large for batch in hand.batches),
            put_off=not any(batch.put_off for batch in hand.batches),
            in_hand=in_hand.union(longs.ids),
        )
        claim = partial(self._claimer.claim, ready, room, self._stages.place)
        return await self._stages.tables.run(claim)

    def _take(self, work: Coroutine[None, None, None], batch: Batch | None = None) -> None:
        self._unsettled = True
        self._hand.take(work, batch)

    async def _carry(self, batch: Batch) -> None:
        written = self._parts.totals.chunks["upserted"]
        await self._carrier.carry(batch)
        self._believe(written)

    async def _step(self) -> None:
        written = self._parts.totals.chunks["upserted"]
        try:
            await self.longs.step()
        except HaltedError:
            return
        except BaseException:
            self._stages.halted = True  # at once, as in `Carrier.carry`
            raise
        self._believe(written)

    def _believe(self, written: int) -> None:
        """Believe that the store is well, where something was written: that alone says so."""
        more = self._parts.totals.chunks["upserted"] > written
        if not self._stages.halted and (more or not self.longs):
            self._failures = 0

    async def _suspect(self, ready: Callable[[], None]) -> bool:
        """Look for the document that breaks the store; whether anything was due."""
        try:
            batch = await self._claim_alone(ready)
        except HinderedError as hindered:
            raise (hindered.__cause__ or hindered) from None
        if batch is None:
            return False
        self._unsettled = True
        try:
            await self._suspects.one_by_one(batch, self._failures)
        except Exception:
            with contextlib.suppress(DatabaseError):
                await self._carrier.release(batch.documents)
            raise
        self._unsettled = False
        self._failures = 0
        return True

    async def _claim_alone(self, ready: Callable[[], None]) -> Batch | None:
        room = Room(urgent=False, others=True, large=True, put_off=True)
        claim = partial(self._claimer.claim, ready, room, self._stages.place)
        return await self._stages.tables.run(claim)

    # The end of a drain

    async def _end(self) -> None:
        """Have nothing in hand any more, unless nobody waits for that."""
        if self._hand:
            self._stages.halted = True
        if self._abandoned:
            self._hand.drop()
            return
        while self._hand:
            with contextlib.suppress(Exception):  # what was first is told
                await self._hand.finish()
        await self.longs.put_down()
        if (scanner := self._parts.scanner) is not None:  # nobody needs its memory for now
            await self._stages.scan.run(scanner.recycle)

    async def _record(self, done: int, seconds: float, *, whole: bool) -> None:
        """Record what a drain did, also one that broke off: what broke it off is what is told."""
        if not done or self._abandoned:
            return
        with contextlib.suppress(*(() if whole else (DatabaseError,))):
            await self._stages.tables.run(
                lambda: self._parts.recorder.drained(done, seconds, whole=whole)
            )
