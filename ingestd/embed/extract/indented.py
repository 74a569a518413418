"""Source code whose definitions end where the indentation does: Python, Ruby, Lua and more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract import definitions
from ingestd.embed.extract.definitions import Definition, Grammar
from ingestd.embed.extract.segment import Carried

if TYPE_CHECKING:
    from ingestd.ports import Extracted

_CLASS = re.compile(
    r"[ \t]*(?:class|module|defmodule|defprotocol|defimpl|mutable struct)[ \t]+"
    r"(\w+(?:(?:\.|::)\w+)*)"
)
_FUNCTION = re.compile(
    r"[ \t]*(?:(?:async|private|public|protected|local|pure|recursive|elemental)[ \t]+)*"
    r"(?:def|defp|defmacro|defmacrop|function|macro|struct|proc|func|sub|subroutine|procedure)"
    r"[ \t]+([\w.:$]*\w[!?=]?)",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"(?:local[ \t]+)?([\w.]+)[ \t]*=[ \t]*function\b")
_LISP = re.compile(r"\((?:def[\w*+-]*|ns|cl-def\w+)[ \t]+([^\s()]+)")


class _Indented(Grammar):
    """What is common to languages that are indented by their rules, or by everybody."""

    dedents = True
    closer = re.compile(r"[)\]}]|end\b")
    ends = re.compile(r"end\b")
    attached = re.compile(r"#|@|--|;|%")
    marks = re.compile(
        r"""("{3}|'{3}|--\[\[|/\*)|"(?:[^"\\\n]++|\\.)*+"?|'(?:[^'\\\n]|\\.){0,99}+'|(?:\#|--).*"""
    )
    closing: ClassVar = {"--[[": "]]", "/*": "*/"}

    def definition(self, line: str, text: str, end: int, *, inside: bool) -> Definition | None:
        """What a line begins."""
        del text, end, inside
        if found := _CLASS.match(line):
            return Definition(found[1], holds=True)
        if found := _FUNCTION.match(line) or _ASSIGNED.match(line) or _LISP.match(line):
            return Definition(found[1])
        return None


_GRAMMAR = _Indented()


def extract(text: str) -> Extracted:
    """Extract classes and functions as sections."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    return definitions.go_on(text, carried, _GRAMMAR)
