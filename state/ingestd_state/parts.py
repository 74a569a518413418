"""Rows by long lists of values: cut into parts that fit into one IN list of any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, ColumnElement

T = TypeVar("T")

VARIABLES = 500
"""How many values go into one IN list; SQLite refuses a statement with more than 32,766."""


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in order, at most `VARIABLES` at a time; nothing for no values."""
    for start in range(0, len(values), VARIABLES):
        yield values[start : start + VARIABLES]


def unindexed(column: Column[T]) -> ColumnElement[T]:
    """A column, for a condition beside such a list that no index shall serve.

    SQLite takes ten rows to be in one state, which are fewer than a list has values. It would read
    all rows in that state, a million perhaps, for each part of the list.
    """
    return func.coalesce(column, column)
