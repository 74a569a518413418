"""What the daemon did over the last day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.history import EVERY_S, FILE, KEPT_S, SAVE_EVERY, History

if TYPE_CHECKING:
    from pathlib import Path


class Clockwork:
    """A time that is set, and counts that grow."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.now = 1_000_000.0
        self.counts = (0, 0)

    def history(self) -> History:
        """A history on the file."""
        return History(self.file, lambda: self.counts, lambda: 7, lambda: self.now)

    def minute(self, history: History, documents: int = 0) -> None:
        """Let a minute pass in which so much is done."""
        self.now += EVERY_S
        self.counts = (self.counts[0] + documents, self.counts[1] + 2 * documents)
        history.sample()


def test_a_sample_tells_what_a_minute_did(tmp_path: Path) -> None:
    """Counts since the start become counts of each minute."""
    clock = Clockwork(tmp_path)
    history = clock.history()
    for documents in (5, 0, 3):
        clock.minute(history, documents)
    found = history.read()
    assert [(one.documents, one.chunks, one.memory) for one in found] == [
        (5, 10, 7),
        (0, 0, 7),
        (3, 6, 7),
    ]
    assert found[-1].at == clock.now


def test_the_minute_that_has_begun_is_told_and_not_counted_twice(tmp_path: Path) -> None:
    """What is done is seen before the minute is over."""
    clock = Clockwork(tmp_path)
    history = clock.history()
    clock.minute(history, 5)
    clock.counts = (8, 16)
    assert (history.now().documents, history.now().chunks) == (3, 6)
    clock.minute(history, 1)
    assert [one.documents for one in history.read()] == [5, 4]


def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    """What was saved is there again, and counts that begin anew are no loss."""
    clock = Clockwork(tmp_path)
    first = clock.history()
    clock.minute(first, 5)
    first.save()
    clock.counts = (0, 0)
    second = clock.history()
    clock.minute(second, 2)
    assert [one.documents for one in second.read()] == [5, 2]


def test_it_is_written_seldom(tmp_path: Path) -> None:
    """A daemon at rest writes once in so many minutes."""
    clock = Clockwork(tmp_path)
    history = clock.history()
    for _ in range(SAVE_EVERY - 1):
        clock.minute(history)
    assert not clock.file.exists()
    clock.minute(history)
    assert clock.file.exists()


def test_a_day_is_the_most(tmp_path: Path) -> None:
    """Older samples go, in memory and when it is read again."""
    clock = Clockwork(tmp_path)
    history = clock.history()
    for _ in range(int(KEPT_S / EVERY_S) + 50):
        clock.minute(history, 1)
    assert len(history.read()) == KEPT_S / EVERY_S
    history.save()
    clock.now += KEPT_S / 2
    assert len(clock.history().read()) == KEPT_S / EVERY_S / 2


def test_what_cannot_be_read_or_written_hinders_nothing(tmp_path: Path) -> None:
    """A damaged file is forgotten; a folder in its place is told."""
    clock = Clockwork(tmp_path)
    clock.file.write_text('[{"at": 1}]', "utf-8")
    history = clock.history()
    assert history.read() == []
    clock.file.unlink()
    clock.file.mkdir()
    clock.minute(history, 1)
    history.save()
    assert [one.documents for one in history.read()] == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]
