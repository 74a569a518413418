"""Is a document whole? Its rows, and its file, against what the state table says of it."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from ingestd_state.status import ChunkStatus

from .findings import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document

    from .reading import Reading


def of_rows(document: Document, rows: Iterable[Slot]) -> tuple[Kind | None, str, str]:
    """What is wrong with the rows of an indexed document: kind, expected, found.

    Args:
        document: the document.
        rows: in order of their ordinals; gone through once.
    """
    planned, live, last = False, 0, -1
    twice: tuple[int, int] | None = None
    for ordinal, same in groupby(rows, key=lambda row: row.ordinal):
        number = Counter(row.status for row in same)
        planned |= number[ChunkStatus.PLANNED] > 0
        if number[ChunkStatus.LIVE]:
            live, last = live + 1, ordinal
        if number[ChunkStatus.LIVE] > 1 and twice is None:
            twice = (ordinal, number[ChunkStatus.LIVE])
    if twice:
        return Kind.DUPLICATE, f"one slot for chunk {twice[0]}", f"{twice[1]} slots"
    expected = f"{document.chunk_count} chunks"
    if planned:
        return Kind.STALE, expected, "some were planned, and never written"
    if live < document.chunk_count or not live:
        return Kind.MISSING, expected, f"{live} in the state table"
    if live > document.chunk_count or last != live - 1:
        return Kind.STALE, expected, f"{live} in the state table, the last is {last}"
    return None, "", ""


def as_read(document: Document, rows: Iterable[Slot], reading: Reading) -> tuple[str, str]:
    """How a document differs from its file: expected and found; found is empty where not.

    Args:
        document: the document.
        rows: in order of their ordinals; gone through once.
        reading: its file.
    """
    if reading.unread or not reading.same_file(document):
        return "", ""  # told by the summary, and by the comparison of the files
    if not reading.same_bytes(document):
        return "the bytes that are indexed", "other bytes, with the same size and times"
    if reading.skipped:
        return "text to index", f"none: {reading.skipped}"
    if not reading.comparable(document):
        return "", ""
    live = others = matched = 0
    last = -1
    for row in rows:
        if row.status is not ChunkStatus.LIVE:
            continue
        live += 1
        if not _is_cut_so(row, reading):
            others += 1
        elif row.ordinal != last:
            matched, last = matched + 1, row.ordinal
    if not others and matched == reading.total:
        return "", ""
    return f"{reading.total} chunks", f"{live} in the state table, {others} of them others"


def _is_cut_so(row: Slot, reading: Reading) -> bool:
    one = reading.chunk(row.ordinal)
    return one is not None and (one.start, one.end, one.digest) == (row.start, row.end, row.digest)
