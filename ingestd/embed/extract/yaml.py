"""YAML: keys as headings, items of lists as blocks, by the indentation alone.

Nothing is resolved: no anchors, no tags, no types. So templates, and files with errors, are read
like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.embed.extract.lines import indentation, lines
from ingestd.embed.extract.sections import Sections
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from ingestd.ports import Block

_MAX_DEPTH = 6
_KEY = re.compile(
    r"""[ ]*(?:"([^"\n]{1,200})"|'([^'\n]{1,200})'|([^\s#"'\-{}\[\]&*!|>%@`,?:][^:#\n]{0,200}?))"""
    r""":(?:[ \t\n]|$)"""
)
_ITEM = re.compile(r"[ ]*-(?:[ \t\n]|$)")
_PART = re.compile(r"(?:---|\.\.\.)(?:\s|$)")


def extract(text: str) -> Extracted:
    """Extract keys whose values are long as sections."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    left = carried.state if isinstance(carried.state, _Left) else _Left()
    reader = _Reader(text, left)
    for start, end in lines(text):
        reader.line(start, end, text[start:end])
    blocks = reader.blocks()
    carried.state = reader.left
    return Extracted(text, "", "application/yaml", blocks)


@dataclass(frozen=True, slots=True)
class _Left:
    """What a segment leaves open: keys, and items without a name, and how far indented."""

    names: tuple[str, ...] = ()
    indents: tuple[int, ...] = ()


class _Reader:
    """One pass over the lines."""

    def __init__(self, text: str, left: _Left) -> None:
        self._sections = Sections(text, left.names)
        self._indents = list(left.indents)
        self._begin = -1  # start of the open stretch, or -1
        self._last = 0
        self._blank = False

    @property
    def left(self) -> _Left:
        """What is open now."""
        return _Left(self._sections.names, tuple(self._indents))

    def line(self, start: int, end: int, line: str) -> None:
        """Take a line."""
        if line.isspace():
            self._blank = True
            return
        indent = indentation(line)
        is_item = _ITEM.match(line) is not None
        self._leave(indent, is_item=is_item, is_part=_PART.match(line) is not None)
        key = None if is_item else _KEY.match(line)
        if (key or is_item) and len(self._indents) < _MAX_DEPTH:
            self._flush()
            self._sections.open(start, (key[1] or key[2] or key[3].strip()) if key else "")
            self._indents.append(indent)
        elif self._blank:
            self._flush()
        if self._begin < 0:
            self._begin = start
        self._last = end
        self._blank = False

    def blocks(self) -> list[Block]:
        """The blocks of the whole text."""
        self._flush()
        return self._sections.blocks()

    def _leave(self, indent: int, *, is_item: bool, is_part: bool) -> None:
        """End the keys and items that a line does not belong to."""
        while self._indents:
            if not is_part and indent >= self._indents[-1]:
                # A list may be indented as its key is.
                is_list = is_item and self._sections.names[-1]
                if indent > self._indents[-1] or is_list:
                    return
            self._flush()
            self._indents.pop()
            self._sections.close(self._last)

    def _flush(self) -> None:
        if self._begin >= 0:
            self._sections.stretch(self._begin, self._last)
        self._begin = -1
