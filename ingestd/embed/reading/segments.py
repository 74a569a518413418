"""Cuts a long text into segments at places that its content decides.

A segment ends where a heading, else a block, else a line begins; among those in a window the one
whose surroundings have the smallest mark is taken. So an insertion at the top of a long text moves
the cuts near to it, and soon the same places are found again. A line that is longer than a segment
is cut behind white space, or else behind a sign that is no letter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed.split import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingestd.ports import Block

LEAST_CHARS = 512 * 1024
MOST_CHARS = 1024 * 1024
_AROUND_CHARS = 200
_LINE_CHARS = 64 * 1024
"""How much of the window is looked at within a line, where places are many."""
_WITHIN_LINE = (re.compile(r"\s(?!\s)"), re.compile(r"[^\w\s]"))


def segments(
    texts: Iterable[str],
    blocks: Callable[[str], Sequence[Block]],
    *,
    least: int = LEAST_CHARS,
    most: int = MOST_CHARS,
) -> Iterator[str]:
    """Yield the segments of a text, which together are the text.

    Args:
        texts: the text in pieces of any length.
        blocks: finds the blocks of what comes next.
        least: the least characters of a segment that is not the last one.
        most: the most.
    """
    pieces: list[str] = []
    length = 0
    for piece in texts:
        pieces.append(piece)
        length += len(piece)
        if length <= most:
            continue
        held = "".join(pieces)
        while len(held) > most:
            window = held[:most]
            place = _place(window, blocks(window), least)
            yield held[:place]
            held = held[place:]
        pieces, length = [held], len(held)
    if length:
        yield "".join(pieces)


def _place(text: str, blocks: Sequence[Block], least: int) -> int:
    """Where to cut a text of greatest length."""
    end = len(text) - _AROUND_CHARS
    starts = [(block.heading == 0, block.start) for block in blocks if least <= block.start <= end]
    if starts:
        best = min(is_text for is_text, _ in starts)
        return _smallest(text, (start for is_text, start in starts if is_text == best))
    found = _smallest(text, _line_starts(text, least, end))
    for pattern in _WITHIN_LINE:
        if not found:
            start = max(least, end - _LINE_CHARS)
            places = (match.end() for match in pattern.finditer(text, start, end))
            found = _smallest(text, places)
    return found or end


def _line_starts(text: str, least: int, end: int) -> Iterator[int]:
    found = text.find("\n", least - 1, end)
    while found >= 0:
        yield found + 1
        found = text.find("\n", found + 1, end)


def _smallest(text: str, places: Iterable[int]) -> int:
    """The place whose surroundings have the smallest mark; 0 when there is none."""
    return min(
        places,
        key=lambda place: mark(text[place - _AROUND_CHARS : place + _AROUND_CHARS]),
        default=0,
    )
