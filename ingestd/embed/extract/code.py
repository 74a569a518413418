"""Source code and structured data: blocks at what stands at the left margin after a blank line."""

from __future__ import annotations

from ingestd.embed.extract.lines import lines
from ingestd.ports import Block, Extracted

# A line that only closes what stands above it begins nothing.
_CLOSERS = ("}", ")", "]", "end", "</")


def extract(text: str) -> Extracted:
    """Take each top-level definition, or run of lines, as a block."""
    blocks = []
    begin = -1
    last = 0
    after_blank = False
    for start, end in lines(text):
        line = text[start:end]
        if line.isspace():
            after_blank = True
            continue
        if begin >= 0 and after_blank and _begins_block(line):
            blocks.append(Block(begin, last))
            begin = -1
        if begin < 0:
            begin = start
        last = end
        after_blank = False
    if begin >= 0:
        blocks.append(Block(begin, last))
    return Extracted(text, "", "text/x-source", blocks)


def _begins_block(line: str) -> bool:
    """Whether a line stands at the left margin and opens something."""
    return not line[0].isspace() and not line.startswith(_CLOSERS)
