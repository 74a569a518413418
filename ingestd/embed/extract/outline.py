"""The path of headings at the place of reading."""

from __future__ import annotations

import re

MAX_TITLE_CHARS = 300

_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_EMPHASIS = re.compile(r"(?<!\\)(\*{1,3}|~~)(?=\S)(.+?)(?<=[^\s\\])\1")
_UNDERSCORES = re.compile(r"(?<![\w\\])(_{1,3})(?=\S)(.+?)(?<=[^\s\\])\1(?!\w)")
_CODE = re.compile(r"(`+)(.+?)\1")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


class Outline:
    """Titles of the sections that are open, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        self.path: tuple[str, ...] = ()

    def copy(self) -> Outline:
        """The same sections, open on their own."""
        same = Outline()
        same._open = list(self._open)
        same.path = self.path
        return same

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Open a section; sections of the same or a deeper level end. Returns the path."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, title[:MAX_TITLE_CHARS].strip()))
        self.path = tuple(title for _, title in self._open if title)
        return self.path


def plain_title(source: str) -> str:
    """A heading without its inline markup: links, emphasis, code marks, tags, escapes."""
    title = source.strip()[:MAX_TITLE_CHARS]
    title = _LINK.sub(r"\1", title)
    pieces = _CODE.split(title)
    # Between code marks everything is literal: split gives (text, marks, code) in turn.
    out = [_plain_inline(pieces[0])]
    for i in range(1, len(pieces), 3):
        out += [pieces[i + 1], _plain_inline(pieces[i + 2])]
    return " ".join("".join(out).split())


def _plain_inline(text: str) -> str:
    """Text without tags, emphasis marks and escapes."""
    text = _TAG.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _UNDERSCORES.sub(r"\2", text)
    return _ESCAPE.sub(r"\1", text)
