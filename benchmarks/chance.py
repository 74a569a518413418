"""Repeatable choices that are the same on every machine and in every version of Python."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Chance:
    """A stream of choices.

    Of Python's generator only ``random()`` is used: what its other methods make of that may change
    from version to version.

    Args:
        seed: what decides everything.
    """

    __slots__ = ("random",)

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random  # noqa: S311 - repeatable

    def below(self, limit: int) -> int:
        """A number from 0 up to, and without, ``limit``."""
        return int(self.random() * limit)

    def of(self, values: Sequence[T]) -> T:
        """One of some values."""
        return values[int(self.random() * len(values))]

    def date(self) -> str:
        """A day of the last years, as ISO 8601 writes it."""
        return f"{2015 + self.below(11)}-{1 + self.below(12):02}-{1 + self.below(28):02}"
