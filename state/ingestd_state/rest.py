"""Whether everything that the table knows of is done: nothing due, in hand, in motion or broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from . import due
from .schema import chunks, collections, documents, orphans
from .status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_MOVING = (ChunkStatus.PLANNED.value, ChunkStatus.DOOMED.value)


def at_rest(connection: Connection, now: float, source_ids: Sequence[int]) -> bool:
    """Whether these sources have nothing to be done; cheap with any number of documents."""
    left = (
        select(documents.c.id).where(documents.c.status == DocumentStatus.WORKING.value).exists(),
        select(chunks.c.slot).where(chunks.c.status.in_(_MOVING)).exists(),
        select(orphans.c.slot).exists(),
        select(collections.c.name).where(collections.c.refill_since.is_not(None)).exists(),
    )
    moving = bool(connection.execute(select(or_(*left))).scalar_one())
    return not moving and not due.is_due(connection, now, source_ids)
