"""JSON lines: a record a block; a long one in the blocks of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.embed.extract.json import Scanner, clean
from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.sections import SMALL_CHARS
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from ingestd.embed.extract.segment import Carried

__all__ = ["clean", "extract", "go_on"]


def extract(text: str) -> Extracted:
    """Extract each line as a record of its own, whatever the others are."""
    scanner = Scanner(text)
    for start, end in lines(text):
        if text[start:end].isspace():
            continue
        scanner.sections.open(start, "")
        if end - start <= SMALL_CHARS:
            scanner.sections.stretch(start, end)
        else:
            scanner.scan(start, end)
            scanner.leave(end)
        scanner.sections.close(end)
    return Extracted(text, "", "application/x-ndjson", scanner.sections.blocks())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment: records know nothing of each other."""
    del carried
    return extract(text)
