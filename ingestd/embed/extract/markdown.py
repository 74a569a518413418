"""Markdown: headings, fenced code kept whole, front matter, blocks between blank lines."""

from __future__ import annotations

import re

from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.outline import MAX_TITLE_CHARS, plain_title
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Block, Extracted

_MIN_FENCE = 3
_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]{1,4})?(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t\n]|$)")
_SETEXT = re.compile(r" {0,3}(={2,}|-{2,})[ \t]*\n?$")
_NOT_SETEXT_TEXT = re.compile(r" {4}|\t| {0,3}(?:[-*+>|]|\d{1,9}[.)][ \t]|#{1,6}[ \t])")
_ATTRIBUTES = re.compile(r"\{:?[ \t]{0,9}[#.][^{}]*\}$")
_FRONT_TITLE = re.compile(r"title[ \t]{0,9}[:=][ \t]{0,9}(\S.*)")
_FRONT_MARKS = {"---": ("---", "..."), "+++": ("+++",)}


def extract(text: str) -> Extracted:
    """Extract blocks and title.

    A heading is a block of its own; a fenced code block belongs to the text that it stands in
    without a blank line between. Front matter is a block, and its title the document's.
    """
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text, which may begin within a code block."""
    return _Reader(text, carried).read()


class _Reader:
    """One pass over the lines of one text."""

    def __init__(self, text: str, carried: Carried) -> None:
        self._text = text
        self._carried = carried
        self._blocks: list[Block] = []
        self._outline = carried.outline
        self._first_h1 = ""
        self._begin = -1  # start of the open block, or -1
        self._end = 0  # end of its last line
        self._lines = 0  # lines in it
        self._fence = carried.fence  # the mark that opened the code block we are in

    def read(self) -> Extracted:
        """Read all lines."""
        body, title = (0, "") if self._carried.begun else self._front_matter()
        for start, end in lines(self._text, body):
            self._line(start, end, self._text[start:end])
        self._close()
        self._carried.fence = self._fence
        return Extracted(self._text, title or self._first_h1, "text/markdown", self._blocks)

    def _line(self, start: int, end: int, line: str) -> None:
        if self._fence:
            self._extend(start, end)
            if _closes(line, self._fence):
                self._fence = ""
        elif line.isspace():
            self._close()
        elif opening := _FENCE.match(line):
            self._extend(start, end)
            # A backtick after the mark makes it inline code.
            if opening[1][0] == "~" or "`" not in line[opening.end() :]:
                self._fence = opening[1]
        elif mark := _ATX.match(line):
            self._close()
            self._heading(start, end, len(mark[1]), _without_closing_marks(line[mark.end() :]))
        elif self._is_setext(line):
            first = self._text[self._begin : self._end]
            self._heading(self._begin, end, 1 if "=" in line else 2, first)
        else:
            self._extend(start, end)

    def _is_setext(self, line: str) -> bool:
        """Whether the line underlines the single line of text above it."""
        if self._lines != 1 or not _SETEXT.match(line):
            return False
        return not _NOT_SETEXT_TEXT.match(self._text, self._begin)

    def _extend(self, start: int, end: int) -> None:
        if self._begin < 0:
            self._begin = start
        self._end = end
        self._lines += 1

    def _close(self) -> None:
        if self._begin >= 0:
            self._blocks.append(Block(self._begin, self._end, self._outline.path))
        self._begin = -1
        self._lines = 0

    def _heading(self, start: int, end: int, level: int, source: str) -> None:
        title = plain_title(_without_attributes(source))
        path = self._outline.enter(level, title)
        self._blocks.append(Block(start, end, path, level))
        if level == 1 and not self._first_h1:
            self._first_h1 = title
        self._begin = -1
        self._lines = 0

    def _front_matter(self) -> tuple[int, str]:
        """Offset of the body, and the title that the front matter gives."""
        mark = self._text[:_MIN_FENCE]
        if mark not in _FRONT_MARKS:
            return 0, ""
        title = ""
        for start, end in lines(self._text):
            line = self._text[start:end].rstrip()
            if start == 0:
                if line != mark:
                    break
            elif line in _FRONT_MARKS[mark]:
                self._blocks.append(Block(0, end))
                return end, title
            elif not title and (found := _FRONT_TITLE.match(line)):
                title = _unquoted(found[1])
        return 0, ""


def _closes(line: str, fence: str) -> bool:
    """Whether the line ends a code block: the same mark, at least as long, and nothing else."""
    mark = line.strip()
    return len(mark) >= len(fence) and not mark.strip(fence[0])


def _without_closing_marks(source: str) -> str:
    """Heading text without the ``##`` that may close it."""
    title = source.strip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else title


def _without_attributes(source: str) -> str:
    """Heading text without an attribute list such as ``{ #anchor }`` at its end."""
    title = source.strip()
    place = title.rfind("{", max(0, len(title) - MAX_TITLE_CHARS))
    if place >= 0 and _ATTRIBUTES.match(title, place):
        title = _without_closing_marks(title[:place])
    return title


def _unquoted(value: str) -> str:
    """A front matter value without its quotes."""
    value = value.strip()[:MAX_TITLE_CHARS]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return value.strip()
