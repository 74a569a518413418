"""Documents that are taken in hand together, and how large that may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd_state.due import size_of

from .stages import URGENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.settings.running import LimitSettings
    from ingestd_state.documents import Document

BATCHES = 3
"""Batches in hand at once: one is read, one encoded, one stored."""
URGENT_BATCHES = 2
"""Beside them, batches for which somebody waits."""
URGENT_DOCUMENTS = 16
URGENT_BYTES = 16 * 1024
"""Bytes of files in such a batch: the model needs about a third of a second for them."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Documents in hand.

    Attributes:
        documents: as they were claimed.
        place: in the line before each stage, see `Stage`.
        large: one of them was too large to come with others.
        put_off: somebody else reads them, while nothing else is due.
    """

    documents: Sequence[Document]
    place: int = URGENT
    large: bool = False
    put_off: bool = False

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for it."""
        return self.place == URGENT

    @property
    def bytes(self) -> int:
        """Bytes of its files."""
        return sum(map(size_of, self.documents))


def most_documents(limits: LimitSettings) -> int:
    """How many documents are in hand at most, long ones not counted."""
    return BATCHES * limits.batch_documents + URGENT_BATCHES * URGENT_DOCUMENTS


def most_bytes(limits: LimitSettings) -> int:
    """How many bytes their files have together at most: one of them may be large."""
    urgent = URGENT_BATCHES * max(URGENT_BYTES, limits.batch_bytes)
    return (BATCHES - 1) * limits.batch_bytes + max(limits.batch_bytes, limits.file_bytes) + urgent
