"""AsciiDoc: titles, delimited blocks and tables kept whole, comments left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed.extract.cleaning import clean_lines
from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.outline import plain_title
from ingestd.embed.extract.reader import BlockReader
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from collections.abc import Iterator

_TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(?=\S)")
_FENCE = re.compile(
    r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|[|,:!]===|--)\s*$|(`{3,})[\w,+-]{0,40}\s*$"
)
_LITERAL = ("-", ".", "+", "`")
_RULES = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_RULE = re.compile(r"([=~^+-])\1{2,}\s*$")
_NO_TITLE = re.compile(r"[\[.:*|+\s]|//|image::|include::")
_COMMENT_BLOCK = re.compile(r"/{4,}\s*$")
_COMMENT = re.compile(r"//(?!/)")


def clean(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the text without its comments."""
    return clean_lines(pieces, _Comments().without)


def extract(text: str) -> Extracted:
    """Extract blocks and title."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    reader = BlockReader(text, carried.outline)
    for start, end in lines(text):
        _line(reader, carried, start, end)
    reader.close()
    return Extracted(text, reader.first, "text/asciidoc", reader.blocks)


def _line(reader: BlockReader, carried: Carried, start: int, end: int) -> None:
    line = reader.text[start:end]
    if carried.fence:
        reader.extend(start, end)
        if line.rstrip() == carried.fence:
            carried.fence = ""
    elif line.isspace():
        reader.close()
    elif level := _underlined(reader, line):
        title = reader.text[reader.begin : start]
        reader.heading(reader.begin, end, level, plain_title(title))
    elif fence := _FENCE.match(line):
        reader.extend(start, end)
        carried.fence = fence[1] or fence[2]
    elif mark := _TITLE.match(line):
        reader.close()
        reader.heading(start, end, len(mark[1]), plain_title(line[mark.end() :].rstrip("= \n")))
    else:
        reader.extend(start, end)


def _underlined(reader: BlockReader, line: str) -> int:
    """The level of the title that a line underlines; 0 when it underlines none."""
    rule = _RULE.match(line)
    if rule is None or reader.lines != 1:
        return 0
    above = reader.text[reader.begin :].partition("\n")[0] if reader.begin >= 0 else ""
    wide = sum(2 if char >= "\u1100" else 1 for char in above[:200])
    length = len(line.rstrip())
    fits = min(abs(length - len(above)), abs(length - wide)) <= 1
    return _RULES[rule[1]] if fits and not _NO_TITLE.match(above) else 0


class _Comments:
    """Takes comments out, line by line."""

    def __init__(self) -> None:
        self._end = ""  # what ends the comment, or the literal block, that we are in
        self._literal = False

    def without(self, line: str) -> str:
        """A line, or nothing where it is a comment."""
        if self._end:
            keeps = self._literal
            if line.rstrip() == self._end:
                self._end = ""
            return line if keeps else ""
        if _COMMENT_BLOCK.match(line):
            self._end, self._literal = line.rstrip(), False
            return ""
        if (fence := _FENCE.match(line)) and line.startswith(_LITERAL) and len(line) > len("---"):
            self._end, self._literal = fence[1] or fence[2], True
            return line
        return "" if _COMMENT.match(line) else line
