"""Documents as pandoc's tree: what every format is made from, and whose words are the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = dict[str, Any]

_DROPPED = frozenset({"Image", "RawInline", "RawBlock"})
"""Pictures have no words, and raw HTML is taken by some formats only."""
_INLINE = frozenset(
    {"Str", "Emph", "Underline", "Strong", "Strikeout", "Superscript", "Subscript", "SmallCaps"}
    | {"Quoted", "Cite", "Code", "Space", "SoftBreak", "LineBreak", "Math", "Link", "Note", "Span"}
)
_BREAKS = {"Space": " ", "SoftBreak": "\n", "LineBreak": "\n"}


def without_pictures(value: Any) -> Any:
    """The same, without what not every format can hold."""
    if isinstance(value, list):
        return [
            without_pictures(each)
            for each in value
            if not (isinstance(each, dict) and each.get("t") in _DROPPED)
        ]
    if isinstance(value, dict):
        return {key: without_pictures(each) for key, each in value.items()}
    return value


def text(blocks: Any) -> str:
    """All that a reader of these blocks sees."""
    return "".join(_pieces(blocks))


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _pieces(each)
    elif isinstance(value, dict) and "t" in value:
        yield from _node(value["t"], value.get("c"))


def _node(kind: str, content: Any) -> Iterator[str]:
    if kind == "Str":
        yield content
    elif kind in _BREAKS:
        yield _BREAKS[kind]
    elif kind in {"Code", "CodeBlock", "Math"}:
        yield content[1]
    elif kind == "Note":  # its paragraph goes on behind it
        yield " "
        yield from _pieces(content)
    else:
        yield from _pieces(content)
    if kind not in _INLINE:
        yield "\n"


def whole(documents: list[Node]) -> Node:
    """Documents one after the other, as one."""
    return {**documents[0], "blocks": [block for each in documents for block in each["blocks"]]}


def rows(document: Node) -> Iterator[tuple[str, str, str]]:
    """A document as rows of a table: the section, the kind of the block, and its text."""
    section = ""
    for block in document["blocks"]:
        own = " ".join(text(block).split())
        if block["t"] == "Header":
            section = own
        elif own:
            yield section, block["t"], own
