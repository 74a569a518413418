"""What reading a document came to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ingestd.ports import Fingerprint

if TYPE_CHECKING:
    from ingestd.errors import DocumentError
    from ingestd.ports import Chunk, Source
    from ingestd_state.documents import Document

    from .spool import Spool

NOWHERE = Fingerprint(0, 0, 0, 0, 0)


class Outcome(Enum):
    """What reading a document came to."""

    SAME = "same"
    """The bytes are those that are indexed; at most its labels have changed."""
    CONTENT = "content"
    """There is something to index."""
    SKIPPED = "skipped"
    """There is nothing to index, for a reason."""
    FAILED = "failed"
    """It could not be read or extracted."""
    BUSY = "busy"
    """It changed while it was read."""
    GONE = "gone"
    """It is not there any more."""
    LATER = "later"
    """It has pictures of text, and is read when nothing else is to do."""


@dataclass(slots=True, eq=False)
class Prepared:
    """A document as read.

    Attributes:
        fingerprint: as of before the read: if the file changed since, the next look sees it.
        digest: SHA-256 of the bytes.
        chunks: its chunks; empty for a long document, whose chunks are in the spool.
        spool: the chunks of a long document; whoever takes it over closes it.
        embedded: how many of its chunks went through the model.
        recheck_at: when it is looked at again, Unix seconds: too fresh to trust its times.
    """

    document: Document
    source: Source
    outcome: Outcome = Outcome.CONTENT
    fingerprint: Fingerprint = NOWHERE
    digest: bytes = b""
    title: str = ""
    mime: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    spool: Spool | None = None
    reason: str = ""
    error: DocumentError | None = None
    recheck_at: float | None = None
    embedded: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def chunk_total(self) -> int:
        """How many chunks it has."""
        return len(self.chunks) if self.spool is None else len(self.spool)

    def failed(self, error: DocumentError) -> Prepared:
        """Turn this into a failure."""
        self.outcome, self.error = Outcome.FAILED, error
        self.discard()
        return self

    def discard(self) -> None:
        """Forget the chunks."""
        self.chunks = []
        if self.spool is not None:
            self.spool.close()
            self.spool = None
