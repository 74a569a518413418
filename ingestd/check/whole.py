"""Is a document whole? Its rows, and its file, against what the state table says of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ingestd_state.status import ChunkStatus

from .findings import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document

    from .reading import Reading


def of_rows(document: Document, rows: Sequence[Slot]) -> tuple[Kind | None, str, str]:
    """What is wrong with the rows of an indexed document: kind, expected, found."""
    live = Counter(row.ordinal for row in rows if row.status is ChunkStatus.LIVE)
    if twice := sorted(ordinal for ordinal, number in live.items() if number > 1):
        return Kind.DUPLICATE, f"one slot for chunk {twice[0]}", f"{live[twice[0]]} slots"
    expected = f"{document.chunk_count} chunks"
    if any(row.status is ChunkStatus.PLANNED for row in rows):
        return Kind.STALE, expected, "some were planned, and never written"
    if len(live) < document.chunk_count or not live:
        return Kind.MISSING, expected, f"{len(live)} in the state table"
    if len(live) > document.chunk_count or max(live) != len(live) - 1:
        return Kind.STALE, expected, f"{len(live)} in the state table, the last is {max(live)}"
    return None, "", ""


def as_read(document: Document, rows: Iterable[Slot], reading: Reading) -> tuple[str, str]:
    """How a document differs from its file: expected and found; found is empty where not."""
    if reading.unread or not reading.same_file(document):
        return "", ""  # told by the summary, and by the comparison of the files
    if not reading.same_bytes(document):
        return "the bytes that are indexed", "other bytes, with the same size and times"
    if reading.skipped:
        return "text to index", f"none: {reading.skipped}"
    if not reading.comparable(document):
        return "", ""
    live = {
        (row.ordinal, row.start, row.end, row.digest)
        for row in rows
        if row.status is ChunkStatus.LIVE
    }
    cut = {(one.ordinal, one.start, one.end, one.digest) for one in reading.chunks.values()}
    if live == cut:
        return "", ""
    return f"{len(cut)} chunks", f"{len(live)} in the state table, {len(live - cut)} of them others"
