"""The steps by which memory is given back, from what costs nothing to what disturbs most."""

from __future__ import annotations

import asyncio
import inspect
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .gate import Gate

log = structlog.get_logger(__name__)

CHEAP_REST_S = 60.0
"""Between two reliefs, when the last one was not enough."""
RECYCLE_REST_S = 600.0
"""Between two reliefs in which something is started anew: that costs time, and disturbs readers."""


@dataclass(frozen=True, slots=True)
class Step:
    """One way to give memory back.

    Attributes:
        name: for log and status.
        run: does it. A plain function runs in a thread.
        recycles: it starts something anew, which must not happen often.
        gated: it takes from the embed job what that needs: no new batch is begun meanwhile.
    """

    name: str
    run: Callable[[], Awaitable[object] | object]
    recycles: bool = False
    gated: bool = False


@dataclass(slots=True)
class Relief:
    """What a climb of the ladder brought.

    Attributes:
        before: bytes before the first step.
        after: bytes after the last one.
        steps: the names of the steps that ran.
        seconds: how long they took.
    """

    before: int
    after: int
    steps: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Ladder:
    """Climbs step by step until enough is given back.

    Args:
        gate: kept shut during steps that need it.
        rest: waits until the embed job is done with what it has in hand.
        measure: the bytes taken; blocking.
        clock: seconds, never going back.

    Attributes:
        times: how often each step ran, by its name.
    """

    def __init__(
        self,
        gate: Gate,
        rest: Callable[[], Awaitable[None]],
        measure: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.times: dict[str, int] = {}
        self._gate = gate
        self._rest = rest
        self._measure = measure
        self._clock = clock
        self._steps: list[Step] = []
        self._climb_at = float("-inf")
        self._recycle_at = float("-inf")

    def add(self, step: Step) -> None:
        """Add a step after those that are there: it costs more than they do."""
        self._steps.append(step)
        self.times[step.name] = 0

    @property
    def resting(self) -> bool:
        """Whether the last climb was not enough, and another one would not be either."""
        return self._clock() < self._climb_at

    async def climb(self, low: int) -> Relief:
        """Run the steps, the cheapest first, until less than ``low`` bytes are taken.

        Cancelled, it finishes the step that runs.
        """
        started = self._clock()
        before = await asyncio.to_thread(self._measure)
        relief = Relief(before, before)
        may_recycle = started >= self._recycle_at
        for step in self._steps:
            if relief.after < low or (step.recycles and not may_recycle):
                break
            if step.recycles:
                self._recycle_at = started + RECYCLE_REST_S
            await self._take(step, relief)
        relief.seconds = self._clock() - started
        if relief.after >= low:
            self._climb_at = self._clock() + CHEAP_REST_S
        return relief

    async def _take(self, step: Step, relief: Relief) -> None:
        before, started = relief.after, self._clock()
        self.times[step.name] += 1
        try:
            if step.gated:
                with self._gate.held_shut("relief"):
                    await self._rest()
                    await _uninterrupted(step)
            else:
                await _uninterrupted(step)
        except Exception as error:  # noqa: BLE001 - what one step cannot give back, the next may
            log.warning("memory_step_failed", step=step.name, error=repr(error))
        relief.after = await asyncio.to_thread(self._measure)
        relief.steps.append(step.name)
        log.info(
            "memory_relieved",
            step=step.name,
            bytes_before=before,
            bytes_after=relief.after,
            seconds=round(self._clock() - started, 3),
        )


async def _uninterrupted(step: Step) -> None:
    """Run a step to its end, even when cancelled: half recycled is worse than both."""
    task = asyncio.ensure_future(_call(step))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _call(step: Step) -> None:
    if inspect.iscoroutinefunction(step.run):
        await step.run()
        return
    result = await asyncio.to_thread(step.run)
    if inspect.isawaitable(result):
        await result
