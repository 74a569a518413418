"""reStructuredText: section titles by their lines, directives and literal blocks kept whole."""

from __future__ import annotations

import re

from ingestd.embed.extract.lines import indentation, lines
from ingestd.embed.extract.outline import plain_title
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Block, Extracted

_MIN_RULE = 4
_MAX_LEVEL = 6
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_ROLE = re.compile(r":[\w:.+-]{1,60}:`([^`<]+?)(?:\s*<[^`<>]*>)?`")
_REFERENCE = re.compile(r"`([^`<]+?)(?:\s*<[^`<>]*>)?`__?")


def extract(text: str) -> Extracted:
    """Extract blocks and title; the title is that of the first section of the first level."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    return _Reader(text, carried).read()


class _Reader:
    """One pass over the lines of one text."""

    def __init__(self, text: str, carried: Carried) -> None:
        self._text = text
        self._lines = list(lines(text))
        self._blocks: list[Block] = []
        self._outline = carried.outline
        self._levels = carried.levels
        self._title = ""

    def read(self) -> Extracted:
        """Read all lines."""
        at = 0
        while at < len(self._lines):
            if not self._line(at).strip():
                at += 1
            else:
                at = self._section(at) or self._block(at)
        return Extracted(self._text, self._title, "text/x-rst", self._blocks)

    def _line(self, at: int) -> str:
        if at >= len(self._lines):
            return ""
        start, end = self._lines[at]
        return self._text[start:end].rstrip()

    def _section(self, at: int) -> int:
        """Take the section title that begins at a line; the line after it, or 0 without one."""
        first, second, third = (self._line(at + i) for i in range(3))
        if _is_rule(first) and second.strip() and third == first and _underlines(second, third):
            return self._heading(at, at + 3, (first[0], True), second)
        if first[0].isspace() or _is_rule(first) or not _underlines(first, second):
            return 0
        return self._heading(at, at + 2, (second[0], False), first)

    def _heading(self, begin: int, end: int, style: tuple[str, bool], source: str) -> int:
        level = min(self._levels.setdefault(style, len(self._levels) + 1), _MAX_LEVEL)
        title = plain_title(_REFERENCE.sub(r"\1", _ROLE.sub(r"\1", source.strip()[:300])))
        if level == 1 and not self._title:
            self._title = title
        path = self._outline.enter(level, title)
        self._blocks.append(Block(self._lines[begin][0], self._lines[end - 1][1], path, level))
        return end

    def _block(self, at: int) -> int:
        """Take a paragraph, with the indented text that belongs to it; the line after it."""
        begin = last = at
        base = indentation(self._line(at))
        holds = self._line(at).lstrip().startswith("..")
        at += 1
        while at < len(self._lines):
            line = self._line(at)
            if line:
                holds = holds or (last < at - 1 and self._line(last).endswith("::"))
                if last < at - 1 and not (holds and indentation(line) > base):
                    break
                last = at
            at += 1
        self._blocks.append(self._span(begin, last))
        return last + 1

    def _span(self, begin: int, last: int) -> Block:
        return Block(self._lines[begin][0], self._lines[last][1], self._outline.path)


def _is_rule(line: str) -> bool:
    """Whether the line is one punctuation mark, repeated."""
    return len(line) > 1 and _RULE.match(line) is not None


def _underlines(title: str, rule: str) -> bool:
    """Whether a rule is long enough to make the line above it a title."""
    return _is_rule(rule) and len(rule) >= min(len(title.rstrip()), _MIN_RULE)
