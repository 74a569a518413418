"""Watches the memory of the daemon and of its children, and acts at the marks."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from . import processes
from .marks import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.gauges import Gauges

    from .gate import Gate
    from .ladder import Ladder, Relief
    from .marks import Marks

log = structlog.get_logger(__name__)

GATE = "memory"
ORDER = (State.OK, State.HIGH, State.MAX)
"""The states as numbers."""
HINT = (
    "Nothing is lost: changes are recorded, and taken up when there is room. Raise `memory.max`, "
    "or the limit of the service; `ingestd status` shows who takes how much."
)


class Recorder(Protocol):
    """Keeps what happened for `ingestd status`; blocking."""

    def __call__(self, outcome: str, seconds: float, counts: dict[str, Any]) -> None:
        """Keep it, if that can be."""


def taken() -> int:
    """Bytes of this process and of all below it; blocking."""
    return sum(process.pss for process in processes.tree(os.getpid()))


class MemoryGuard:
    """Compares the memory taken with the marks, again and again.

    Past ``high`` the ladder is climbed in a task of its own, because a step may have to wait for
    the batch in hand. Past ``max`` the gate is shut as well, until it is less than ``high``.

    Args:
        marks: which apply.
        gate: what the embed job asks before each batch.
        ladder: gives memory back.
        measure: the bytes taken; blocking.
        record: keeps what happened.
        on_open: called when work may go on.

    Attributes:
        state: as of the last look.
        bytes: taken, as of the last look.
        reached: how often each mark was reached since the start.
    """

    def __init__(
        self,
        marks: Marks,
        gate: Gate,
        ladder: Ladder,
        *,
        record: Recorder,
        on_open: Callable[[], None],
        measure: Callable[[], int] = taken,
    ) -> None:
        self.marks = marks
        self.state = State.OK
        self.bytes = 0
        self.reached = {State.HIGH.value: 0, State.MAX.value: 0}
        self._gate = gate
        self._ladder = ladder
        self._measure = measure
        self._record = record
        self._on_open = on_open
        self._relief: asyncio.Task[None] | None = None
        self._stopped = False

    def add_gauges(self, gauges: Gauges) -> None:
        """Have the marks and what happens at them counted."""
        gauges.add(
            "memory_state",
            lambda: ORDER.index(self.state),
            limit=len(ORDER) - 1,
            help="0: less than the mark high; 1: past high; 2: past max, no new work is begun.",
        )
        gauges.add(
            "memory_high_bytes",
            lambda: self.marks.high,
            unit="bytes",
            help="The mark past which memory is given back; none where there is no such mark.",
        )
        gauges.add(
            "memory_max_bytes",
            lambda: self.marks.max,
            unit="bytes",
            help="The mark past which no new work is begun; none where there is no such mark.",
        )
        gauges.add(
            "memory_marks_reached_total",
            lambda: dict(self.reached),
            label="mark",
            total=True,
            help="Times that memory went past a mark.",
        )
        gauges.add(
            "memory_steps_total",
            lambda: dict(self._ladder.times),
            label="step",
            total=True,
            help="Times that memory was given back in this way.",
        )

    async def check(self) -> None:
        """Look once; to be called at an interval."""
        if self.marks.high is None and self.marks.max is None:
            return
        self.bytes = await asyncio.to_thread(self._measure)
        before, self.state = self.state, self.marks.judge(self.bytes, self.state)
        if self.state is not before:
            await self._entered(before)
        if self.state is not State.OK:
            self._relieve()

    async def stop(self) -> None:
        """End; a step that runs is finished first."""
        self._stopped = True
        relief, self._relief = self._relief, None
        if relief is not None:
            relief.cancel()
            await asyncio.wait([relief])

    async def _entered(self, before: State) -> None:
        told: dict[str, Any] = {"bytes": self.bytes, "high": self.marks.high, "max": self.marks.max}
        if self.state is State.MAX:
            self._gate.shut(GATE)
            self.reached[State.MAX] += 1
            log.error("memory_max", **told, next="no new work until below high", hint=HINT)
        elif self.state is State.HIGH:
            if before is State.OK:
                self.reached[State.HIGH] += 1
            log.warning("memory_high", **told)
        if before is State.MAX:
            self._gate.open(GATE)
            log.info("memory_resumed", **told)
            self._on_open()
        outcome = self.state.value
        await asyncio.to_thread(self._record, outcome, 0.0, told)

    def _relieve(self) -> None:
        underway = self._relief is not None and not self._relief.done()
        if underway or self._stopped or self._ladder.resting or self.marks.low is None:
            return
        self._relief = asyncio.create_task(self._climb(self.marks.low), name="memory-relief")

    async def _climb(self, low: int) -> None:
        relief = await self._ladder.climb(low)
        if relief.steps:
            await asyncio.to_thread(
                self._record, _outcome(relief, low), relief.seconds, _counts(relief)
            )
        if self._gate.is_open:
            self._on_open()  # a step may have kept the job waiting


def _outcome(relief: Relief, low: int) -> str:
    return "relieved" if relief.after < low else "not enough"


def _counts(relief: Relief) -> dict[str, Any]:
    return {
        "before": relief.before,
        "after": relief.after,
        "freed": max(0, relief.before - relief.after),
        "steps": ", ".join(relief.steps),
    }
