"""Taking out of a text what nobody reads, line by line, before it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.embed.extract.lines import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_CHARS = 1024 * 1024


def clean_lines(pieces: Iterator[str], clean: Callable[[str], str]) -> Iterator[str]:
    """Yield a text whose lines are replaced.

    Args:
        pieces: the text in pieces of any length.
        clean: gives for a line, its newline included, what it becomes; it may be empty. A line
            of more than a million characters comes in parts.
    """
    for whole in _whole_lines(pieces):
        yield "".join([clean(whole[start:end]) for start, end in lines(whole)])


def _whole_lines(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the text in pieces that end with a line."""
    held: list[str] = []
    length = 0
    for piece in pieces:
        end = piece.rfind("\n") + 1
        if end or length > _MOST_CHARS:
            end = end or len(piece)
            yield "".join([*held, piece[:end]])
            held, length, rest = [], 0, piece[end:]
        else:
            rest = piece
        if rest:
            held.append(rest)
            length += len(rest)
    if held:
        yield "".join(held)
