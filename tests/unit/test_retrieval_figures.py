"""How sure the figures of so few questions are."""

from __future__ import annotations

import pytest

from benchmarks.retrieval import interval


@pytest.mark.parametrize(
    ("hits", "asked", "range_"),
    [(32, 40, (0.652, 0.895)), (10, 10, (0.722, 1.0)), (0, 10, (0.0, 0.278))],
)
def test_the_range_of_a_share_is_wilsons(
    hits: int, asked: int, range_: tuple[float, float]
) -> None:
    """Known values of Wilson's interval: within 0 and 1, and not empty where all were found."""
    assert interval(hits, asked) == pytest.approx(range_, abs=0.001)
