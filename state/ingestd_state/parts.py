"""Long lists of values, cut into parts that fit into one IN list of any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

VARIABLES = 500
"""How many values go into one IN list; SQLite refuses a statement with more than 32,766."""


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in order, at most `VARIABLES` at a time; nothing for no values."""
    for start in range(0, len(values), VARIABLES):
        yield values[start : start + VARIABLES]
