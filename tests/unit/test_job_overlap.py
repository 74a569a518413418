"""Batches overlap, and what is urgent overtakes: shown by the order of events, never by time."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_job import NUMBERS, Bench

from ingestd.embed import carry
from ingestd.embed.batch import BATCHES
from ingestd.embed.pace import Pace
from ingestd.errors import StoreError
from ingestd.reconcile import Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

DEADLINE_S = 30.0
MANY = {f"n{number:02}": f"Text {number}." for number in range(40)}


class OneByOne(Pace):
    """A text at a time."""

    def window(self, sizes: Iterable[int]) -> int:
        """Always one."""
        return 1


class Slow(Bench):
    """A job whose stages tell what they do, and wait where a test says so.

    Attributes:
        events: what was done, in order: ``read n1``, ``embed Text 1.``, ``store Text 1.``
        waits: called before an event, in the thread of its stage, with the stage, and how many
            events of it there were.
    """

    def __init__(self, database: Database, cache: Database, source: WatchedSource) -> None:
        super().__init__(database, cache, source)
        self.events: list[str] = []
        self.waits: Callable[[str, int], None] = lambda _stage, _number: None
        parts: Any = self.job._parts  # noqa: SLF001 - to listen at the seams
        parts.texts._pace = OneByOne()  # noqa: SLF001 - the same
        self._listen(parts.preparer, "prepare", "read", lambda document, _source: document.path)
        self._listen(self.model, "embed", "embed", lambda texts: texts[0])
        self._listen(self.collection, "upsert", "store", lambda *args: "|".join(sorted(args[2])))

    def _listen(self, part: Any, name: str, stage: str, of: Callable[..., Any]) -> None:
        method = getattr(part, name)

        def heard(*arguments: Any) -> Any:
            what = of(*arguments)
            self.waits(stage, len(self.seen(stage)))
            self.events.append(f"{stage} {what.decode()[:-4] if isinstance(what, bytes) else what}")
            return method(*arguments)

        setattr(part, name, heard)

    def seen(self, stage: str) -> list[str]:
        """The events of a stage."""
        return [event for event in self.events if event.startswith(stage)]

    def edit(self, **texts: str) -> None:
        """Save files, as events tell of them: all at once."""
        for name, text in texts.items():
            Path(self.source.root.decode(), f"{name}.txt").write_text(text, encoding="utf-8")
        paths = [f"{name}.txt".encode() for name in texts]
        Reconciler(self.database, self.clock).look(self.source, paths)

    def run(self, meanwhile: Coroutine[Any, Any, None]) -> int:
        """Drain, while something else happens."""

        async def both() -> int:
            drain = asyncio.create_task(self.job.drain())
            await meanwhile
            return await drain

        return asyncio.run(both())


@pytest.fixture
def bench(
    database: Database, cache: Database, source: Callable[..., WatchedSource]
) -> Iterator[Slow]:
    """A job with nothing to do."""
    made = Slow(database, cache, source())
    yield made
    made.job.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in threads
            await asyncio.sleep(0.001)


def test_three_stages_work_at_the_same_time(bench: Slow) -> None:
    """While the first batch is stored, the next one is encoded, and the third one is read."""
    encoding, reading = threading.Event(), threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) == ("read", 8):
            reading.set()
        if (stage, number) == ("embed", 4):
            encoding.set()
            assert reading.wait(DEADLINE_S)
        if (stage, number) == ("store", 0):
            assert encoding.wait(DEADLINE_S)
            assert reading.wait(DEADLINE_S)

    bench.waits = waits
    bench.write(**NUMBERS)
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 10}
    assert bench.job.bytes_in_hand == 0


def test_a_slow_store_bounds_what_is_in_hand(bench: Slow) -> None:
    """However much is due, no more is read than the batches that may be in hand have together."""
    go_on = threading.Event()
    bench.waits = lambda stage, _number: assert_true(stage != "store" or go_on.wait(DEADLINE_S))
    bench.write(**MANY)

    async def meanwhile() -> None:
        await until(lambda: len(bench.seen("embed")) == 4 * BATCHES)
        assert len(bench.seen("read")) == 4 * BATCHES
        assert bench.states() == {"working": 4 * BATCHES, "pending": 40 - 4 * BATCHES}
        read = {event.removeprefix("read ") for event in bench.events}
        assert bench.job.bytes_in_hand == sum(len(MANY[name]) for name in read & MANY.keys())
        assert bench.job.busy
        go_on.set()

    assert bench.run(meanwhile()) == 40
    assert bench.states() == {"indexed": 40}


def assert_true(fact: object) -> None:
    """Fail where it is not so."""
    assert fact


def test_an_edit_overtakes_a_backfill(bench: Slow) -> None:
    """Saved while the first of many texts is encoded, it is read, encoded and stored next."""
    go_on = threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) == ("embed", 1):
            assert go_on.wait(DEADLINE_S)

    bench.waits = waits
    bench.write(**MANY)

    async def meanwhile() -> None:
        await until(lambda: bool(bench.seen("embed")))
        await until(lambda: len(bench.seen("read")) == 4 * BATCHES)
        waiting = next(name for name in MANY if f"read {name}" not in bench.events)
        stages = bench.job._stages  # noqa: SLF001 - nothing else tells, or keeps others out
        edits = {"edited": "Urgent.", waiting: "Urgent as well."}
        # Where claims are made: none comes between the two, and takes but one of them.
        await stages.tables.run(lambda: bench.edit(**edits))
        bench.job.poke()
        await until(lambda: "read edited" in bench.events)
        # Who is urgent stands in the line before the rest of a batch goes on.
        await until(lambda: stages.encode.pressed)
        go_on.set()

    assert bench.run(meanwhile()) == 41
    assert set(bench.seen("embed")[2:4]) == {"embed Urgent.", "embed Urgent as well."}
    assert bench.seen("store")[0] == "store Urgent as well.|Urgent."
    assert bench.states() == {"indexed": 41}


def test_an_edit_is_stored_between_the_portions_of_a_batch(
    bench: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is being stored gives way too, before its next portion."""
    monkeypatch.setattr(carry, "PORTION_CHUNKS", 2)
    go_on = threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) == ("store", 0):
            assert go_on.wait(DEADLINE_S)

    bench.waits = waits
    bench.write(n1="One.", n2="Two.", n3="Three.", n4="Four.")

    async def meanwhile() -> None:
        stages = bench.job._stages  # noqa: SLF001 - nothing else tells
        await until(lambda: len(bench.seen("embed")) == 4)
        bench.edit(edited="Urgent.")
        bench.job.poke()
        await until(lambda: stages._store.pressed)  # noqa: SLF001 - the same
        go_on.set()

    assert bench.run(meanwhile()) == 5
    first, urgent, last = bench.seen("store")
    assert urgent == "store Urgent."
    assert first.count(".") == last.count(".") == 2
    assert bench.states() == {"indexed": 5}


def test_the_last_edit_goes_before_thousands_that_were_copied(bench: Slow) -> None:
    """What came by events is all urgent: the last one is taken up first."""
    for name, text in MANY.items():
        bench.now += 1
        bench.edit(**{name: text})
    bench.now += 1
    bench.edit(edited="Urgent.")
    assert bench.drain() == 41
    assert bench.seen("read")[0] == "read edited"
    assert bench.states() == {"indexed": 41}


def test_a_text_of_two_batches_is_embedded_once(bench: Slow) -> None:
    """Also when both are in hand before the first one is encoded."""
    third = threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) == ("read", 8):
            third.set()
        if stage == "embed":
            assert third.wait(DEADLINE_S)

    bench.waits = waits
    bench.write(**dict.fromkeys(NUMBERS, "Everywhere the same."))
    assert bench.drain() == 10
    assert bench.seen("embed") == ["embed Everywhere the same."]
    assert bench.totals.chunks["embedded"] == 1
    assert bench.totals.chunks["reused"] == 9
    assert len(bench.collection.texts()) == 10


@pytest.mark.parametrize("place", [("read", 8), ("embed", 4), ("store", 0)])
def test_a_failure_gives_back_what_else_is_in_hand(bench: Slow, place: tuple[str, int]) -> None:
    """Whatever the stage: no write is begun after it, and nothing is embedded again."""
    failed = threading.Event()
    bench.write(**NUMBERS)

    def waits(stage: str, number: int) -> None:
        if failed.is_set():
            # The first batch may have its turn already, where the second one fails.
            assert stage != "store" or (place[0] == "embed" and number == 0)
        elif (stage, number) == place:
            failed.set()
            raise MemoryError
        elif (stage, number) == ("embed", 5) or (stage == "store" and place[0] != "store"):
            assert failed.wait(DEADLINE_S)

    bench.waits = waits
    with pytest.raises(MemoryError):
        bench.drain()
    assert "working" not in bench.states()
    assert bench.states()["pending"] >= 6
    bench.waits = lambda _stage, _number: None
    assert bench.drain() >= 6
    assert bench.states() == {"indexed": 10}
    assert len(bench.seen("embed")) == 10
    assert bench.collection.texts() == sorted(NUMBERS.values())


def test_after_a_write_that_broke_off_nothing_is_written_before_it_is_settled(bench: Slow) -> None:
    """Batches that wait for their turn are given back, also those that are ready."""
    ready = threading.Event()

    def waits(stage: str, number: int) -> None:
        if stage == "store":
            assert ready.wait(DEADLINE_S)
            raise StoreError("away")
        if (stage, number) == ("embed", 9):
            ready.set()

    bench.waits = waits
    bench.write(**NUMBERS)
    with pytest.raises(StoreError):
        bench.drain()
    assert bench.states() == {"pending": 10}
    assert bench.collection.texts() == []
    bench.waits = lambda _stage, _number: None
    assert bench.drain() == 10
    assert len(bench.seen("embed")) == 10


def test_a_stop_writes_what_is_ready_of_three_batches(bench: Slow) -> None:
    """One is being stored, one encoded, one read: nothing stays in hand, nothing is lost."""
    go_on = threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) in {("embed", 5), ("read", 9)} or stage == "store":
            assert go_on.wait(DEADLINE_S)

    bench.waits = waits
    bench.write(**NUMBERS)

    async def meanwhile() -> None:
        await until(lambda: len(bench.seen("embed")) == 5)
        await until(lambda: len(bench.seen("read")) == 9)
        bench.job.stop()
        go_on.set()

    bench.run(meanwhile())
    # The first batch, and what of the second one went through the model.
    assert bench.states() == {"indexed": 6, "pending": 4}
    assert len(bench.seen("embed")) == 6


def test_nobody_waits_for_what_is_abandoned(bench: Slow) -> None:
    """The drain ends at once, in whatever each stage is; another start does it all."""
    go_on = threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) == ("embed", 5) or stage == "store":
            go_on.wait(DEADLINE_S)

    bench.waits = waits
    bench.write(**NUMBERS)

    async def abandoned() -> None:
        drain = asyncio.create_task(bench.job.drain())
        await until(lambda: len(bench.seen("embed")) == 5 and len(bench.seen("read")) == 10)
        bench.job.abandon()
        drain.cancel()
        done, _ = await asyncio.wait([drain], timeout=DEADLINE_S)
        assert done
        assert bench.states() == {"working": 10}
        go_on.set()

    asyncio.run(abandoned())
    bench.job.close()
    bench.job._stages.encode._executor.shutdown()  # noqa: SLF001 - a process would end here
    bench.job._stages._store._executor.shutdown()  # noqa: SLF001 - the same
    later = Bench(bench.database, bench.cache, bench.source)
    later.collection.__dict__.update(
        {name: value for name, value in bench.collection.__dict__.items() if name != "upsert"}
    )
    assert later.drain() >= 6
    assert later.states() == {"indexed": 10}
    assert later.collection.texts() == sorted(NUMBERS.values())
    later.job.close()


def test_the_lock_is_free_between_two_writes(bench: Slow) -> None:
    """Who exchanges Chroma's files waits for one write, not for a batch, and nobody writes then."""
    bench.write(**MANY)

    async def run() -> list[int]:
        drain, seen = asyncio.create_task(bench.job.drain()), []
        while not drain.done():
            async with bench.job.lock:
                seen.append(bench.collection.count())
                await asyncio.sleep(0.002)
                assert bench.collection.count() == seen[-1]
            await asyncio.sleep(0)
        await drain
        return seen

    assert len(set(asyncio.run(run()))) >= 5


def test_the_model_is_closed_between_two_windows(bench: Slow) -> None:
    """Who wants its memory back gets it while batches are in hand; the next text opens it again."""
    closed: list[str] = []
    bench.model.close = lambda: closed.append(bench.events[-1])  # type: ignore[method-assign]
    bench.write(**MANY)

    async def meanwhile() -> None:
        await until(lambda: len(bench.seen("embed")) > 4)
        await bench.job.stages.encode.run(bench.texts.close)
        await bench.job.rest()

    assert bench.run(meanwhile()) == 40
    assert len(closed) == 1


def test_what_the_model_waits_for_is_counted(bench: Slow) -> None:
    """The time in which it had nothing in hand while texts were on their way to it."""
    nothing = threading.Event()

    def waits(stage: str, number: int) -> None:
        if (stage, number) == ("read", 1):
            before = bench.totals.waits.seconds
            while bench.totals.waits.seconds < before + 0.05:
                nothing.wait(0.005)

    bench.waits = waits
    bench.write(**NUMBERS)
    bench.drain()
    seconds = bench.totals.waits.seconds
    assert seconds >= 0.05
    nothing.wait(0.05)
    assert bench.totals.waits.seconds == seconds
