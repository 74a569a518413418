"""Batches of texts of like length, and of few shapes where an engine keeps each."""

from __future__ import annotations

import pytest

from ingestd.embed.engines.batches import padded, plan_batches


def test_batches_hold_texts_of_like_length() -> None:
    """Each text is in one batch; a batch has at most four, of at most 512 tokens once padded."""
    lengths = [1, 256, 3, 250, 128, 2, 600, 130, 4, 5, 0]
    batches = list(plan_batches(lengths))
    assert sorted(at for batch in batches for at in batch) == list(range(len(lengths)))
    assert batches[0] == [6]
    for batch in batches[1:]:
        assert len(batch) <= 4
        assert len(batch) * max(lengths[at] for at in batch) <= 512


def test_batches_of_a_power_of_two() -> None:
    """Where few shapes must do, a rest of seven goes through as four, two and one."""
    sizes = [len(batch) for batch in plan_batches([10] * 15, even=True)]
    assert sizes == [4, 4, 4, 2, 1]
    assert [len(batch) for batch in plan_batches([200] * 5, even=True)] == [2, 2, 1]


@pytest.mark.parametrize("longest", [40, 256, 512, 8192])
def test_few_lengths_do(longest: int) -> None:
    """Padding gives few lengths, none too short, at most a sixth longer past 96 tokens."""
    widths = [padded(length, longest) for length in range(1, longest + 1)]
    assert len(set(widths)) <= 16 + 8 * max(0, longest.bit_length() - 9)
    assert widths == sorted(widths)
    assert max(widths) == longest
    assert all(width >= length for length, width in enumerate(widths, 1))
    assert all(width <= length * 7 / 6 for length, width in enumerate(widths, 1) if length > 96)
