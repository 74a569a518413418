"""What hinders a drain is told in a person's words and waited for; the rest ends the daemon."""

from __future__ import annotations

import asyncio
import errno
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ingestd import drain as drain_module
from ingestd.drain import Drain
from ingestd.errors import DiskFullError, IngestdError, ModelMismatchError, StateError, StoreError
from ingestd.location import Location
from ingestd.memory.gate import Gate
from ingestd.pause import Pause
from ingestd.settings.running import LimitSettings
from ingestd.tables import StateDamagedError
from ingestd_state import collections, runs, vectors
from ingestd_state.engine import DamagedError, Database, DatabaseError, FullError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Job:
    """An embed job that fails as told, and then does one document."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.errors: list[Exception] = []
        self.drains = 0
        self.stopped = False
        self.abandoned = False
        self.hang = False
        self.busy = False

    async def drain(self, ready: Callable[[], None]) -> int:
        """Fail, or drain."""
        self.drains += 1
        ready()
        if self.hang:
            await asyncio.Event().wait()
        if self.errors:
            raise self.errors.pop(0)
        return 1

    def stop(self) -> None:
        """Remember it."""
        self.stopped = True

    def abandon(self) -> None:
        """Remember it."""
        self.abandoned = True


class Healer:
    """A healer that counts."""

    def __init__(self) -> None:
        self.healed = self.checked = 0
        self.error: Exception | None = None

    async def heal(self, _lock: asyncio.Lock) -> int:
        """Count."""
        self.healed += 1
        return 0

    async def check(self) -> None:
        """Count, and fail on request."""
        self.checked += 1
        if self.error:
            raise self.error


class Bench:
    """A drain over real tables, with a clock that is set by hand."""

    def __init__(self, database: Database, cache: Database, place: Path, **limits: Any) -> None:
        self.job, self.healer = Job(), Healer()
        self.database, self.cache = database, cache
        self.now = 100.0
        call = SimpleNamespace(stop=lambda: None)
        instance: Any = SimpleNamespace(
            job=self.job,
            healer=self.healer,
            database=database,
            cache=cache,
            location=Location(None, place, place, database.url),
            settings=SimpleNamespace(limits=LimitSettings(**{"free_bytes": 0, **limits})),
            store=SimpleNamespace(call=call),
            server=None,
        )
        self.gate = Gate()
        self.drain = Drain(instance, self.gate)
        self.drain._pause = Pause(lambda: self.now)  # noqa: SLF001 - its clock

    def attempt(self) -> bool:
        """One attempt of the daemon."""
        return asyncio.run(self.drain.attempt())

    def runs(self) -> list[tuple[str, str]]:
        """Kind and outcome of what was recorded, the oldest first."""
        with self.database.read() as connection:
            return [(run.kind, run.outcome) for run in reversed(runs.last(connection))]


@pytest.fixture
def bench(database: Database, cache: Database, tmp_path: Path) -> Bench:
    """A drain that nothing hinders."""
    return Bench(database, cache, tmp_path)


def test_an_undisturbed_drain_heals_first(bench: Bench) -> None:
    """Before each drain flagged collections are filled; nothing is recorded about pauses."""
    assert bench.attempt()
    assert (bench.healer.healed, bench.job.drains) == (1, 1)
    assert bench.runs() == []


def test_the_store_is_looked_after_while_nobody_writes(bench: Bench) -> None:
    """It is asked when it is idle, and not beside a drain; a failure is told, and ends nothing."""
    asyncio.run(bench.drain.look_after())
    assert bench.healer.checked == 1
    bench.healer.error = StoreError("no answer")
    asyncio.run(bench.drain.look_after())
    assert bench.healer.checked == 2

    async def beside_a_drain() -> None:
        async with bench.job.lock:
            await bench.drain.look_after()

    asyncio.run(beside_a_drain())
    bench.job.busy = True
    asyncio.run(bench.drain.look_after())
    assert bench.healer.checked == 2


@pytest.mark.parametrize(
    ("error", "told", "code"),
    [
        (StoreError("away"), StoreError, "store"),
        (ModelMismatchError("7"), ModelMismatchError, "model_mismatch"),
        (DatabaseError("locked"), StateError, "state"),
        (FullError("full"), DiskFullError, "disk_full"),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFullError, "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFullError, "disk_full"),
        (OSError(errno.EMFILE, "Too many open files"), IngestdError, "error"),
        (MemoryError(), IngestdError, "error"),
    ],
)
def test_what_can_be_waited_for_is_told_and_waited_for(
    bench: Bench, error: Exception, told: type[IngestdError], code: str
) -> None:
    """A single pass raises it in a person's words; the daemon rests, and then goes on."""
    bench.job.errors = [error]
    with pytest.raises(told) as caught:
        asyncio.run(bench.drain.once())
    assert caught.value.code == code
    bench.job.errors = [error]
    assert not bench.attempt()
    assert bench.runs() == [("pause", code)]
    drains = bench.job.drains
    assert not bench.attempt()
    assert bench.job.drains == drains, "it rests"
    bench.now += 1
    assert bench.attempt()
    assert bench.runs() == [("pause", code), ("resume", code)]


def test_the_same_trouble_is_recorded_once(bench: Bench) -> None:
    """However long it lasts, one row says that it began; the log has each try."""
    bench.job.errors = [StoreError("away") for _ in range(20)]
    for _ in range(20):
        bench.now += 100
        assert not bench.attempt()
    assert bench.runs() == [("pause", "store")]


@pytest.mark.parametrize("error", [ZeroDivisionError(), AttributeError("x"), RuntimeError("x")])
def test_what_nobody_foresaw_comes_out(bench: Bench, error: Exception) -> None:
    """A mistake in the program ends the daemon, loudly, as it is."""
    bench.job.errors = [error]
    with pytest.raises(type(error)) as caught:
        bench.attempt()
    assert caught.value is error


def test_a_damaged_state_table_ends_it(bench: Bench) -> None:
    """Nothing can be recorded any more: waiting would not mend it."""
    bench.job.errors = [DamagedError("malformed", bench.database.url)]
    with pytest.raises(StateDamagedError, match="malformed"):
        bench.attempt()


def test_a_damaged_cache_is_made_anew_and_the_drain_goes_on(bench: Bench) -> None:
    """At once, without a pause."""
    with bench.cache.write() as connection:
        vectors.put(connection, "m", [(b"d" * 32, b"1234")], now=1)
    bench.job.errors = [DamagedError("malformed", bench.cache.url)]
    assert bench.attempt()
    assert bench.job.drains == 2
    with bench.cache.read() as connection:
        assert vectors.count(connection) == 0


def test_a_cache_that_stays_damaged_ends_it(bench: Bench) -> None:
    """A disk that damages a new file at once is no place to write to."""
    bench.job.errors = [DamagedError("malformed", bench.cache.url) for _ in range(2)]
    with pytest.raises(StateDamagedError, match="again"):
        bench.attempt()


def test_a_store_that_does_not_answer_is_looked_at(bench: Bench) -> None:
    """After the store's own errors, and only after those; a look that fails is only logged."""
    for error, checked in (
        (StoreError("away"), 1),
        (DiskFullError("full"), 1),
        (DatabaseError("locked"), 1),
        (StoreError("away"), 2),
    ):
        bench.now += 100
        bench.job.errors = [error]
        bench.healer.error = StoreError("still away")
        assert not bench.attempt()
        assert bench.healer.checked == checked


def test_a_pause_is_survived_when_it_cannot_be_recorded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that cannot be written is the trouble itself."""
    bench.job.errors = [DatabaseError("locked")]

    def locked() -> None:
        raise DatabaseError("locked")

    monkeypatch.setattr(bench.database, "write", locked)
    assert not bench.attempt()
    bench.now += 1
    assert bench.attempt()


def test_whatever_fails_on_a_full_disk_failed_for_lack_of_space(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk speaks in many tongues: all of them become the one error that helps."""
    monkeypatch.setattr("ingestd.space.FULL_BYTES", 1 << 60)
    bench.job.errors = [StoreError("Error finding id")]
    with pytest.raises(DiskFullError, match="Error finding id"):
        asyncio.run(bench.drain.once())


def test_the_watermark_holds_for_documents_and_for_refills(
    database: Database, cache: Database, tmp_path: Path
) -> None:
    """Below it neither the job writes nor is a collection filled anew."""
    bench = Bench(database, cache, tmp_path, free_bytes=1 << 60)
    with pytest.raises(DiskFullError, match="must stay free"):
        asyncio.run(bench.drain.once())
    assert (bench.healer.healed, bench.job.drains) == (1, 1)
    with database.write() as connection:
        collections.flag(connection, "c", "torn", now=1.0)
    with pytest.raises(DiskFullError, match="must stay free"):
        asyncio.run(bench.drain.once())
    assert (bench.healer.healed, bench.job.drains) == (1, 1)


def test_a_stop_waits_for_what_is_in_hand(bench: Bench) -> None:
    """The task that drains ends by itself: nothing is abandoned."""

    async def stop() -> None:
        await bench.drain.finish(asyncio.create_task(asyncio.sleep(0.05)))

    asyncio.run(stop())
    assert bench.job.stopped
    assert not bench.job.abandoned


def test_a_stop_does_not_wait_for_ever(
    database: Database, cache: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``stop_s`` it is abandoned, also when the task does not react to being cancelled."""
    monkeypatch.setattr(drain_module, "ABANDON_S", 0.1)
    bench = Bench(database, cache, tmp_path, stop_s=0.1)

    async def stop() -> float:
        over = asyncio.Event()

        async def deaf() -> None:
            while not over.is_set():
                try:
                    await over.wait()
                except asyncio.CancelledError:
                    continue

        task = asyncio.create_task(deaf())
        begun = time.monotonic()
        await bench.drain.finish(task)
        took_s = time.monotonic() - begun
        over.set()
        await task
        return took_s

    assert asyncio.run(stop()) < 5
    assert bench.job.abandoned


def test_while_stopping_a_failure_is_no_pause(bench: Bench) -> None:
    """A store that is away at the stop: what is left waits for the next start."""

    async def stop() -> bool:
        async def nothing() -> None:
            return

        await bench.drain.finish(asyncio.create_task(nothing()))
        bench.job.errors = [StoreError("away")]
        return await bench.drain.attempt()

    assert not asyncio.run(stop())
    assert bench.runs() == []
    assert bench.healer.checked == 0


def test_a_shut_gate_keeps_new_work_out(bench: Bench) -> None:
    """Nothing is begun and nothing is recorded as a failure; open again, it goes on at once."""
    bench.gate.shut("memory")
    assert not bench.attempt()
    assert (bench.job.drains, bench.healer.healed) == (0, 0)
    bench.gate.open("memory")
    assert bench.attempt()
    assert bench.runs() == []


def test_a_gate_that_is_shut_meanwhile_ends_the_drain_between_batches(bench: Bench) -> None:
    """The job finds it shut before its next batch; that is no failure, and there is no pause."""
    heal = bench.healer.heal

    async def shut_after(lock: asyncio.Lock) -> int:
        bench.gate.shut("relief")
        return await heal(lock)

    bench.healer.heal = shut_after  # type: ignore[method-assign]
    assert not bench.attempt()
    assert (bench.job.drains, bench.gate.turned_away) == (1, 1)
    bench.healer.heal = heal  # type: ignore[method-assign]
    bench.gate.open("relief")
    assert bench.attempt()
    assert bench.runs() == []
