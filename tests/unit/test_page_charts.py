"""The drawing of the last day, and the guess at when what waits is done."""

from __future__ import annotations

import re

import pytest

from ingestd.history import Sample
from ingestd.page.charts import DAY_S, HEIGHT, WIDTH, chart
from ingestd.page.estimate import LEAST_S, WINDOW_S, Pace

NOW = 2_000_000.0


def sample(minutes_ago: float, documents: int) -> Sample:
    """A sample of this many documents."""
    return Sample(NOW - 60 * minutes_ago, documents, 0, 1)


def drawn(*samples: Sample) -> str:
    """The line of these."""
    return chart(samples, NOW, lambda one: one.documents).path


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty day has no line, and no highest value."""
    found = chart([], NOW, lambda one: one.documents)
    assert (found.path, found.area, found.most, found.total) == ("", "", 0.0, 0.0)


def test_the_highest_of_five_minutes_is_drawn_at_its_place() -> None:
    """The newest at the right edge, the highest value at the top, nothing at the bottom."""
    day = [sample(m, 0) for m in range(1_439, 0, -1)]
    day[-1:] = [sample(0.5, 40)]
    found = chart(day, NOW, lambda one: one.documents)
    assert found.path.startswith(f"M0 {HEIGHT:.1f}")
    assert found.path.endswith(f"V0.0H{WIDTH}")
    assert (found.most, found.last, found.total) == (40, 40, 40)
    assert found.path.count("V") == WIDTH


def test_a_gap_is_no_zero() -> None:
    """While the daemon did not run there is no line."""
    assert drawn(sample(600, 2), sample(1, 2)).count("M") == 2
    assert drawn(sample(9, 2), sample(4, 2)).count("M") == 1


def test_what_is_outside_of_the_day_is_left_out() -> None:
    """Older samples, and those of a clock that was ahead."""
    later, earlier = Sample(NOW + 3_600, 9, 0, 1), Sample(NOW - DAY_S - 3_600, 9, 0, 1)
    found = chart([earlier, sample(1, 3), later], NOW, lambda one: one.documents)
    assert found.most == 3


def test_the_drawing_is_numbers_only() -> None:
    """Whatever the values are: commands of SVG and numbers."""
    found = drawn(*(sample(m, m * m) for m in range(100, 0, -1)))
    assert re.fullmatch(r"[MVH0-9. ]+", found)


def test_too_little_says_nothing() -> None:
    """Neither a moment nor a few documents tell how fast it is."""
    pace = Pace()
    assert pace.left_s(10) is None
    pace.note(0, 0)
    pace.note(LEAST_S / 2, 100)
    assert pace.left_s(10) is None
    slow = Pace()
    slow.note(0, 0)
    slow.note(100, 2)
    assert slow.left_s(10) is None


def test_the_last_minutes_tell_when_it_is_done() -> None:
    """Ten documents a second: a thousand take a hundred seconds."""
    pace = Pace()
    for second in range(60):
        pace.note(second, 10 * second)
    assert pace.left_s(1_000) == pytest.approx(100)


def test_what_was_long_ago_does_not_count() -> None:
    """An hour of slow work, then quick work: what is left goes quickly."""
    pace = Pace()
    for minute in range(60):
        pace.note(60 * minute, minute)
    end = 60 * 60
    for second in range(int(WINDOW_S) + 1):
        pace.note(end + second, 60 + 5 * second)
    assert pace.left_s(500) == pytest.approx(100, rel=0.05)


def test_rest_before_the_work_is_not_slowness() -> None:
    """Minutes in which nothing was to do do not make the estimate longer."""
    pace = Pace()
    for minute in range(5):
        pace.note(60 * minute, 7)
    for second in range(20):
        pace.note(240 + second, 7 + 10 * second)
    assert pace.left_s(100) == pytest.approx(10)


def test_it_remembers_no_more_than_the_window() -> None:
    """However often somebody looks."""
    pace = Pace()
    for second in range(5_000):
        pace.note(second, second)
    assert len(pace._points) <= WINDOW_S + 2  # noqa: SLF001 - the bound is the point
