"""How much text goes through the model at once, so that who is urgent need not wait for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGET_S = 0.3
FIRST_BYTES = 16 * 1024
"""What two cores do in that time with the packaged model; others are learned."""
LEAST_BYTES = 6 * 1024
"""Smaller windows cost more: measured, 7 % of the processor's time at 4 KiB, nothing at 12."""
MOST_BYTES = 1024 * 1024
MOST_TEXTS = 512


class Pace:
    """Learns how many bytes of text the model takes in about `TARGET_S`.

    Bytes, because they are what tokens are: Korean has three times the tokens of English in a
    character, and three times the bytes.

    Attributes:
        bytes: so many.
    """

    def __init__(self, first_bytes: int = FIRST_BYTES) -> None:
        self.bytes = first_bytes

    def window(self, sizes: Iterable[int]) -> int:
        """How many texts of these sizes in bytes go through the model next; at least one."""
        held = number = 0
        for size in sizes:
            held += size
            if number and (held > self.bytes or number == MOST_TEXTS):
                break
            number += 1
        return number

    def learn(self, size: int, seconds: float) -> None:
        """So long a window of so many bytes took; half of what is new is believed."""
        if size < self.bytes // 2:
            return  # what does not depend on the length weighs too much in a short one
        wanted = size * TARGET_S / max(seconds, 1e-4)
        self.bytes = int(min(MOST_BYTES, max(LEAST_BYTES, (self.bytes + wanted) / 2)))


def size_of(text: str) -> int:
    """Bytes of a text."""
    return len(text.encode("utf-8", "replace"))
