"""Source code cut at its definitions, line by line, by what most code looks like.

No parser: a file that is half written, in a dialect or in another version of its language is cut
as well as any. What a language calls a definition, and what ends one, its grammar says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract.lines import indentation, lines
from ingestd.embed.extract.sections import Sections
from ingestd.ports import Extracted

if TYPE_CHECKING:
    import re

    from ingestd.embed.extract.segment import Carried

_MAX_DEPTH = 4
_MOST_OPAQUE_CHARS = 32 * 1024
"""A string or comment that goes on for longer is a mark that was misread."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a line begins.

    Attributes:
        name: what is defined.
        holds: whether there may be definitions in it, as in a class.
        done: whether it ends on the same line.
    """

    name: str
    holds: bool = False
    done: bool = False


class Grammar(ABC):
    """What is known of a family of languages.

    Attributes:
        dedents: whether a definition ends before the next line that is indented no deeper than
            it; else a line that closes it does.
        closer: matches the beginning of a line, without indentation, that goes on with what is
            above it.
        ends: matches such a line when it ends a definition.
        attached: matches a line that belongs to the definition below: a comment, a decorator.
        marks: finds strings and comments of one line, and in group 1 marks that open a longer one.
        closing: what ends the string or comment that a mark opens, where it is another mark.
    """

    dedents: ClassVar[bool]
    closer: ClassVar[re.Pattern[str]]
    ends: ClassVar[re.Pattern[str]]
    attached: ClassVar[re.Pattern[str]]
    marks: ClassVar[re.Pattern[str]]
    closing: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def definition(self, line: str, text: str, end: int, *, inside: bool) -> Definition | None:
        """What a line begins, if anything.

        Args:
            line: the line.
            text: the whole text.
            end: where the line ends in it.
            inside: whether it stands in a definition that holds others.
        """


@dataclass(frozen=True, slots=True)
class Scope:
    """A definition that is open."""

    indent: int
    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class _Left:
    """What a segment leaves open."""

    scopes: tuple[Scope, ...] = ()
    opaque: str = ""


def go_on(text: str, carried: Carried, grammar: Grammar, mime: str = "text/x-source") -> Extracted:
    """Extract a segment of source code."""
    left = carried.state if isinstance(carried.state, _Left) else _Left()
    reader = _Reader(text, grammar, left)
    for start, end in lines(text):
        reader.line(start, end)
    reader.finish()
    carried.state = reader.left
    return Extracted(text, "", mime, reader.sections.blocks())


class _Reader:
    """One pass over the lines."""

    def __init__(self, text: str, grammar: Grammar, left: _Left) -> None:
        self.sections = Sections(text, [scope.name for scope in left.scopes])
        self._text = text
        self._grammar = grammar
        self._scopes = list(left.scopes)
        self._opaque = left.opaque  # what ends the string or comment that we are in
        self._opaque_start = 0
        self._begin = -1  # start of the open stretch, or -1
        self._last = 0  # end of its last line
        self._attached = -1  # where the comments begin that stand directly above, or -1

    @property
    def left(self) -> _Left:
        """What is open now."""
        return _Left(tuple(self._scopes), self._opaque)

    def line(self, start: int, end: int) -> None:
        """Take a line."""
        line = self._text[start:end]
        if line.isspace():
            if not self._opaque:
                self._attached = -1
            if self._attached < 0:
                self._flush(self._last)
        elif self._opaque:
            self._add(start, end)
            self._go_on_opaque(line, start)
        else:
            self._code(start, end, line)
            self._look_for_marks(line, start)

    def finish(self) -> None:
        """End the stretch that is open."""
        self._flush(self._last)

    def _code(self, start: int, end: int, line: str) -> None:
        indent = indentation(line)
        bare = line.strip()
        closes = self._grammar.closer.match(bare) is not None
        if closes:
            self._add(start, end)
            self._attached = -1
            if self._grammar.ends.match(bare):
                self._leave(indent + 1)
                self._leave(indent, most=1)
            return
        if self._grammar.dedents:
            self._leave(indent)
        found = self._definition(line, end, indent)
        if found is not None:
            self._enter(self._attached if self._attached >= 0 else start, indent, found)
        if found is not None or not self._grammar.attached.match(bare):
            self._attached = -1
        elif self._attached < 0:
            self._attached = start
        self._add(start, end)
        if found is not None and found.done:
            self._leave(indent, most=1)

    def _definition(self, line: str, end: int, indent: int) -> Definition | None:
        """What the line defines, where something can be defined."""
        inside = bool(self._scopes)
        found = self._grammar.definition(line, self._text, end, inside=inside)
        if found is None:
            return None
        while self._scopes and not self._scopes[-1].holds:
            if indent > self._scopes[-1].indent:
                return None
            # Its end was overlooked, or there is none.
            place = self._attached if self._attached >= 0 else self._last
            self._flush(place)
            self._pop(place)
        return found if len(self._scopes) < _MAX_DEPTH else None

    def _enter(self, start: int, indent: int, found: Definition) -> None:
        self._flush(start)
        self.sections.open(start, found.name)
        self._scopes.append(Scope(indent, found.name, found.holds))
        self._begin = start

    def _leave(self, indent: int, most: int = _MAX_DEPTH) -> None:
        """End the definitions that are indented as deep, or deeper, and so many at most."""
        for _ in range(most):
            if not self._scopes or self._scopes[-1].indent < indent:
                return
            self._flush(self._last)
            self._pop(self._last)
            self._attached = -1  # what stood above is in what has ended

    def _pop(self, end: int) -> None:
        self._scopes.pop()
        self.sections.close(end)

    def _add(self, start: int, end: int) -> None:
        if self._begin < 0:
            self._begin = start
        self._last = end

    def _flush(self, end: int) -> None:
        """End the open stretch, if there is something in it."""
        if 0 <= self._begin < end:
            self.sections.stretch(self._begin, end)
        self._begin = -1

    def _look_for_marks(self, line: str, start: int) -> None:
        """See whether the line opens a string or comment that goes on."""
        place = 0
        while found := self._grammar.marks.search(line, place):
            place = found.end()
            if found[1]:
                ends = self._grammar.closing.get(found[1], found[1])
                closed = line.find(ends, place)
                if closed < 0:
                    self._opaque, self._opaque_start = ends, start
                    return
                place = closed + len(ends)

    def _go_on_opaque(self, line: str, start: int) -> None:
        ends = line.find(self._opaque)
        if ends >= 0:
            rest = line[ends + len(self._opaque) :]
            self._opaque = ""
            self._look_for_marks(rest, start)
        elif start - self._opaque_start > _MOST_OPAQUE_CHARS:
            self._opaque = ""
