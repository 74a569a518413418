"""SQL: what a statement makes, tables and functions, as sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed.extract import definitions
from ingestd.embed.extract.definitions import Definition, Grammar
from ingestd.embed.extract.segment import Carried

if TYPE_CHECKING:
    from ingestd.ports import Extracted

_TABLE = re.compile(
    r"(?:create|alter)[ \t]+(?:or[ \t]+replace[ \t]+)?(?:\w+[ \t]+){0,4}?"
    r"(table|view|index|function|procedure|trigger|type|schema|sequence|policy|role)\s{1,40}"
    r"(?:if[ \t]+not[ \t]+exists[ \t]+|concurrently[ \t]+|only[ \t]+)?([\w.\"`\[\]]+)",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"(?:insert|update|delete|grant|revoke|comment|drop|select|with|set|copy|truncate|analyze)\b",
    re.IGNORECASE,
)


class _Statements(Grammar):
    """A statement begins at the left margin, and ends where another one does."""

    dedents = False
    closer = re.compile(r"[)\]]")
    ends = re.compile(r"(?!)")
    attached = re.compile(r"--|/\*")
    marks = re.compile(r"""(/\*|\$\w{0,40}\$)|'[^'\n]*+'?|--.*""")
    closing = {"/*": "*/"}  # noqa: RUF012 - never changed

    def definition(self, line: str, text: str, end: int, *, inside: bool) -> Definition | None:
        """What a line begins."""
        del inside
        if found := _TABLE.match(text, end - len(line)):
            return Definition(f"{found[1].lower()} {found[2]}")
        return Definition("") if _OTHER.match(line) else None


_GRAMMAR = _Statements()


def extract(text: str) -> Extracted:
    """Extract tables, functions and the like as sections."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    return definitions.go_on(text, carried, _GRAMMAR)
