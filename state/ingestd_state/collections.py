"""Which collections are to be filled anew from the vectors cache, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from .schema import collections

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Refill:
    """A collection that is to be filled anew.

    Attributes:
        name: of the collection.
        since: when that was found out, Unix seconds.
        reason: what is wrong with its index.
    """

    name: str
    since: float
    reason: str


def flag(connection: Connection, name: str, reason: str, *, now: float) -> None:
    """Remember, before anything is moved, that a collection is to be filled anew."""
    unflag(connection, name)
    connection.execute(collections.insert().values(name=name, refill_since=now, reason=reason))


def unflag(connection: Connection, name: str) -> None:
    """It is filled."""
    connection.execute(delete(collections).where(collections.c.name == name))


def flagged(connection: Connection) -> list[Refill]:
    """Those that are to be filled anew, by name."""
    rows = connection.execute(
        select(collections)
        .where(collections.c.refill_since.is_not(None))
        .order_by(collections.c.name)
    )
    return [Refill(row.name, row.refill_since, row.reason) for row in rows]
