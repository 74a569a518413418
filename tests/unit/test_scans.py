"""Scans are run when they are asked for, and again when they could not be recorded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.ports import Source
from ingestd.scanlock import ScanBusyError
from ingestd.scans import Scans
from ingestd_state.engine import DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEADLINE_S = 60.0


class Reconciler:
    """Fails as told, then scans; remembers which source was scanned."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.scanned: list[str] = []

    def reconcile(self, source: Source) -> None:
        """Scan, or fail."""
        if self.failures:
            raise self.failures.pop(0)
        self.scanned.append(source.name)


@asynccontextmanager
async def running(reconciler: Reconciler) -> AsyncIterator[tuple[Scans, asyncio.Queue[None]]]:
    """Scans of the sources a and b; the queue gets an item after each."""
    told: asyncio.Queue[None] = asyncio.Queue()
    sources: Any = {name: Source(1, name, b"/", "c") for name in "ab"}
    scans = Scans(
        reconciler,  # type: ignore[arg-type]
        sources,
        on_scanned=lambda: told.put_nowait(None),
        first_pause_s=0.01,
    )
    task = asyncio.create_task(scans.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield scans, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_wishes_are_carried_out() -> None:
    """Each source that is asked for is scanned once, whoever asks how often; others are not."""
    reconciler = Reconciler()
    async with running(reconciler) as (scans, told):
        assert not scans.complete
        scans.soon({"a"})
        scans.soon(["a", "b", "unknown"])
        for _ in range(3):
            await told.get()
        assert reconciler.scanned == ["a", "b"]
        assert scans.complete
        scans.soon({"b"})
        await told.get()
        assert reconciler.scanned == ["a", "b", "b"]


@pytest.mark.parametrize("error", [DatabaseError("locked"), ScanBusyError("another scan")])
async def test_what_fails_is_tried_again(error: Exception) -> None:
    """While the table is away nothing is complete; when it is back, every source is scanned."""
    reconciler = Reconciler(error, error, error)
    async with running(reconciler) as (scans, told):
        scans.soon("ab")
        for _ in range(3):
            await told.get()
        assert sorted(reconciler.scanned) == ["a", "b"]
        assert scans.complete


async def test_the_pause_grows_and_is_short_again_after_a_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tries come at doubling pauses up to the longest one; after a success from the first on."""
    monkeypatch.setattr("ingestd.scans.LONGEST_PAUSE_S", 0.03)
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("ingestd.scans.asyncio.sleep", nap)
    reconciler = Reconciler(*[DatabaseError("locked")] * 4)
    async with running(reconciler) as (scans, told):
        scans.soon("a")
        await told.get()
        await told.get()
        assert pauses == [0.01, 0.02, 0.03, 0.03]
        reconciler.failures = [DatabaseError("locked")]
        scans.soon("a")
        await told.get()
        assert pauses[4:] == [0.01]


async def test_a_programming_error_ends_it() -> None:
    """What nobody foresaw is not tried again for ever: the task ends with it."""
    scans = Scans(
        Reconciler(KeyError(7)),  # type: ignore[arg-type]
        {"a": Source(1, "a", b"/", "c")},  # type: ignore[dict-item]
        on_scanned=lambda: None,
    )
    scans.soon("a")
    with pytest.raises(KeyError):
        await asyncio.wait_for(scans.run(), DEADLINE_S)
