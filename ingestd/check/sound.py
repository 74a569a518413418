"""Is a slot what the state table says of it? Pure decisions about one slot."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ingestd.embed.chunk import shorter_forms
from ingestd.embed.metadata import KEYS, labels

from .findings import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ingestd.ports import Metadata, Record, Source
    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document

SEPARATOR = " > "
MOST_HEADINGS = 32
"""More of them are taken for one: no document that we cut is so deep."""
LARGEST_DIFFERENCE = 1e-4
"""Between two components of one vector: what a way through JSON and float32 may cost."""
LEAST_S = 1e-5
"""Times that differ by less are the same: Chroma gives a float back but for its last bit."""
ALWAYS = frozenset(KEYS) - {"page"}
"""Keys that every slot has."""


def text_is_sound(record: Record, digest: bytes) -> bool:
    """Whether the text of a slot gives this digest.

    What was embedded is the text behind a prefix, which is not stored: it was made from title and
    headings, in one of few ways. One of them must give the digest.
    """
    title, headings = (str(record.metadata.get(key) or "") for key in ("title", "headings"))
    prefixes = _prefixes(title, headings)
    texts = (f"{prefix}\n{record.text}" if prefix else record.text for prefix in prefixes)
    return any(hashlib.sha256(_encoded(text)).digest() == digest for text in texts)


def _prefixes(title: str, headings: str) -> Iterator[str]:
    yield ""
    below = headings.removeprefix(title + SEPARATOR) if title != headings else ""
    top = [title] if title else []
    parts = below.split(SEPARATOR) if below else []
    if len(parts) > MOST_HEADINGS:
        parts = [below]
    # A heading may have a separator in it, so nobody knows how much of the end the last one is.
    for shown in range(len(parts), -1, -1):
        kept = [part for part in (*top, *parts[:shown]) if part]
        if kept:
            yield from shorter_forms(kept)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def expected_labels(document: Document, source: Source, row: Slot) -> dict[str, object]:
    """What the state table says of a slot's labels; those in motion are left out."""
    expected: dict[str, object] = {
        "document_id": document.id,
        "ordinal": row.ordinal,
        "start": row.start,
        "end": row.end,
        "mime": document.mime,
        "chunk_digest": row.digest.hex(),
        "pipeline": document.pipeline,
    }
    if document.digest is not None:
        expected["content_digest"] = document.digest.hex()
    if not document.relabel and document.mtime_ns is not None:
        expected |= labels(source, document.path, document.mtime_ns)
    return expected


def _wrong_keys(expected: Mapping[str, object], found: Metadata) -> list[str]:
    """The keys that differ or are not there, in order; keys that are not ours do not count."""
    differ = {key for key, value in expected.items() if not _same(found.get(key), value)}
    return sorted(differ | {key for key in ALWAYS if found.get(key) is None})


def wrong_labels(expected: dict[str, object], record: Record) -> tuple[Kind, str, str] | None:
    """What is wrong with the labels of a slot: kind, expected, found."""
    wrong = _wrong_keys(expected, record.metadata)
    if not wrong:
        return None
    return (
        Kind.WRONG_METADATA,
        ", ".join(f"{key}={_short(expected[key])}" if key in expected else key for key in wrong),
        ", ".join(f"{key}={_short(record.metadata.get(key))}" for key in wrong),
    )


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"  # noqa: PLR2004 - the line


def _same(found: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(found, float):
        return abs(found - expected) <= LEAST_S
    return found == expected


def same_vector(found: Sequence[float], cached: bytes) -> bool:
    """Whether a slot holds the cached vector (float32, little-endian)."""
    import numpy as np  # noqa: PLC0415 - slow to import

    one, other = np.asarray(found, dtype="<f4"), np.frombuffer(cached, dtype="<f4")
    if one.shape != other.shape:
        return False
    return bool(np.abs(one - other).max(initial=0.0) <= LARGEST_DIFFERENCE)
