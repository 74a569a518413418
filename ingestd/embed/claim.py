"""Takes due documents in hand: first what somebody waits for, a little at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd_state import due, failpoint

from .batch import URGENT_BYTES, URGENT_DOCUMENTS, Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection

    from ingestd.settings.running import LimitSettings
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database


class HinderedError(Exception):
    """Nothing may be taken up now; the cause says why."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be taken up.

    Attributes:
        urgent: what somebody waits for.
        others: whatever is due.
        large: also large documents, among the others.
        put_off: also what was put off, where nothing else is due.
        in_hand: ids of documents that are in hand, and may be due again.
    """

    urgent: bool
    others: bool
    large: bool
    put_off: bool = False
    in_hand: Collection[str] = ()


class Claimer:
    """Takes documents of some sources in hand. Blocking.

    Args:
        database: the state table.
        limits: how many at once.
        source_ids: of these sources.
        clock: Unix seconds.
        long_chunks: a document with more chunks is large, and one with a file that is no batch.
    """

    def __init__(
        self,
        database: Database,
        limits: LimitSettings,
        source_ids: Sequence[int],
        clock: Callable[[], float],
        *,
        long_chunks: int,
    ) -> None:
        self._database = database
        self._limits = limits
        self._ids = source_ids
        self._clock = clock
        self._long_chunks = long_chunks

    def claim(
        self, ready: Callable[[], None], room: Room, place: Callable[[], int]
    ) -> Batch | None:
        """Take the most urgent documents in hand for which there is room.

        Args:
            ready: asked when something is due; raises when nothing may be written.
            room: what may be taken up.
            place: gives a batch its place, where nobody waits for it.

        Raises:
            HinderedError: nothing may be written.
        """
        if not (room.urgent or room.others) or not self._is_due():
            return None
        ask(ready)
        batch = None
        with self._database.write() as connection:
            if room.urgent and (taken := self._claim(connection, room, urgent=True)):
                batch = Batch(taken)
            elif room.others and (taken := self._claim(connection, room, urgent=False)):
                batch = Batch(taken, place(), large=any(map(self._is_large, taken)))
            elif room.others and room.put_off and (taken := self._claim_put_off(connection, room)):
                batch = Batch(taken, place(), put_off=True)
        if batch:
            failpoint.reached("claim.committed")
        return batch

    def _is_large(self, document: Document) -> bool:
        return (
            document.chunk_count > self._long_chunks
            or due.size_of(document) > self._limits.batch_bytes
        )

    def _is_due(self) -> bool:
        with self._database.read() as connection:
            return due.is_due(connection, self._clock(), self._ids)

    def _claim_put_off(self, connection: Connection, room: Room) -> list[Document]:
        return due.claim_put_off(connection, self._clock(), self._ids, room.in_hand)

    def _claim(self, connection: Connection, room: Room, *, urgent: bool) -> list[Document]:
        limits = self._limits
        number, size = limits.batch_documents, limits.batch_bytes
        large = room.large and not urgent
        beside = due.Beside(room.in_hand, None if large else self._long_chunks, size)
        if urgent:
            number, size = min(number, URGENT_DOCUMENTS), min(size, URGENT_BYTES)
        return due.claim(
            connection,
            self._clock(),
            self._ids,
            limit=number,
            limit_bytes=size,
            beside=beside,
            urgent=urgent,
        )


def ask(ready: Callable[[], None]) -> None:
    """Ask whether anything may be taken up.

    Raises:
        HinderedError: it may not; the cause is what was raised.
    """
    try:
        ready()
    except Exception as error:
        raise HinderedError from error
