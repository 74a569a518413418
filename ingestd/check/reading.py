"""Documents as their files are now: read, extracted and cut again, one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestd.embed.metadata import of_chunk
from ingestd.embed.prepare import Outcome

if TYPE_CHECKING:
    from ingestd.embed.prepare import Prepared, Preparer
    from ingestd.ports import Chunk, Metadata, Source
    from ingestd_state.documents import Document


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as it was read just now.

    Attributes:
        prepared: what reading came to.
        pipeline: version of the pipeline that cut it.
        chunks: its chunks by ordinal.
    """

    prepared: Prepared
    pipeline: str
    chunks: dict[int, Chunk]

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
    """Reads documents again; the last one is kept."""

    def __init__(self, preparer: Preparer, pipeline: str) -> None:
        self.pipeline = pipeline
        self._preparer = preparer
        self._last: tuple[Document, Reading] | None = None

    def read(self, document: Document, source: Source) -> Reading:
        """Read one document whole, whatever is known of it."""
        if self._last is None or self._last[0] != document:
            self._last = None
            # Forced, because what is indexed already is not cut.
            prepared = self._preparer.prepare(replace(document, forced=True), source)
            chunks = {chunk.ordinal: chunk for chunk in prepared.chunks}
            self._last = (document, Reading(prepared, self.pipeline, chunks))
        return self._last[1]

    def forget(self) -> None:
        """Read the last one anew when it is asked for again."""
        self._last = None
