"""Documents as their files are now: read, extracted and cut again, one at a time.

The chunks of a long one are on the disk meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestd.embed.metadata import of_chunk
from ingestd.embed.prepared import Outcome

if TYPE_CHECKING:
    from ingestd.embed.prepare import Preparer
    from ingestd.embed.prepared import Prepared
    from ingestd.ports import Chunk, Metadata, Source
    from ingestd_state.documents import Document


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as it was read just now.

    Attributes:
        prepared: what reading came to.
        pipeline: version of the pipeline that cut it.
    """

    prepared: Prepared
    pipeline: str

    @property
    def total(self) -> int:
        """How many chunks it has."""
        return self.prepared.chunk_total

    def chunk(self, ordinal: int) -> Chunk | None:
        """One of its chunks; None when it has none of this ordinal."""
        if self.prepared.spool is not None:
            return self.prepared.spool.at(ordinal)
        within = 0 <= ordinal < len(self.prepared.chunks)
        return self.prepared.chunks[ordinal] if within else None

    @property
    def unread(self) -> bool:
        """Whether it could not be read or extracted."""
        return self.prepared.outcome in {Outcome.FAILED, Outcome.BUSY}

    @property
    def skipped(self) -> str:
        """Why there is nothing to index; empty when there is."""
        return self.prepared.reason if self.prepared.outcome is Outcome.SKIPPED else ""

    def same_file(self, document: Document) -> bool:
        """Whether the file seems to be the one that is indexed."""
        found = self.prepared.fingerprint
        now = (found.device, found.inode, found.size, found.mtime_ns, found.ctime_ns)
        return now == document.fingerprint

    def same_bytes(self, document: Document) -> bool:
        """Whether its bytes are those that are indexed, as far as the table can tell."""
        return document.digest is None or self.prepared.digest == document.digest

    def comparable(self, document: Document) -> bool:
        """Whether its chunks must be those that are indexed."""
        content = self.prepared.outcome is Outcome.CONTENT
        known = document.digest == self.prepared.digest
        return content and known and document.pipeline == self.pipeline

    def metadata(self, chunk: Chunk) -> Metadata:
        """All that a slot should say of a chunk, but for the time of indexing."""
        whole = of_chunk(self.prepared, chunk, pipeline=self.pipeline, now=0.0)
        return {key: value for key, value in whole.items() if key != "indexed_at"}


class Reader:
    """Reads documents again; the last one is kept until another one is read.

    Args:
        preparer: reads; where it has a place on the disk, long documents are not kept in memory.
        pipeline: version of the pipeline.
    """

    def __init__(self, preparer: Preparer, pipeline: str) -> None:
        self.pipeline = pipeline
        self._preparer = preparer
        self._last: tuple[Document, Reading] | None = None

    def read(self, document: Document, source: Source) -> Reading:
        """Read one document whole, whatever is known of it."""
        if self._last is None or self._last[0] != document:
            self.forget()
            # Forced, because what is indexed already is not cut.
            prepared = self._preparer.prepare(replace(document, forced=True), source)
            self._last = (document, Reading(prepared, self.pipeline))
        return self._last[1]

    def forget(self) -> None:
        """Read the last one anew when it is asked for again; it takes no space any more."""
        if self._last is not None:
            self._last[1].prepared.discard()
        self._last = None

    close = forget
