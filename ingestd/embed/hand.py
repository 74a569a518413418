"""What the embed job has in hand during a drain: batches, and a step with a long document."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .batch import BATCHES, URGENT_BATCHES

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from .batch import Batch


class Hand:
    """Tasks, each for a batch or a step; at most so many that their texts fit into memory."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Batch | None] = {}
        self._poked = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def batches(self) -> list[Batch]:
        """The batches."""
        return [batch for batch in [*self._tasks.values()] if batch is not None]

    @property
    def steps(self) -> bool:
        """Whether a step is under way."""
        return None in self._tasks.values()

    def has_room(self, *, urgent: bool) -> bool:
        """Whether another batch may be taken in hand."""
        number = sum(batch.urgent == urgent for batch in self.batches if not batch.put_off)
        return number < (URGENT_BATCHES if urgent else BATCHES)

    def take(self, work: Coroutine[None, None, None], batch: Batch | None = None) -> None:
        """Take a batch in hand, or a step."""
        name = "step" if batch is None else "urgent batch" if batch.urgent else "batch"
        self._tasks[asyncio.create_task(work, name=name)] = batch

    def poke(self) -> None:
        """End a wait: something may be due."""
        self._poked.set()

    async def wait(self) -> None:
        """Wait until one of them is done with, or somebody pokes.

        Raises:
            Exception: what one of them ended with; by then, nothing is in hand.
        """
        poked = asyncio.ensure_future(self._poked.wait())
        try:
            await asyncio.wait([*self._tasks, poked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            poked.cancel()
        self._poked.clear()
        await self._put_away([task for task in self._tasks if task.done()])

    async def finish(self) -> None:
        """Wait until nothing is in hand.

        Raises:
            Exception: what one of them ended with.
        """
        while self._tasks:
            await self.wait()

    async def rest(self) -> None:
        """Wait until every batch that is in hand now is done with; a step may go on.

        So may what was put off: it takes minutes.
        """
        batches = [
            task for task, batch in self._tasks.items() if batch is not None and not batch.put_off
        ]
        if batches:
            await asyncio.wait(batches)

    def drop(self) -> None:
        """Let go of everything, whatever it does."""
        for task in self._tasks:
            task.cancel()

    async def _put_away(self, done: Iterable[asyncio.Task[None]]) -> None:
        failures = [self._ended(task) for task in done]
        failed = next(filter(None, failures), None)
        if failed is None:
            return
        if self._tasks:  # each of them finds that it must end
            await asyncio.wait(self._tasks)
        for task in [*self._tasks]:
            self._ended(task)
        raise failed

    def _ended(self, task: asyncio.Task[None]) -> BaseException | None:
        del self._tasks[task]
        return None if task.cancelled() else task.exception()
