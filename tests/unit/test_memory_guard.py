"""Past the marks memory is given back step by step, and past the second no work is begun."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from ingestd.memory.gate import Gate, ShutError
from ingestd.memory.guard import MemoryGuard
from ingestd.memory.ladder import CHEAP_REST_S, RECYCLE_REST_S, Ladder, Step
from ingestd.memory.marks import Marks, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MARKS = Marks(high=1000, max=2000)


class Bench:
    """A guard over memory that is set by hand, with a clock that is, too."""

    def __init__(self, marks: Marks = MARKS) -> None:
        self.taken = 500
        self.now = 1000.0
        self.ran: list[str] = []
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.opened = 0
        self.gate = Gate()
        self.lock = asyncio.Lock()
        self.ladder = Ladder(self.gate, self._rest, lambda: self.taken, clock=lambda: self.now)
        self.guard = MemoryGuard(
            marks,
            self.gate,
            self.ladder,
            record=lambda outcome, _seconds, counts: self.rows.append((outcome, counts)),
            on_open=self._open,
            measure=lambda: self.taken,
        )

    def _open(self) -> None:
        self.opened += 1

    async def _rest(self) -> None:
        async with self.lock:
            pass

    def step(self, name: str, frees: int, **how: bool) -> None:
        """Add a step that frees so much."""

        def run() -> None:
            self.ran.append(name)
            self.taken -= frees

        self.ladder.add(Step(name, run, **how))

    async def check(self, taken: int | None = None) -> None:
        """Look once, and wait for what it leads to."""
        if taken is not None:
            self.taken = taken
        await self.guard.check()
        relief = self.guard._relief  # noqa: SLF001 - to wait for it
        if relief is not None:
            await relief


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_below_the_marks_nothing_happens() -> None:
    """No step runs, nothing is recorded."""
    bench = Bench()
    bench.step("heap", 100)
    await bench.check(999)
    assert (bench.ran, bench.rows, bench.guard.state) == ([], [], State.OK)
    assert bench.guard.bytes == 999


async def test_without_marks_nothing_is_measured() -> None:
    """A daemon without limits does not look through its processes."""
    bench = Bench(Marks())
    await bench.check(10**12)
    assert bench.guard.bytes == 0


async def test_the_cheapest_steps_that_suffice_are_taken() -> None:
    """The ladder is climbed until it is clearly below `high`, and every step is told."""
    bench = Bench()
    for name, frees in (("caches", 50), ("heap", 200), ("parser", 300)):
        bench.step(name, frees, recycles=name == "parser")
    with capture_logs() as lines:
        await bench.check(1100)
    assert bench.ran == ["caches", "heap"]
    assert [line["event"] for line in lines] == ["memory_high", *["memory_relieved"] * 2]
    assert [(line["step"], line["bytes_before"], line["bytes_after"]) for line in lines[1:]] == [
        ("caches", 1100, 1050),
        ("heap", 1050, 850),
    ]
    assert [outcome for outcome, _ in bench.rows] == ["high", "relieved"]
    assert bench.rows[1][1] == {
        "before": 1100,
        "after": 850,
        "freed": 250,
        "steps": "caches, heap",
    }
    assert bench.gate.turned_away == 0
    assert bench.gate.is_open
    await bench.check()
    assert bench.guard.state is State.OK
    assert bench.ladder.times == {"caches": 1, "heap": 1, "parser": 0}


async def test_what_was_not_enough_is_not_repeated_at_once() -> None:
    """Cheap steps wait a minute, recycling ten: memory that is really needed is not fought for."""
    bench = Bench()
    bench.step("heap", 0)
    bench.step("model", 0, recycles=True)
    await bench.check(1500)
    assert bench.ran == ["heap", "model"]
    assert bench.rows[-1][0] == "not enough"
    for _ in range(5):
        await bench.check()
    assert bench.ran == ["heap", "model"]
    bench.now += CHEAP_REST_S
    await bench.check()
    assert bench.ran == ["heap", "model", "heap"]
    bench.now += RECYCLE_REST_S
    await bench.check()
    assert bench.ran == ["heap", "model", "heap", "heap", "model"]


async def test_two_recyclings_keep_their_distance_also_when_they_help() -> None:
    """What comes back at once is not recycled again and again."""
    bench = Bench()
    bench.step("model", 600, recycles=True)
    await bench.check(1400)
    assert bench.taken == 800
    await bench.check()
    await bench.check(1400)
    assert bench.ran == ["model"]
    bench.now += RECYCLE_REST_S
    await bench.check()
    assert bench.ran == ["model", "model"]


async def test_past_max_no_work_is_begun_until_below_high() -> None:
    """The gate is shut, it is said once, and who waits is called when it opens."""
    bench = Bench()
    bench.gate.check()
    with capture_logs() as lines:
        await bench.check(2000)
        for taken in (1900, 2100, 1000):
            await bench.check(taken)
            with pytest.raises(ShutError, match="memory"):
                bench.gate.check()
        opened = bench.opened
        await bench.check(999)
    bench.gate.check()
    assert bench.opened == opened + 1
    events = [line["event"] for line in lines]
    assert events == ["memory_max", "memory_high", "memory_resumed"]
    assert "recorded" in lines[0]["hint"]
    assert [outcome for outcome, _ in bench.rows] == ["max", "high"]
    assert bench.guard.reached == {"high": 0, "max": 1}


async def test_a_step_that_fails_is_told_and_the_next_one_is_taken() -> None:
    """One that cannot give anything back does not end the daemon."""
    bench = Bench()

    async def broken() -> None:
        raise OSError("no such server")

    bench.ladder.add(Step("chroma", broken, recycles=True))
    bench.step("heap", 300)
    with capture_logs() as lines:
        await bench.check(1100)
    assert bench.ran == ["heap"]
    assert "no such server" in next(
        line["error"] for line in lines if line["event"] == "memory_step_failed"
    )


async def test_a_gated_step_waits_for_the_batch_in_hand() -> None:
    """It runs between two batches: no new one is begun, and the one in hand is not broken off."""
    bench = Bench()
    bench.step("model", 600, gated=True)
    await bench.lock.acquire()
    bench.taken = 1400
    await bench.guard.check()
    await until(lambda: not bench.gate.is_open)
    assert bench.ran == []
    await bench.guard.check()
    assert bench.guard.state is State.HIGH, "it goes on looking meanwhile"
    bench.lock.release()
    await until(lambda: bench.ran == ["model"])
    await until(lambda: bench.opened == 1)
    assert bench.gate.is_open


async def test_a_stop_does_not_wait_for_a_step_that_waits() -> None:
    """A relief that waits for the batch in hand ends, and opens the gate."""
    bench = Bench()
    bench.step("model", 600, gated=True)
    await bench.lock.acquire()
    bench.taken = 1400
    await bench.guard.check()
    await until(lambda: not bench.gate.is_open)
    await asyncio.wait_for(bench.guard.stop(), 5)
    assert bench.ran == []
    assert bench.gate.is_open
    await bench.check()
    assert bench.ran == [], "stopped is stopped"


async def test_a_stop_waits_for_a_step_that_runs() -> None:
    """Half a restart would be worse than none."""
    bench = Bench()
    began, go_on, done = asyncio.Event(), asyncio.Event(), []

    async def restart() -> None:
        began.set()
        await go_on.wait()
        done.append(1)

    bench.ladder.add(Step("chroma", restart))
    bench.taken = 1400
    await bench.guard.check()
    await began.wait()
    stopping = asyncio.create_task(bench.guard.stop())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait_for(stopping, 5)
    assert done == [1]


async def test_a_plain_function_may_return_something_to_wait_for() -> None:
    """Steps are often short functions around a coroutine."""
    bench = Bench()

    async def recycle() -> None:
        bench.taken = 0

    def step() -> Awaitable[None]:
        return recycle()

    bench.ladder.add(Step("chroma", step))
    await bench.check(1100)
    assert bench.taken == 0
