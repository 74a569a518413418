"""Plain text: paragraphs between blank lines, no headings, no title."""

from __future__ import annotations

from ingestd.embed.extract.lines import paragraphs
from ingestd.ports import Block, Extracted


def extract(text: str) -> Extracted:
    """Take each run of lines that are not blank as a block."""
    blocks = [Block(start, end) for start, end in paragraphs(text)]
    return Extracted(text, "", "text/plain", blocks)
