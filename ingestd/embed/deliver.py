"""Hands a batch to the writer, collection by collection: what is new, what leaves, what moved.

What is long is told from what is not: that is written in many steps, with others in between.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .prepared import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ingestd.ports import Source
    from ingestd_state.documents import Document

    from .prepared import Prepared
    from .write import Writer


@dataclass(slots=True, eq=False)
class Long:
    """A long document in hand.

    Attributes:
        document: as it was taken in hand; None for what is only cleared away.
        steps: see `LongWriter`.
        entry: as it was read; None for a tombstone.
    """

    document: Document | None
    steps: Iterator[Prepared | None]
    entry: Prepared | None = None

    @property
    def spool_bytes(self) -> int:
        """Bytes on disk that it takes meanwhile."""
        return self.entry.spool.size_bytes if self.entry and self.entry.spool else 0

    def close(self) -> None:
        """Give back what it takes."""
        if self.entry and self.entry.spool:
            self.entry.spool.close()


def long_entry(writer: Writer, entry: Prepared) -> Long | None:
    """A document as read, ready to be taken step by step; None for one that is not long."""
    if entry.outcome is Outcome.CONTENT and entry.spool is not None:
        return Long(entry.document, writer.long.write(entry, entry.spool), entry)
    if entry.document.chunk_count > writer.long_chunks:
        if _leaves(entry):
            return Long(entry.document, writer.long.leave(entry.document), entry)
        if _needs_labels(entry):
            return Long(entry.document, writer.long.relabel(entry), entry)
    return None


def long_tombstone(writer: Writer, tombstone: Document) -> Long | None:
    """The same for one that is to be deleted."""
    if tombstone.chunk_count <= writer.long_chunks:
        return None
    return Long(tombstone, writer.long.leave(tombstone))


def deliver(
    writer: Writer,
    sources: Mapping[int, Source],
    ready: Sequence[Prepared],
    tombstones: Sequence[Document],
) -> None:
    """Write documents that were read, and take those out that are gone. Blocking.

    Args:
        writer: writes to one collection at a time.
        sources: by id.
        ready: documents as read, with their embeddings in the vectors cache.
        tombstones: documents whose files are gone.

    Raises:
        RefusedError: a collection does not take one of them.
        StoreError: a collection cannot be written.
        DatabaseError: the state table cannot be written.
    """
    contents = _by_collection(e for e in ready if e.outcome is Outcome.CONTENT)
    labelled = _by_collection(e for e in ready if _needs_labels(e))
    leaving: dict[str, list[Document]] = defaultdict(list)
    for entry in ready:
        if _leaves(entry):
            leaving[entry.source.collection].append(entry.document)
    for tombstone in tombstones:
        leaving[sources[tombstone.source_id].collection].append(tombstone)
    for name in {**contents, **leaving}:
        writer.write(contents.get(name, []), leaving.get(name, []), name)
    for name, entries in labelled.items():
        writer.relabel(entries, name)


def _by_collection(entries: Iterable[Prepared]) -> dict[str, list[Prepared]]:
    found: dict[str, list[Prepared]] = defaultdict(list)
    for entry in entries:
        found[entry.source.collection].append(entry)
    return found


def _leaves(entry: Prepared) -> bool:
    """Whether a file that had text has none now."""
    return entry.outcome is Outcome.SKIPPED and entry.document.chunk_count > 0


def _needs_labels(entry: Prepared) -> bool:
    """Whether the same bytes now lie elsewhere, or carry another time."""
    document = entry.document
    moved = document.relabel or entry.fingerprint.mtime_ns != document.mtime_ns
    return entry.outcome is Outcome.SAME and document.chunk_count > 0 and moved
