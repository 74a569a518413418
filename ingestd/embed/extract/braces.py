"""Source code whose definitions stand in braces: C, Java, JavaScript, Go, Rust, shell and more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract import definitions
from ingestd.embed.extract.definitions import Definition, Grammar
from ingestd.embed.extract.segment import Carried

if TYPE_CHECKING:
    from ingestd.ports import Extracted

_MOST_CHARS = 400
"""Longer lines are not looked at: nobody wrote them."""
_MODIFIERS = (
    r"[ \t]*(?:@[\w.]+(?:\([^()\n]*\))?[ \t]+)*"
    r"(?:(?:export|default|declare|public|private|protected|internal|static|abstract|final|sealed|"
    r"open|override|virtual|async|unsafe|extern|inline|const|constexpr|partial|readonly|data|"
    r"inner|case|implicit|lazy|fileprivate|mutating|suspend|tailrec|operator|pub(?:\([^()\n]*\))?|"
    r"typedef|template[ \t]*<[^\n]*>)[ \t]+)*"
)
_HOLDER = re.compile(
    _MODIFIERS + r"(?:class|struct|union|interface|@interface|enum(?:[ \t]+class)?|trait|object|"
    r"namespace|module|mod|protocol|extension|record|actor|contract|library|service|message|impl|"
    r"package[ \t]+object|companion[ \t]+object)\b[ \t]*([^{;=]*)"
)
_NAME = re.compile(r"[\w$]+(?:(?:\.|::|\\)[\w$]+)*")
_AFTER_NAME = re.compile(
    r"(?:<[^\n]*>)?\s*(?:$|[:{(\[]|(?:extends|implements|where|final|permits|with|for|is)\b)"
)
_PEEKED_CHARS = 1000
_BODY = re.compile(r"\s*\{|[ \t]+\S")
_OPENS_OR_ENDS = re.compile(r"[;{]")
_FUNCTION = re.compile(
    _MODIFIERS + r"(?:function\*?|func|fun|fn|def|sub|macro_rules!|init|rpc)[ \t]+"
    r"(?:\([^()\n]*?([\w.]+)[^\w()\n]*\)[ \t]*)?([\w$.:?!]+(?:<[^()\n]*?>\.\w+)?)"
)
_VALUE = re.compile(
    _MODIFIERS
    + r"(?:const|let|var|val)?[ \t]*([\w$.]+)[ \t]*(?::[^=\n]*)?(?:=|<-)[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|class\b|\([^\n]*=>[^\n]*\{|[\w$]+[ \t]*=>[^\n]*\{|\{$|\($)"
)
_TYPE = re.compile(
    _MODIFIERS + r"(?:type|input|schema|query|mutation|subscription|fragment|directive)[ \t]+"
    r"([\w$]+)[^;\n]*\{$"
)
_LABELLED = re.compile(r"([\w-]+(?:[ \t]+\"[^\"\n]*\")+)[ \t]*\{")
_LAST_NAME = re.compile(r"([\w$~.:]+)[ \t]*$")
_BEGINS_SIGNATURE = re.compile(r"[ \t]*[\w~@$\[<]")
_CONTROLS = """
    if else elif elsif elseif for foreach while until unless switch match case when return do try
    catch finally new throw delete using lock with goto assert sizeof await yield synchronized
    loop select defer go guard repeat and or not in require import include typeof
"""
_CONTROL = frozenset(_CONTROLS.split())
_SIGNATURE_END = re.compile(r"(?:[{),(]|\b(?:const|noexcept|override|final|throws.*|where.*))$")


class _Braces(Grammar):
    """What is common to languages with braces."""

    dedents = False
    closer = re.compile(r"[)\]}{]")
    ends = re.compile(r"[)\]]*\}")
    attached = re.compile(
        r"//|/\*|\*|#(?!include|define|if|el|endif|undef|import)|@|\[\w|template\b"
        r"|[A-Za-z_][\w \t]*\**$"
    )
    marks = re.compile(
        r"""(/\*|`|"{3})|"(?:[^"\\\n]++|\\.)*+"?|'(?:[^'\\\n]|\\.){0,99}+'|//.*|^[ \t]*\#.*"""
    )
    closing: ClassVar = {"/*": "*/"}

    def definition(self, line: str, text: str, end: int, *, inside: bool) -> Definition | None:
        """What a line begins."""
        if len(line) > _MOST_CHARS:
            return None
        bare = line.rstrip()
        opens, closes = bare.count("{"), bare.count("}")
        if bare.endswith((";", ",")) and not opens:
            return None
        found = _held(bare)
        if found is not None and not opens and not bare.endswith(("(", ",", ":")):
            # A class without a body.
            found = found if _BODY.match(text, end) else Definition(found.name, done=True)
        found = found or _named(bare)
        if found is None:
            found = _function(bare, inside=inside)
            # A declaration, or a call, looks like a definition up to the sign that ends it.
            if found is not None and not opens:
                sign = _OPENS_OR_ENDS.search(text, end, end + _PEEKED_CHARS)
                found = found if sign and sign[0] == "{" else None
        if found is not None and 0 < opens <= closes:
            return Definition(found.name, done=True)
        return found


def _held(line: str) -> Definition | None:
    """A class, or something else that holds definitions."""
    found = _HOLDER.match(line)
    if found is None:
        return None
    rest = found[1].strip()
    if "impl" in line[: found.start(1)]:
        return Definition(rest[:100].strip(), holds=True)
    name = _NAME.match(rest)
    # Otherwise it is a variable of that type, or what a function gives.
    if name is None or not _AFTER_NAME.match(rest[name.end() :]):
        return None
    return Definition(name[0], holds=True)


def _named(line: str) -> Definition | None:
    """What a keyword or an assignment names."""
    if found := _FUNCTION.match(line):
        return Definition(f"{found[1]}.{found[2]}" if found[1] else found[2])
    if found := _VALUE.match(line) or _TYPE.match(line):
        return Definition(found[1])
    if found := _LABELLED.match(line):
        return Definition(found[1].replace('"', ""))
    return None


def _function(line: str, *, inside: bool) -> Definition | None:
    """A function that no keyword announces: a name before a parenthesis, and no call."""
    head, parenthesis, rest = line.partition("(")
    if not parenthesis or "=" in head or not _SIGNATURE_END.search(line):
        return None
    if not _BEGINS_SIGNATURE.match(head):
        return None
    words = head.replace("*", " ").replace("&", " ").split()
    found = _LAST_NAME.search(head)
    if not words or found is None or words[0] in _CONTROL or words[-1] in _CONTROL:
        return None
    if "." in found[1] or '"' in head or "'" in head:
        return None
    if len(words) == 1 and not _may_be_bare(line, rest, inside=inside):
        return None
    return Definition(found[1])


def _may_be_bare(line: str, rest: str, *, inside: bool) -> bool:
    """Whether a name alone may be a function: a method, one of a shell, or its type is above."""
    if line.endswith("{"):
        return inside or rest.startswith(")")
    return not line[0].isspace()


_GRAMMAR = _Braces()


def extract(text: str) -> Extracted:
    """Extract classes and functions as sections."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    return definitions.go_on(text, carried, _GRAMMAR)
