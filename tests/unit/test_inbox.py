"""When a path is due, how the worker waits, and what happens to a flood."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from ingestd.watch.inbox import TAKE_LIMIT, Entry, Inbox, Pace, due

PACE = Pace(settle_s=0.2, max_wait_s=5.0)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at 100 s."""
    return Clock()


def entry(*, first: float, last: float, closed: bool = False) -> Entry:
    """A waiting path."""
    return Entry(first, last, closed)


class TestDue:
    """The decision, without time passing."""

    def test_quiet(self) -> None:
        """A path is due after the settle time, and not before."""
        entries = {("s", b"a"): entry(first=1.0, last=1.0)}
        assert due(entries, 1.1, PACE) == ([], 1.2)
        assert due(entries, 1.2, PACE) == ([("s", b"a")], None)

    def test_closed(self) -> None:
        """A closed path is due at once."""
        entries = {("s", b"a"): entry(first=1.0, last=1.0, closed=True)}
        assert due(entries, 1.0, PACE) == ([("s", b"a")], None)

    def test_always_written(self) -> None:
        """A path that never gets quiet is due after the maximum wait."""
        entries = {("s", b"a"): entry(first=1.0, last=5.95)}
        assert due(entries, 5.99, PACE) == ([], 6.0)
        assert due(entries, 6.0, PACE) == ([("s", b"a")], None)

    def test_order_of_arrival(self) -> None:
        """Paths come in order of arrival, those not due left out."""
        entries = {
            ("s", b"c"): entry(first=1.0, last=1.0),
            ("t", b"a"): entry(first=1.1, last=9.9),
            ("s", b"b"): entry(first=1.2, last=1.2),
        }
        assert due(entries, 2.0, PACE)[0] == [("s", b"c"), ("s", b"b")]

    def test_limit(self) -> None:
        """No more than the limit come at once."""
        entries = {("s", b"%d" % at): entry(first=1.0, last=1.0) for at in range(10)}
        assert len(due(entries, 9.0, PACE, limit=3)[0]) == 3

    def test_next_time_is_the_earliest(self) -> None:
        """While nothing is due, the time to look again is the earliest of all."""
        entries = {
            ("s", b"a"): entry(first=1.0, last=3.0),
            ("s", b"b"): entry(first=2.0, last=2.9),
        }
        assert due(entries, 3.0, PACE) == ([], pytest.approx(3.1))

    def test_nothing(self) -> None:
        """An empty inbox names no time."""
        assert due({}, 1.0, PACE) == ([], None)


class TestPut:
    """What events do to waiting paths, on a clock that stands."""

    async def test_one_entry_a_path(self, clock: Clock) -> None:
        """Many events of one path are one path to take."""
        inbox = Inbox(asyncio.get_running_loop(), clock=clock)
        for _ in range(100):
            inbox.put("s", b"a", False)
        assert len(inbox) == 1
        clock.now += 0.2
        assert await inbox.take() == [("s", b"a")]
        assert len(inbox) == 0

    async def test_same_path_of_two_sources(self, clock: Clock) -> None:
        """A path counts with its source."""
        inbox = Inbox(asyncio.get_running_loop(), clock=clock)
        inbox.put("s", b"a", True)
        inbox.put("t", b"a", True)
        assert await inbox.take() == [("s", b"a"), ("t", b"a")]

    async def test_written_again_after_close(self, clock: Clock) -> None:
        """A path that was closed waits again when it is written to."""
        inbox = Inbox(asyncio.get_running_loop(), clock=clock)
        inbox.put("s", b"a", True)
        inbox.put("s", b"a", False)
        inbox.put("s", b"b", True)
        assert await inbox.take() == [("s", b"b")]
        clock.now += 0.2
        assert await inbox.take() == [("s", b"a")]

    async def test_taken_in_portions(self, clock: Clock) -> None:
        """A crowd is taken in bounded portions, in order."""
        inbox = Inbox(asyncio.get_running_loop(), clock=clock)
        keys = [("s", b"%d" % at) for at in range(TAKE_LIMIT + 10)]
        for source, path in keys:
            inbox.put(source, path, True)
        assert await inbox.take() == keys[:TAKE_LIMIT]
        assert await inbox.take() == keys[TAKE_LIMIT:]


class TestOverflow:
    """More paths than may wait."""

    async def test_fullest_source_is_dropped(self, clock: Clock) -> None:
        """The source with the most paths loses them and is named once; the others keep theirs."""
        inbox = Inbox(asyncio.get_running_loop(), clock=clock, limit=10)
        for at in range(9):
            inbox.put("big", b"%d" % at, False)
        inbox.put("small", b"a", False)
        inbox.put("small", b"b", False)
        assert len(inbox) == 2
        assert await inbox.take() == []
        assert inbox.overflowed() == {"big"}
        assert inbox.overflowed() == set()
        clock.now += 1
        assert await inbox.take() == [("small", b"a"), ("small", b"b")]

    async def test_dropped_source_stays_out_until_asked(self, clock: Clock) -> None:
        """Paths of a dropped source are not kept before its scan, and are kept after."""
        inbox = Inbox(asyncio.get_running_loop(), clock=clock, limit=3)
        for at in range(1000):
            inbox.put("s", b"%d" % at, True)
        assert len(inbox) == 0
        assert inbox.overflowed() == {"s"}
        inbox.put("s", b"x", True)
        assert len(inbox) == 1

    async def test_overflow_wakes_the_worker(self) -> None:
        """The worker returns with nothing, so that it can ask what was lost."""
        inbox = Inbox(asyncio.get_running_loop(), limit=3)
        waiting = asyncio.create_task(inbox.take())
        await asyncio.sleep(0)
        for at in range(4):
            inbox.put("s", b"%d" % at, False)
        assert await asyncio.wait_for(waiting, 5) == []


class TestWaiting:
    """The worker on a real loop."""

    async def test_closed_path_wakes_at_once(self) -> None:
        """A close ends the wait, although another path has long to settle."""
        inbox = Inbox(asyncio.get_running_loop(), settle_s=60, max_wait_s=600)
        waiting = asyncio.create_task(inbox.take())
        await asyncio.sleep(0)
        inbox.put("s", b"slow", False)
        await asyncio.sleep(0)
        inbox.put("s", b"quick", True)
        assert await asyncio.wait_for(waiting, 5) == [("s", b"quick")]

    async def test_settled_path_is_taken(self) -> None:
        """A path is taken when its settle time has passed, not before."""
        inbox = Inbox(asyncio.get_running_loop(), settle_s=0.05)
        start = time.monotonic()
        inbox.put("s", b"a", False)
        assert await asyncio.wait_for(inbox.take(), 5) == [("s", b"a")]
        assert time.monotonic() - start >= 0.05

    async def test_idle_means_no_wake_ups(self) -> None:
        """Without events, the worker's task is not run at all, and no timer is set."""
        loop = asyncio.get_running_loop()
        inbox = Inbox(loop)
        waiting = asyncio.create_task(inbox.take())
        await asyncio.sleep(0)
        assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # noqa: SLF001  # the only way to see timers
        waiting.cancel()

    async def test_one_call_for_many_puts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many paths arrive before the worker looks, the loop is called once."""
        loop = asyncio.get_running_loop()
        calls = []
        real = loop.call_soon_threadsafe
        monkeypatch.setattr(
            loop, "call_soon_threadsafe", lambda *args: (calls.append(args), real(*args))
        )
        inbox = Inbox(loop)
        for at in range(1000):
            inbox.put("s", b"%d" % at, True)
        assert len(calls) == 1
        assert len(await inbox.take()) == 1000

    async def test_cancelled_wait_loses_nothing(self) -> None:
        """A path that arrives while the wait is cancelled is there for the next."""
        inbox = Inbox(asyncio.get_running_loop())
        waiting = asyncio.create_task(inbox.take())
        await asyncio.sleep(0)
        inbox.put("s", b"a", True)
        waiting.cancel()
        assert await asyncio.wait_for(inbox.take(), 5) == [("s", b"a")]

    async def test_threads(self) -> None:
        """Nothing that four threads put gets lost, while the worker takes."""
        inbox = Inbox(asyncio.get_running_loop(), settle_s=0.01, max_wait_s=0.05)
        total = 4 * 2500

        def write(thread: int) -> None:
            for at in range(2500):
                inbox.put(f"s{thread}", b"%d" % at, at % 3 == 0)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        taken: set[tuple[str, bytes]] = set()
        async with asyncio.timeout(20):
            while len(taken) < total:
                taken.update(await inbox.take())
        for thread in threads:
            thread.join()
        assert len(inbox) == 0

    def test_closed_loop(self) -> None:
        """A put after the loop has closed does not raise: watcher threads end later."""
        loop = asyncio.new_event_loop()
        inbox = Inbox(loop)
        loop.close()
        inbox.put("s", b"a", True)
