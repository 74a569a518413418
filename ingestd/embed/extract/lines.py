"""Lines and paragraphs of a text as offsets, without copying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def lines(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each line, its newline included. Only a line feed ends a line."""
    stop = len(text) if end is None else end
    while start < stop:
        found = text.find("\n", start, stop)
        line_end = stop if found < 0 else found + 1
        yield start, line_end
        start = line_end


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each run of lines that are not blank."""
    begin = -1
    last = 0
    for start, end in lines(text):
        if text[start:end].isspace():
            if begin >= 0:
                yield begin, last
                begin = -1
            continue
        if begin < 0:
            begin = start
        last = end
    if begin >= 0:
        yield begin, last


def indentation(line: str) -> int:
    """Columns of white space before the first character; a tab counts as eight."""
    bare = line.lstrip(" \t")
    return len(line[: len(line) - len(bare)].expandtabs(8))
