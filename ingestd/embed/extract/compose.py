"""Puts the text of a document together, block by block, and gives it away in sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed.extract.normal import normal
from ingestd.embed.extract.outline import MAX_TITLE_CHARS, Outline
from ingestd.ports import Block, Extracted

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTION_CHARS = 512 * 1024
"""A section ends with the block that makes it so long."""
MAX_LEVEL = 6
_MAX_HEADING_CHARS = 1000
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# What no text has and no store takes: control characters, lone surrogates, no characters.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


class Composer:
    """The text of a document as it is read.

    Args:
        title: the document's own title, where it is known before its text.

    Attributes:
        title: the same, or the first heading of the first level.
        page: of the blocks that come next, as in `Block`.
    """

    def __init__(self, title: str = "") -> None:
        self.title = label(title)
        self.page: int | None = None
        self._outline = Outline()
        self._text: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings around what comes next."""
        return self._outline.path

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be given away."""
        return not self._blocks

    def heading(self, level: int, text: str) -> None:
        """Add a heading, which opens a section of this level."""
        text = " ".join(clean(text).split())
        if not text:
            return
        if len(text) > _MAX_HEADING_CHARS:  # a paragraph that somebody styled as one
            self.paragraph(text)
            return
        level = max(1, min(level, MAX_LEVEL))
        self.enter(level, text)
        if level == 1 and not self.title:
            self.title = label(text)
        self._add(text, level, "\n\n")

    def enter(self, level: int, title: str) -> None:
        """Open a section whose title is not in the text."""
        self._outline.enter(level, label(title))

    def paragraph(self, text: str, *, close: bool = False) -> None:
        """Add a block of text.

        Args:
            text: it may have several lines; white space around it is left out.
            close: on the next line, as items and rows are, and not behind an empty one.
        """
        text = clean(text).strip("\n").rstrip()
        if text and not text.isspace():
            self._add(text, 0, "\n" if close else "\n\n")

    def full(self) -> Iterator[Extracted]:
        """Yield a section if there is enough for one."""
        if self._length >= SECTION_CHARS:
            yield from self.rest()

    def rest(self) -> Iterator[Extracted]:
        """Yield what there is as a section, if there is something."""
        if self._blocks:
            yield Extracted("".join(self._text), self.title, "", self._blocks)
            self._text, self._blocks, self._length = [], [], 0

    def _add(self, text: str, level: int, gap: str) -> None:
        if self._blocks:
            self._text.append(gap)
            self._length += len(gap)
        start = self._length
        self._text.append(text)
        self._length += len(text)
        self._blocks.append(Block(start, self._length, self._outline.path, level, self.page))


def clean(text: str) -> str:
    """Text in its normal form, with line feeds as the only newlines, without what is no text."""
    return normal(_NO_TEXT.sub("", _BREAKS.sub("\n", text)))


def label(text: str) -> str:
    """Text as a title, on one line and not too long."""
    return " ".join(clean(text[: 4 * MAX_TITLE_CHARS]).split())[:MAX_TITLE_CHARS]


def row(cells: list[str]) -> str:
    """Cells as one line; empty ones at its end are left out."""
    texts = [" ".join(clean(cell).split()) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts)
