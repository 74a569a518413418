"""What the readers of marked up text have in common: the open block, and the headings around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.ports import Block

if TYPE_CHECKING:
    from ingestd.embed.extract.outline import Outline


class BlockReader:
    """Gathers blocks and headings as the lines of a text go by.

    Args:
        text: the text.
        outline: the sections that are open.

    Attributes:
        text: the text.
        blocks: what was gathered.
        lines: how many lines the open block has.
        first: the first heading of the highest level.
    """

    def __init__(self, text: str, outline: Outline) -> None:
        self.text = text
        self.blocks: list[Block] = []
        self.lines = 0
        self.first = ""
        self._outline = outline
        self._begin = -1  # start of the open block, or -1
        self._end = 0  # end of its last line

    @property
    def begin(self) -> int:
        """Where the open block begins; -1 when none is open."""
        return self._begin

    @property
    def path(self) -> tuple[str, ...]:
        """Titles of the sections around this place."""
        return self._outline.path

    def extend(self, start: int, end: int) -> None:
        """Add a line to the open block, or begin one."""
        if self._begin < 0:
            self._begin = start
        self._end = end
        self.lines += 1

    def close(self) -> None:
        """End the open block."""
        if self._begin >= 0:
            self.blocks.append(Block(self._begin, self._end, self._outline.path))
        self._begin = -1
        self.lines = 0

    def heading(self, start: int, end: int, level: int, title: str) -> None:
        """Add a heading; the open block, if any, becomes part of it."""
        path = self._outline.enter(level, title)
        self.blocks.append(Block(start, end, path, level))
        if level == 1 and not self.first:
            self.first = title
        self._begin = -1
        self.lines = 0
