"""How much goes through the model at once: what it does in a quarter of a second."""

from __future__ import annotations

from ingestd.embed.pace import FIRST_BYTES, LEAST_BYTES, MOST_BYTES, MOST_TEXTS, TARGET_S, Pace


def test_a_window_has_what_fits_and_at_least_one() -> None:
    """A text that is too long for any window comes alone."""
    pace = Pace(10)
    assert pace.window([5, 5, 1]) == 2
    assert pace.window([11, 1]) == 1
    assert pace.window([3]) == 1
    assert pace.window([0] * 2 * MOST_TEXTS) == MOST_TEXTS


def test_the_pace_of_the_model_is_learned() -> None:
    """Whatever the model: after some windows one takes the time that it should, within bounds."""
    for bytes_a_second in (100.0, 20_000.0, 200_000.0, 1e12):
        pace = Pace()
        for _ in range(40):
            pace.learn(pace.bytes, pace.bytes / bytes_a_second)
        expected = min(MOST_BYTES, max(LEAST_BYTES, bytes_a_second * TARGET_S))
        assert abs(pace.bytes - expected) <= expected * 0.02


def test_a_short_window_teaches_nothing() -> None:
    """The edit of one sentence says little about how long a page takes."""
    pace = Pace()
    pace.learn(FIRST_BYTES // 4, 10.0)
    assert pace.bytes == FIRST_BYTES
