"""The states of documents, chunks and sources, and which document may go from where to where."""

from __future__ import annotations

from enum import StrEnum


class DocumentStatus(StrEnum):
    """What is known of one file."""

    PENDING = "pending"
    """It may have changed, and waits to be read."""
    WORKING = "working"
    """The embed job has it in hand."""
    INDEXED = "indexed"
    """Its chunks in the collection are those of the bytes last read."""
    FAILED = "failed"
    """The last attempt failed; there will be another. What was indexed stays searchable."""
    DEAD = "dead"
    """Every attempt failed; it waits for a change or for a person."""
    SKIPPED = "skipped"
    """It is ours, but has nothing to index: binary, empty, too big."""
    DELETED = "deleted"
    """The file is gone; a tombstone until its chunks are gone too."""


class ChunkStatus(StrEnum):
    """How far one chunk has come on its way into the collection."""

    PLANNED = "planned"
    """Decided; what the slot holds in the collection is not known."""
    LIVE = "live"
    """The slot holds this chunk."""
    DOOMED = "doomed"
    """Nobody took the slot over; it is to be deleted."""


class SourceStatus(StrEnum):
    """Whether the deletions of a source are believed."""

    ONLINE = "online"
    """Its root is there; what is gone is deleted."""
    OFFLINE = "offline"
    """Its root is missing, empty or on another device; nothing is deleted."""
    HELD = "held"
    """Too much was gone at once; deletions wait for a person."""
    DETACHED = "detached"
    """It is no longer configured; its documents stay searchable."""


ALLOWED: dict[DocumentStatus, frozenset[DocumentStatus]] = {
    DocumentStatus.PENDING: frozenset({DocumentStatus.WORKING, DocumentStatus.DELETED}),
    DocumentStatus.WORKING: frozenset(
        {
            DocumentStatus.INDEXED,
            DocumentStatus.SKIPPED,
            DocumentStatus.FAILED,
            DocumentStatus.DEAD,
            DocumentStatus.PENDING,
            DocumentStatus.DELETED,
        }
    ),
    # Straight to work: a second look at a file that was read when it was very fresh.
    DocumentStatus.INDEXED: frozenset(
        {DocumentStatus.PENDING, DocumentStatus.WORKING, DocumentStatus.DELETED}
    ),
    DocumentStatus.SKIPPED: frozenset(
        {DocumentStatus.PENDING, DocumentStatus.WORKING, DocumentStatus.DELETED}
    ),
    # Straight to work: the next attempt.
    DocumentStatus.FAILED: frozenset(
        {DocumentStatus.PENDING, DocumentStatus.WORKING, DocumentStatus.DELETED}
    ),
    DocumentStatus.DEAD: frozenset({DocumentStatus.PENDING, DocumentStatus.DELETED}),
    DocumentStatus.DELETED: frozenset({DocumentStatus.PENDING}),
}
"""From each state, the states that may follow. ``deleted`` also ends by the row's removal."""


def sources_of(target: DocumentStatus) -> list[str]:
    """The states from which ``target`` may be reached, for the WHERE of an update."""
    return sorted(state.value for state, targets in ALLOWED.items() if target in targets)
