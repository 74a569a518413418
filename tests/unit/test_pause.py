"""The pause between two tries: it doubles, has an end, and is over with a success."""

from __future__ import annotations

from ingestd.pause import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pause


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


def test_it_doubles_up_to_its_longest() -> None:
    """Each failure in a row waits twice as long as the one before, and never longer than named."""
    pause = Pause(Clock())
    waits = [pause.failed("store")[0] for _ in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (waits[0], waits[-1]) == (FIRST_PAUSE_S, LONGEST_PAUSE_S)


def test_it_rests_until_the_next_try() -> None:
    """It is time again exactly when the wait that was told is over."""
    clock = Clock()
    pause = Pause(clock)
    assert not pause.resting
    wait_s, _ = pause.failed("store")
    assert pause.resting
    clock.now += wait_s - 0.01
    assert pause.resting
    clock.now += 0.01
    assert not pause.resting


def test_a_success_ends_it() -> None:
    """After a success the next failure is the first again; it tells how long the trouble took."""
    clock = Clock()
    pause = Pause(clock)
    assert pause.succeeded() == (None, "")
    pause.failed("store")
    clock.now += 5
    pause.failed("disk_full")
    clock.now += 7
    assert pause.succeeded() == (12.0, "disk_full")
    assert not pause.resting
    assert pause.succeeded() == (None, "")
    assert pause.failed("store")[0] == FIRST_PAUSE_S


def test_news_is_told_once() -> None:
    """The first failure of a kind is news; the same again is not; another kind is."""
    pause = Pause(Clock())
    told = [pause.failed(code)[1] for code in ("store", "store", "disk_full", "disk_full", "store")]
    assert told == [True, False, True, False, True]
