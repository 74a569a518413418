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
_VERBATIM = frozenset({"Code", "CodeBlock", "Math"})
_BREAKS = {"Space": " ", "SoftBreak": "\n", "LineBreak": "\n"}
_SIGNS = {"Quoted": '"', "Note": " "}
_SLIDE_CHARS = 400
_RULE = {"t": "HorizontalRule"}


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


def text(blocks: Any, mark: str = "") -> str:
    """All that a reader of these blocks sees.

    Args:
        blocks: a node or a list of them.
        mark: what stands where emphasis, code or a link begins or ends, perhaps within a word.
    """
    return "".join(_pieces(blocks, mark))


def _pieces(value: Any, mark: str) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _pieces(each, mark)
    elif isinstance(value, dict) and "t" in value:
        yield from _node(value["t"], value.get("c"), mark)


def _node(kind: str, content: Any, mark: str) -> Iterator[str]:
    if kind == "Str":
        yield content
        return
    if kind in _BREAKS:
        yield _BREAKS[kind]
        return
    around = "\n" if kind not in _INLINE else _SIGNS.get(kind, mark)
    yield around
    yield from [content[1]] if kind in _VERBATIM else _pieces(content, mark)
    yield around


def whole(documents: list[Node]) -> Node:
    """Documents one after the other, as one."""
    return {**documents[0], "blocks": [block for each in documents for block in each["blocks"]]}


def slides(document: Node) -> Node:
    """A document with a new slide wherever one would be too full to be seen."""
    blocks, chars = [], 0
    for block in document["blocks"]:
        length = len(text(block))
        if block["t"] != "Header" and chars and chars + length > _SLIDE_CHARS:
            blocks.append(_RULE)
            chars = 0
        chars = 0 if block["t"] == "Header" else chars + length
        blocks.append(block)
    return {**document, "blocks": blocks}


def rows(document: Node) -> Iterator[tuple[str, str, str]]:
    """A document as rows of a table: the section, the kind of the block, and its text."""
    section = ""
    for block in document["blocks"]:
        own = " ".join(text(block).split())
        if block["t"] == "Header":
            section = own
        elif own:
            yield section, block["t"], own
