"""TOML, and what else is written in sections with a name in brackets: INI, units, desktop files.

Property files of Java are read so too, and have their letters written as escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.embed.extract.json import clean
from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.sections import Sections
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from ingestd.ports import Block

__all__ = ["clean", "extract", "go_on"]

_HEADER = re.compile(r"[ \t]*\[{1,2}([^\[\]\n]{1,300})\]{1,2}[ \t]*(?:[#;][^\n]*)?\n?$")
_MARKS = re.compile(r"""("{3}|'{3})|"(?:[^"\\\n]++|\\.)*+"?|'[^'\n]{0,500}+'|\#.*""")


def extract(text: str) -> Extracted:
    """Extract the sections that are long; short ones share a chunk."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    left = carried.state if isinstance(carried.state, _Left) else _Left()
    reader = _Reader(text, left)
    for start, end in lines(text):
        reader.line(start, end, text[start:end])
    blocks = reader.blocks()
    carried.state = reader.left
    return Extracted(text, "", "application/toml", blocks)


@dataclass(frozen=True, slots=True)
class _Left:
    """What a segment leaves open: a section, and what ends a string."""

    names: tuple[str, ...] = ()
    opaque: str = ""


class _Reader:
    """One pass over the lines."""

    def __init__(self, text: str, left: _Left) -> None:
        self._sections = Sections(text, left.names)
        self._opaque = left.opaque
        self._begin = -1  # start of the open stretch, or -1
        self._last = 0
        self._comment = -1  # where the comments begin that stand directly above, or -1

    @property
    def left(self) -> _Left:
        """What is open now."""
        return _Left(self._sections.names, self._opaque)

    def line(self, start: int, end: int, line: str) -> None:
        """Take a line."""
        if self._opaque:
            self._add(start, end)
            if self._opaque in line:
                self._opaque = ""
        elif line.isspace():
            self._flush(self._last)
            self._comment = -1
        elif header := _HEADER.match(line):
            self._header(self._comment if self._comment >= 0 else start, header[1])
            self._add(start, end)
        else:
            if not line.lstrip().startswith(("#", ";")):
                self._comment = -1
            elif self._comment < 0:
                self._comment = start
            self._add(start, end)
            self._look_for_marks(line)

    def blocks(self) -> list[Block]:
        """The blocks of the whole text."""
        self._flush(self._last)
        return self._sections.blocks()

    def _header(self, start: int, name: str) -> None:
        self._flush(start)
        if self._sections.depth:
            self._sections.close(min(start, self._last))
        self._sections.open(start, name.strip())
        self._begin = start
        self._comment = -1

    def _add(self, start: int, end: int) -> None:
        if self._begin < 0:
            self._begin = start
        self._last = end

    def _flush(self, end: int) -> None:
        if 0 <= self._begin < end:
            self._sections.stretch(self._begin, end)
        self._begin = -1

    def _look_for_marks(self, line: str) -> None:
        place = 0
        while found := _MARKS.search(line, place):
            place = found.end()
            if found[1]:
                closed = line.find(found[1], place)
                if closed < 0:
                    self._opaque = found[1]
                    return
                place = closed + 3
