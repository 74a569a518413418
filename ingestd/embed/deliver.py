"""Hands a batch to the writer, collection by collection: what is new, what leaves, what moved."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from .prepare import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ingestd.ports import Source
    from ingestd_state.documents import Document

    from .prepare import Prepared
    from .write import Writer


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
        if entry.outcome is Outcome.SKIPPED and entry.document.chunk_count:
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


def _needs_labels(entry: Prepared) -> bool:
    """Whether the same bytes now lie elsewhere, or carry another time."""
    document = entry.document
    moved = document.relabel or entry.fingerprint.mtime_ns != document.mtime_ns
    return entry.outcome is Outcome.SAME and document.chunk_count > 0 and moved
