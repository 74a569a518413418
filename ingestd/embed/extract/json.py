"""JSON: members and elements as blocks, the keys that lead to them as headings.

Nothing is parsed into objects: a file of any depth, with comments, or broken in the middle is cut
as well as any. Letters that are written as escapes become letters: a machine wrote them so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.embed.extract.normal import regrouped
from ingestd.embed.extract.sections import Sections
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH = 6
_LEAST_CHARS = 40
_LEAST_READABLE = 0xA0
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)",
    re.DOTALL,
)
_REST = r'(?:[^"\\]++|\\.)*+"?'
_TOKEN = re.compile(
    rf"""("{_REST})|'(?:[^'\\\n]|\\.)*+'?|//[^\n]*|/\*.*?(?:\*/|\Z)|([{{\[])|([}}\]])|([:,])""",
    re.DOTALL,
)
_REST_OF_STRING = re.compile(_REST, re.DOTALL)
_INK = re.compile(r"\S")


def clean(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the text with its letters, where it has escapes of them."""
    for piece in regrouped(pieces):
        yield _ESCAPE.sub(_letter, piece) if "\\u" in piece else piece


def extract(text: str) -> Extracted:
    """Extract members as blocks; those that are long are sections named by their keys."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    left = carried.state if isinstance(carried.state, _Left) else _Left()
    scanner = Scanner(text, left)
    scanner.scan(0, len(text))
    carried.state = scanner.left
    return Extracted(text, "", "application/json", scanner.sections.blocks())


@dataclass(frozen=True, slots=True)
class _Left:
    """What a segment leaves open.

    Attributes:
        depth: how many brackets are open.
        names: keys of those that are parts; empty where there is none.
        depths: how many brackets are open inside of each.
        in_string: whether a string goes on.
    """

    depth: int = 0
    names: tuple[str, ...] = ()
    depths: tuple[int, ...] = ()
    in_string: bool = False


class Scanner:
    """Finds members and elements between brackets, commas and colons."""

    def __init__(self, text: str, left: _Left | None = None) -> None:
        left = left or _Left()
        self.sections = Sections(text, left.names)
        self._text = text
        self._depth = left.depth
        self._depths = list(left.depths)
        self._from = 0  # where the open stretch begins
        self._key = (-1, "")  # the string before: where it is, and what
        self._named = (-1, "")  # the key before a colon
        self._in_string = left.in_string

    @property
    def left(self) -> _Left:
        """What is open now."""
        return _Left(self._depth, self.sections.names, tuple(self._depths), self._in_string)

    def scan(self, start: int, end: int) -> None:
        """Take a stretch of the text, and end it as a block."""
        self._from = start
        if self._in_string and (rest := _REST_OF_STRING.match(self._text, start, end)):
            start = rest.end()
            self._in_string = start == end and not rest[0].endswith('"')
        for found in _TOKEN.finditer(self._text, start, end):
            string, opens, closes, sign = found.groups()
            if string is not None:
                self._key = (found.start(), string)
                self._in_string = found.end() == end and not _is_closed(string)
            elif opens:
                self._open(found.start())
            elif closes:
                self._close(found.end())
            elif sign == ":":
                self._named = self._key
            elif sign:
                self._comma(found.end())
        self._flush(end)

    def leave(self, end: int) -> None:
        """Close what is open: what comes is another text."""
        while self._depths:
            self._depths.pop()
            self.sections.close(end)
        self._depth, self._in_string = 0, False
        self._key = self._named = (-1, "")

    def _open(self, place: int) -> None:
        self._depth += 1
        begin, key = self._named
        self._named = self._key = (-1, "")
        if len(self._depths) == _MAX_DEPTH:
            return
        if begin < self._from:
            begin, key = place, ""
        self._flush(begin)
        self.sections.open(begin, key.strip('"'))
        self._depths.append(self._depth)

    def _close(self, end: int) -> None:
        if self._depths and self._depths[-1] == self._depth:
            self._flush(end)
            self._depths.pop()
            self.sections.close(end)
        self._depth = max(0, self._depth - 1)
        self._named = self._key = (-1, "")

    def _comma(self, end: int) -> None:
        self._named = self._key = (-1, "")
        inside = self._depths[-1] if self._depths else 0
        if self._depth == inside and end - self._from >= _LEAST_CHARS:
            self._flush(end)

    def _flush(self, end: int) -> None:
        """End the open stretch, if there is something in it."""
        ink = _INK.search(self._text, self._from, end)
        if ink:
            self.sections.stretch(ink.start(), end)
        self._from = end


def _is_closed(string: str) -> bool:
    """Whether a string has both its marks."""
    if len(string) == 1 or string[-1] != '"':
        return False
    bare = string[:-1].rstrip("\\")
    return (len(string) - 1 - len(bare)) % 2 == 0


def _letter(found: re.Match[str]) -> str:
    """The letter of an escape, where it is one that can be seen."""
    high, low, single = found.groups()
    if high:
        pair = bytes.fromhex(high + low)
        return pair.decode("utf-16-be")
    if not single:
        return found[0]
    code = int(single, 16)
    is_surrogate = 0xD800 <= code <= 0xDFFF  # noqa: PLR2004 - what Unicode calls so
    return found[0] if code < _LEAST_READABLE or is_surrogate else chr(code)
