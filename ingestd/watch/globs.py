"""One segment of a gitignore pattern: matches one file name, in time linear in its length.

A regular expression made the usual way (``*`` as ``.*``) takes exponential time for patterns like
``*a*a*a*b``, and a rule file is written by whoever can write to a watched folder. Here every star
but the last is matched lazily inside an atomic group: the shortest match of a piece is always as
good as a longer one, so nothing is tried twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
NEVER = "(?!)"

Kind = Literal["literal", "prefix", "suffix", "glob"]


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled segment.

    Attributes:
        kind: ``glob`` needs a regular expression; the others compare text.
        text: what a literal, prefix or suffix compares with; empty for ``glob``.
        source: the regular expression for the whole name.
    """

    kind: Kind
    text: str
    source: str

    def matches(self, name: str) -> bool:
        """Whether the segment matches the whole name."""
        if self.kind == "literal":
            return name == self.text
        if self.kind == "suffix":
            return name.endswith(self.text)
        if self.kind == "prefix":
            return name.startswith(self.text)
        return compiled(self.source).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def compiled(source: str) -> re.Pattern[str]:
    """Compile a source of `Glob`; a file name may hold a newline, which a dot must match."""
    return re.compile(source, re.DOTALL)


def translate(glob: str) -> Glob:
    r"""Compile one segment: ``*``, ``?``, ``[a-z]``, ``[!a]``, ``[[:digit:]]`` and ``\`` escapes.

    Raises:
        ValueError: it can match nothing: an open bracket, or nothing after the backslash.
    """
    pieces: list[list[str]] = [[]]
    plain: list[str] = []
    literal = True
    at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            pieces.append([])
        elif char == "?":
            pieces[-1].append(".")
            literal = False
        elif char == "[":
            source, at = _bracket(glob, at)
            pieces[-1].append(source)
            literal = False
        else:
            if char == "\\":
                if at == len(glob):
                    raise ValueError("nothing follows the last backslash")
                char = glob[at]
                at += 1
            pieces[-1].append(re.escape(char))
            plain.append(char)
    kind = _kind(pieces) if literal else "glob"
    text = "" if kind == "glob" else "".join(plain)
    return Glob(kind, text, _source(["".join(piece) for piece in pieces]))


def _kind(pieces: list[list[str]]) -> Kind:
    """Which comparison does for pieces of plain text with stars between them."""
    if len(pieces) == 1:
        return "literal"
    if not any(pieces[:-1]):
        return "suffix"
    return "glob" if any(pieces[1:]) else "prefix"


def _source(pieces: list[str]) -> str:
    if len(pieces) == 1:
        return pieces[0]
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    return f"{pieces[0]}{middle}.*{pieces[-1]}"


def _bracket(glob: str, at: int) -> tuple[str, int]:
    """Translate a bracket expression whose text starts at ``at``: its source, and where it ends."""
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    items: list[str] = []
    first = True
    while at < len(glob):
        if glob[at] == "]" and not first:
            return f"[{'^' if negated else ''}{''.join(items)}]", at + 1
        first = False
        if glob.startswith("[:", at):
            item, at = _named_class(glob, at)
        else:
            item, at = _range(glob, at)
        items.append(item)
    raise ValueError("an open bracket is not closed")


def _named_class(glob: str, at: int) -> tuple[str, int]:
    end = glob.find(":]", at + 2)
    name = glob[at + 2 : end] if end >= 0 else ""
    if name not in _CLASSES:
        raise ValueError(f"[:{name}:] is no class of characters")
    return _CLASSES[name], end + 2


def _range(glob: str, at: int) -> tuple[str, int]:
    """One character or one range; of a range that runs backwards git matches the first alone."""
    low, at = _member(glob, at)
    if glob[at : at + 1] != "-" or glob[at + 1 : at + 2] in ("", "]"):
        return re.escape(low), at
    high, at = _member(glob, at + 1)
    return (f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)), at


def _member(glob: str, at: int) -> tuple[str, int]:
    if glob[at] == "\\":
        at += 1
        if at == len(glob):
            raise ValueError("an open bracket is not closed")
    return glob[at], at + 1
