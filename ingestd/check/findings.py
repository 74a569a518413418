"""What a check can find, and what repair would do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How something differs from what it should be."""

    MISSING = "missing"
    """Something that should be there is not."""
    ORPHAN = "orphan"
    """Something is there that nothing stands behind any more."""
    STALE = "stale"
    """It is there, but of another version."""
    DUPLICATE = "duplicate"
    """Two slots hold the same chunk of the same document."""
    WRONG_MODEL = "wrong model"
    """The vectors are not those of the model in use."""
    WRONG_METADATA = "wrong metadata"
    """The labels are not those that the state table gives."""


class Remedy(StrEnum):
    """What repair does about a finding."""

    SCAN = "scan"
    """Scan the source, which takes the file up, or the document out."""
    REWRITE = "rewrite"
    """Write the document's chunks anew, with the vectors of the cache."""
    DELETE = "delete"
    """Delete the slot from the collection."""
    FILL = "fill"
    """Write every document of the collection anew."""
    REFILL = "refill"
    """Set the broken index aside, and fill a new one from the vectors cache."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference.

    Attributes:
        kind: how it differs.
        remedy: what repair does about it.
        expected: what should be, in words.
        found: what is, in words.
        source: name of the source; empty where none is known.
        path: of the document, relative to the source; empty where none is known.
        document_id: of the document; empty where none is known.
        slot: id in the collection; empty where it is not about a slot.
        collection: name of the collection; empty where it is not about one.
        implied: it follows from another finding, and is not counted; repair deals with it all
            the same.
    """

    kind: Kind
    remedy: Remedy
    expected: str
    found: str
    source: str = ""
    path: bytes = b""
    document_id: str = ""
    slot: str = ""
    collection: str = ""
    implied: bool = False


@dataclass(slots=True)
class Summary:
    """What was looked at, and what cannot be said.

    Attributes:
        files: files of ours on disk.
        documents: documents whose slots were compared.
        slots: slots of documents that were compared.
        stored: slots that the collections hold, as far as they were looked at.
        found: findings by kind.
        waiting: documents that wait for the embed job, or are in its hands.
        failed: documents whose last attempt failed, given up or not.
        uncached: slots whose vector could not be compared: the cache does not hold it any more.
        outdated: documents that another version of the pipeline indexed.
        unread: documents that a deep check could not read.
        notes: what was not looked at, and why.
    """

    files: int = 0
    documents: int = 0
    slots: int = 0
    stored: int = 0
    found: Counter[Kind] = field(default_factory=Counter)
    waiting: int = 0
    failed: int = 0
    uncached: int = 0
    outdated: int = 0
    unread: int = 0
    notes: list[str] = field(default_factory=list)
