"""Slots of a collection that no document owns: found by a check, deleted by the embed job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from .parts import parts
from .schema import chunks, documents, orphans, sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


def unknown(connection: Connection, collection: str, slots: Sequence[str]) -> list[str]:
    """Which of these slots of a collection no document owns, in the given order.

    A document owns its slots in the collection that its source writes to now, and in no other.
    """
    owned: set[str] = set()
    for part in parts(slots):
        rows = connection.execute(
            select(chunks.c.slot)
            .join(documents, documents.c.id == chunks.c.document_id)
            .join(sources, sources.c.id == documents.c.source_id)
            .where(chunks.c.slot.in_(part), sources.c.collection == collection)
        )
        owned.update(row.slot for row in rows)
    return [slot for slot in slots if slot not in owned]


def add(connection: Connection, collection: str, slots: Sequence[str]) -> None:
    """Have these slots deleted, unless a document owns them by then."""
    for part in parts(slots):
        forget(connection, collection, part)
        connection.execute(
            orphans.insert(), [{"collection": collection, "slot": slot} for slot in part]
        )


def due(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Slots to delete, at most ``limit``, each with its collection."""
    rows = connection.execute(
        select(orphans.c.slot, orphans.c.collection)
        .order_by(orphans.c.collection, orphans.c.slot)
        .limit(limit)
    )
    return [(row.slot, row.collection) for row in rows]


def forget(connection: Connection, collection: str, slots: Sequence[str]) -> None:
    """These are gone, or owned by a document again."""
    for part in parts(slots):
        connection.execute(
            delete(orphans).where(orphans.c.collection == collection, orphans.c.slot.in_(part))
        )


def count(connection: Connection) -> int:
    """How many wait to be deleted."""
    return connection.execute(select(func.count()).select_from(orphans)).scalar_one()
