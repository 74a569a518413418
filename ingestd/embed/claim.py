"""Takes due documents in hand: a batch, or beside a long document only what is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.errors import DiskFullError
from ingestd_state import failpoint, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.config import LimitSettings
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database


class Claimer:
    """Takes documents of some sources in hand. Blocking.

    Args:
        database: the state table.
        limits: how many at once.
        source_ids: of these sources.
        clock: Unix seconds.
    """

    def __init__(
        self,
        database: Database,
        limits: LimitSettings,
        source_ids: Sequence[int],
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._limits = limits
        self._ids = source_ids
        self._clock = clock

    def claim(self, ready: Callable[[], None]) -> list[Document]:
        """Take the most urgent documents in hand.

        Raises:
            Exception: what ``ready`` raised: nothing may be written.
        """
        if not self._is_due():
            return []
        ready()
        return self._claim(None)

    def claim_beside(
        self, ready: Callable[[], None], held: work.Beside, *, wanted: bool
    ) -> list[Document]:
        """Take small documents in hand while long ones are.

        Args:
            ready: raises when nothing may be written.
            held: what is in hand.
            wanted: whether anything may be taken up at all.

        Raises:
            DiskFullError: what is in hand may not go on, either.
        """
        try:
            ready()
        except DiskFullError:
            raise
        except Exception:  # noqa: BLE001 - what keeps new work out does not end what is in hand
            return []
        return self._claim(held) if wanted and self._is_due() else []

    def _is_due(self) -> bool:
        with self._database.read() as connection:
            return work.is_due(connection, self._clock(), self._ids)

    def _claim(self, beside: work.Beside | None) -> list[Document]:
        with self._database.write() as connection:
            claimed = work.claim(
                connection,
                self._clock(),
                self._ids,
                limit=self._limits.batch_documents,
                limit_bytes=self._limits.batch_bytes,
                beside=beside,
            )
        failpoint.reached("claim.committed")
        return claimed
