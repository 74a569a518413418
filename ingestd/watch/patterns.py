"""Lines in gitignore syntax, and which of them rules over a name at one place of the tree.

Matching goes down the tree one name at a time, as git does it: a pattern without an inner slash
looks at names only, and one with a slash is an automaton that each directory on the way moves on.
So no path is ever matched as a whole, ``**`` costs no backtracking, and a directory to which no
pattern with a slash leads is as cheap as the root.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.watch.globs import NEVER, Glob, compiled, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line that means something.

    Attributes:
        negated: it takes back (``!``) what an earlier pattern said.
        directories: it matches directories only (a slash at the end).
        anchored: it is matched against the path from where it stands, not against any name.
        segments: what stands between slashes; None is ``**``. One segment unless anchored.
    """

    negated: bool
    directories: bool
    anchored: bool
    segments: tuple[Glob | None, ...]

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """States and those reached from them without a name: ``**`` may stand for nothing."""
        reached = set(states)
        for state in list(reached):
            at = state
            while at < len(self.segments) - 1 and self.segments[at] is None:
                at += 1
                reached.add(at)
        return frozenset(reached)

    def advance(self, states: frozenset[int], name: str) -> frozenset[int]:
        """The states inside the directory ``name``, from those of its parent."""
        onward: set[int] = set()
        for state in states:
            segment = self.segments[state]
            if segment is None:
                onward.add(state)
            elif state < len(self.segments) - 1 and segment.matches(name):
                onward.add(state + 1)
        return self.closure(onward)

    def ends_with(self, name: str) -> bool:
        """Whether the last segment matches ``name``."""
        segment = self.segments[-1]
        return segment is None or segment.matches(name)


def comparable(name: str) -> str:
    """The form in which names and patterns are compared: NFC, whatever the disk has."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def parse(line: str) -> Pattern | None:
    """Read one line; None for a blank one or a comment.

    Raises:
        ValueError: the pattern can never match; git passes over such a line.
    """
    body = _trim(line)
    if not body or body.startswith("#"):
        return None
    negated = body.startswith("!")
    body = comparable(body[negated:])
    directories = body.endswith("/")
    body = body[:-1] if directories else body
    anchored = "/" in body
    parts = body.removeprefix("/").split("/")
    if "" in parts:
        raise ValueError("nothing stands before or between the slashes")
    segments = _segments(parts) if anchored else (translate(parts[0]),)
    if len(segments) == 2 and segments[0] is None and segments[1] is not None:  # noqa: PLR2004  # two: "**/name"
        segments, anchored = segments[1:], False
    return Pattern(negated, directories, anchored, segments)


def _trim(line: str) -> str:
    r"""Drop spaces at the end, but keep one that a backslash guards."""
    body = line.rstrip(" ")
    backslashes = len(body) - len(body.rstrip("\\"))
    return body + " " if backslashes % 2 and len(body) < len(line) else body


def _segments(parts: Sequence[str]) -> tuple[Glob | None, ...]:
    segments: list[Glob | None] = []
    for part in parts:
        if part != "**":
            segments.append(translate(part))
        elif not segments or segments[-1] is not None:
            segments.append(None)
    return tuple(segments)


class _Names:
    """The patterns without a slash: one quick look tells whether any matches a name."""

    def __init__(self, indexed: Iterable[tuple[int, Pattern]]) -> None:
        self._indexed = [(at, p, p.segments[0]) for at, p in indexed if p.segments[0]]
        globs = [glob for _, _, glob in self._indexed if glob is not None]
        self._literals = frozenset(glob.text for glob in globs if glob.kind == "literal")
        self._prefixes = tuple(glob.text for glob in globs if glob.kind == "prefix")
        self._suffixes = tuple(glob.text for glob in globs if glob.kind == "suffix")
        sources = [f"(?:{glob.source})" for glob in globs if glob.kind == "glob"]
        self._others = compiled("|".join(sources) or NEVER).fullmatch

    def last(self, name: str, *, is_dir: bool) -> int:
        """Index of the last pattern that matches, or -1."""
        if not (
            name in self._literals
            or name.endswith(self._suffixes)
            or name.startswith(self._prefixes)
            or self._others(name)
        ):
            return -1
        for index, pattern, glob in reversed(self._indexed):
            if (is_dir or not pattern.directories) and glob is not None and glob.matches(name):
                return index
        return -1


Leading = tuple[int, Pattern, frozenset[int]]


class Layer:
    """The patterns of one place, as they stand in one directory at or below it.

    Args:
        names: the patterns without a slash, which hold in every directory.
        leading: index, pattern and states of those with a slash that can still match below.
        folded: names are compared in lower case; the patterns must be in lower case too.
    """

    __slots__ = ("_folded", "_leading", "_names", "_ripe")

    def __init__(self, names: _Names, leading: tuple[Leading, ...], *, folded: bool) -> None:
        self._names = names
        self._leading = leading
        self._folded = folded
        ripe = [(at, p) for at, p, states in leading if len(p.segments) - 1 in states]
        self._ripe = tuple(reversed(ripe))

    @classmethod
    def of(cls, patterns: Sequence[Pattern], *, folded: bool = False) -> Layer:
        """The layer in the directory where the patterns stand; later patterns win."""
        indexed = tuple(enumerate(patterns))
        names = _Names((at, pattern) for at, pattern in indexed if not pattern.anchored)
        leading = tuple((at, p, p.closure((0,))) for at, p in indexed if p.anchored)
        return cls(names, leading, folded=folded)

    @property
    def weight(self) -> int:
        """How many patterns it holds for itself; those without a slash it shares."""
        return len(self._leading)

    def last(self, name: str, *, is_dir: bool) -> int:
        """Index of the pattern that rules over a name in this directory, or -1."""
        name = name.lower() if self._folded else name
        found = self._names.last(name, is_dir=is_dir)
        for index, pattern in self._ripe:
            if index < found:
                break
            if (is_dir or not pattern.directories) and pattern.ends_with(name):
                return index
        return found

    def below(self, name: str) -> Layer:
        """The layer inside the directory ``name``."""
        if not self._leading:
            return self
        name = name.lower() if self._folded else name
        moved = tuple((at, p, p.advance(states, name)) for at, p, states in self._leading)
        if moved == self._leading:
            return self
        return Layer(self._names, tuple(at for at in moved if at[2]), folded=self._folded)
