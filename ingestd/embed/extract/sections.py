"""Blocks of a text that is made of named parts within parts: code, JSON, YAML, TOML.

A part that is long enough to stand alone is a section, its name a heading. What is shorter is a
block within the section around it, so that small parts share a chunk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.embed.extract.outline import MAX_TITLE_CHARS
from ingestd.ports import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL_CHARS = 400
_LEADING_CHARS = 120
_MAX_LEVEL = 6
_LETTER = re.compile(r"\w")


@dataclass(slots=True, eq=False)
class _Part:
    """A part of the text, or a stretch of text within one.

    Attributes:
        start: first character.
        end: one past the last character.
        path: names of the parts around it, and its own; a stretch of text has no name.
        around: the part that it is in; None outside of all.
        name: of a part; may be empty.
        is_text: whether it is a stretch of text, and no part.
        place: of a part: where it is in the list of all; -1 when an earlier segment began it.
    """

    start: int
    end: int
    path: tuple[str, ...]
    around: _Part | None
    name: str = ""
    is_text: bool = False
    place: int = -1


class Sections:
    """Gathers parts in reading order.

    Args:
        text: the text that they are parts of.
        names: of the parts that an earlier segment left open, outermost first.
    """

    def __init__(self, text: str, names: Sequence[str] = ()) -> None:
        self._text = text
        self._parts: list[_Part] = []
        self._open: list[_Part] = []
        for name in names:
            self._enter(0, name)

    @property
    def depth(self) -> int:
        """How many parts are open."""
        return len(self._open)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts that are open, outermost first."""
        return tuple(part.name for part in self._open)

    def open(self, start: int, name: str) -> None:
        """Begin a part within the innermost open one."""
        part = self._enter(start, name)
        part.place = len(self._parts)
        self._parts.append(part)

    def close(self, end: int) -> None:
        """End the innermost part."""
        part = self._open.pop()
        part.end = end
        if part.place >= 0 and end - part.start <= SMALL_CHARS:
            del self._parts[part.place + 1 :]

    def stretch(self, start: int, end: int) -> None:
        """Add a stretch of text to the innermost part."""
        around = self._open[-1] if self._open else None
        path = around.path if around else ()
        self._parts.append(_Part(start, end, path, around, is_text=True))

    def blocks(self) -> list[Block]:
        """The blocks of the whole text; what is still open ends with it."""
        for part in self._open:
            part.end = len(self._text)
        blocks: list[Block] = []
        done = 0
        begun: _Part | None = None  # a section whose first block is to come
        for part in self._parts:
            if part.start < done:
                continue
            if part.is_text:
                heads = begun is not None and part.around is begun
                self._add(blocks, part, part.path, heads=heads)
                begun = None if heads else begun
            elif part.end - part.start <= SMALL_CHARS:
                self._add(blocks, part, part.around.path if part.around else ())
                done = part.end
            elif part.name:
                begun = part
        return blocks

    def _add(
        self, blocks: list[Block], part: _Part, path: tuple[str, ...], *, heads: bool = False
    ) -> None:
        """Add a block; what only closes something belongs to what it closes."""
        if heads:
            start = blocks.pop().start if _leads(blocks, path) else part.start
            blocks.append(Block(start, part.end, path, min(len(path), _MAX_LEVEL)))
        elif blocks and not _LETTER.search(self._text, part.start, part.end):
            last = blocks[-1]
            blocks[-1] = Block(last.start, part.end, last.headings, last.heading)
        else:
            blocks.append(Block(part.start, part.end, path))

    def _enter(self, start: int, name: str) -> _Part:
        around = self._open[-1] if self._open else None
        name = " ".join(name[:MAX_TITLE_CHARS].split())
        path = around.path if around else ()
        part = _Part(start, start, (*path, name) if name else path, around, name)
        self._open.append(part)
        return part


def _leads(blocks: Sequence[Block], path: tuple[str, ...]) -> bool:
    """Whether the last block is a few words that would stand alone in front of a section.

    A comment above a group of functions goes with the first of them.
    """
    if not blocks or blocks[-1].heading or blocks[-1].headings != path[:-1]:
        return False
    last = blocks[-1]
    alone = len(blocks) == 1 or blocks[-2].headings != last.headings
    return alone and last.end - last.start <= _LEADING_CHARS
