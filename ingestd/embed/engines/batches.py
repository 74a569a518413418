"""How many texts go through a model in one call on a CPU, and which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STEP = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """How much goes through the model in one call.

    Attributes:
        texts: at most so many.
        tokens: at most so many, once padded; a single text may have more.
    """

    texts: int = 4
    tokens: int = 512


USUAL = Batch()
"""Small: the activations stay in the cache of a core."""
SINGLE = Batch(texts=1)
UNBOUNDED = 2**31 - 1
TORCH = {"fp32": Batch(2, UNBOUNDED), "bf16": Batch(4, UNBOUNDED)}
"""For torch on a CPU, by precision: it forms its batches by the number of texts."""
GPU = Batch(64, UNBOUNDED)


def plan_batches(
    lengths: Sequence[int], batch: Batch = USUAL, *, even: bool = False
) -> Iterator[list[int]]:
    """Cut texts into batches of like length, the longest first so that no thread ends late.

    Args:
        lengths: tokens of each text.
        batch: how large one may be.
        even: whether the number of texts in a batch must be a power of two.

    Yields:
        Positions of the texts of a batch.
    """
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    start = 0
    while start < len(order):
        fitting = batch.tokens // max(1, lengths[order[start]])
        number = max(1, min(batch.texts, fitting, len(order) - start))
        if even:
            number = 1 << number.bit_length() - 1
        yield order[start : start + number]
        start += number


def padded(length: int, longest: int) -> int:
    """The length that a text is padded to where few shapes must do: within an eighth of its own.

    Args:
        length: tokens of the text.
        longest: what the model takes.
    """
    step = max(_STEP, 1 << max(0, (length - 1).bit_length() - 4))
    return min(-(-length // step) * step, max(length, longest))
