r"""LaTeX: sections as headings, comments left out, tables and listings kept whole.

Commands stay in the text: what they mean, only TeX knows. In titles they are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed.extract.cleaning import clean_lines
from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.outline import MAX_TITLE_CHARS
from ingestd.embed.extract.reader import BlockReader
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CHARS = 2000
_LEVELS = {
    "part": 1,
    "chapter": 2,
    "section": 3,
    "subsection": 4,
    "subsubsection": 5,
    "paragraph": 6,
    "frametitle": 4,
}
_SECTION = re.compile(
    r"[ \t]*\\(part|chapter|section|subsection|subsubsection|paragraph|frametitle)"
    r"\*?[ \t]*(?:\[[^\]\n]*\])?[ \t]*\{"
)
_TITLE = re.compile(r"[ \t]*\\title[ \t]*(?:\[[^\]\n]*\])?[ \t]*\{")
_WHOLE = r"(?:verbatim|Verbatim|lstlisting|minted|alltt|tabularx?|longtable|table|figure|algorithm|"
_WHOLE += r"equation|align|gather|multline|displaymath|tikzpicture)\*?"
_BEGIN = re.compile(rf"[ \t]*\\begin\{{({_WHOLE})\}}")
_LITERAL = re.compile(r"\\begin\{((?:verbatim|Verbatim|lstlisting|minted|alltt|comment)\*?)\}")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*")
_VERBATIM = re.compile(r"\\(?:verb\*?([^\w\s*])|(?:url|href|path)[ \t]*\{)")
_COMMAND = re.compile(
    r"\\(?:label|index|footnote|thanks|cite\w*)[ \t]*\{[^{}]*\}|\\[A-Za-z]+\*?[ \t]*"
)


def clean(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the text without its comments; what stands verbatim has none."""
    return clean_lines(pieces, _Comments().without)


def extract(text: str) -> Extracted:
    """Extract blocks and title."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    reader = BlockReader(text, carried.outline)
    title = ""
    for start, end in lines(text):
        line = text[start:end]
        short = line[:_MOST_CHARS]
        if carried.fence:
            reader.extend(start, end)
            if f"\\end{{{carried.fence}}}" in line:
                carried.fence = ""
        elif line.isspace():
            reader.close()
        elif section := _SECTION.match(short):
            reader.close()
            name = _plain(text, start + section.end())
            reader.heading(start, end, _LEVELS[section[1]], name)
        else:
            if not title and (found := _TITLE.match(short)):
                title = _plain(text, start + found.end())
            begins = _BEGIN.match(short)
            reader.extend(start, end)
            if begins and f"\\end{{{begins[1]}}}" not in line:
                carried.fence = begins[1]
    reader.close()
    return Extracted(text, title, "application/x-tex", reader.blocks)


class _Comments:
    """Takes comments out, line by line."""

    def __init__(self) -> None:
        self._literal = ""  # the environment that we are in, where a comment mark is none

    def without(self, line: str) -> str:
        """A line without its comment; nothing of one that is a comment only."""
        if self._literal:
            is_comment = self._literal == "comment"
            if f"\\end{{{self._literal}}}" in line:
                self._literal = ""
            return "" if is_comment else line
        found = _LITERAL.search(line[:_MOST_CHARS])
        if found and f"\\end{{{found[1]}}}" not in line:
            self._literal = found[1]
            return "" if found[1] == "comment" else line
        if "%" not in line or _VERBATIM.search(line):
            return line
        bare = _COMMENT.sub(r"\1", line, count=1)
        # An empty line would part what the comment stands in.
        return "" if bare.isspace() and not line.isspace() else bare


def _plain(text: str, start: int) -> str:
    """A title without its commands, from behind its brace to the one that closes it."""
    depth = 1
    end = start
    for end in range(start, min(len(text), start + _MOST_CHARS)):
        sign = text[end]
        depth += (sign == "{") - (sign == "}")
        if not depth:
            break
    title = _COMMAND.sub(" ", text[start:end].replace("\\\\", " "))
    title = title.translate({ord("{"): None, ord("}"): None, ord("~"): " ", ord("$"): None})
    return " ".join(title.replace("\\", "").split())[:MAX_TITLE_CHARS]
