"""What the text of a Word document refers to: styles by their ids, and the texts of its notes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract.xmlpull import Walker

if TYPE_CHECKING:
    from ingestd.embed.extract.xmlpull import Attributes

_MOST_HEIRS = 20
_HEADING = re.compile(r"heading (\d{1,2})")


@dataclass(slots=True)
class Style:
    """What a style says: its name, level of outline, and whether it is a list's."""

    name: str = ""
    level: int | None = None
    listed: bool = False
    parent: str = ""


class Styles(Walker):
    """The styles of a document."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset({"rpr", "tblpr", "tcpr", "trpr", "docdefaults"})

    def __init__(self) -> None:
        super().__init__()
        self._styles: dict[str, Style] = {}
        self._style = Style()

    def start_style(self, attributes: Attributes) -> None:
        """Begin a style."""
        self._style = self._styles[attributes.get("styleId", "")] = Style()

    def start_name(self, attributes: Attributes) -> None:
        """Take the name, which is the same in every language."""
        self._style.name = attributes.get("val", "").lower()

    def start_basedon(self, attributes: Attributes) -> None:
        """Take the style that this one inherits from."""
        self._style.parent = attributes.get("val", "")

    def start_outlinelvl(self, attributes: Attributes) -> None:
        """Take the level."""
        self._style.level = number_in(attributes)

    def start_numpr(self, _: Attributes) -> None:
        """Note that its paragraphs are items."""
        self._style.listed = True

    def find(self, style_id: str) -> Style:
        """A style, with what it inherits."""
        found = Style()
        for _ in range(_MOST_HEIRS):
            style = self._styles.get(style_id)
            if style is None:
                break
            found.name = found.name or style.name
            found.level = style.level if found.level is None else found.level
            found.listed = found.listed or style.listed
            style_id = style.parent
        if number := _HEADING.fullmatch(found.name):
            found.level = int(number[1]) - 1
        return found


class Notes(Walker):
    """The texts of footnotes or endnotes, by their ids."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset({"del", "instrtext", "fallback", "ppr", "rpr"})

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.found: dict[tuple[str, str], str] = {}
        self._kind = kind.removesuffix("s")
        self._id = ""
        self._parts: list[str] = []
        self._in_text = False

    def start_footnote(self, attributes: Attributes) -> None:
        """Begin a note; separators are notes too, with a type."""
        normal = attributes.get("type", "normal") == "normal"
        self._id = attributes.get("id", "") if normal else ""
        self._parts = []

    start_endnote = start_footnote

    def start_t(self, _: Attributes) -> None:
        """Begin text."""
        self._in_text = True

    def end_t(self) -> None:
        """End text."""
        self._in_text = False

    def text(self, data: str) -> None:
        """Take text."""
        if self._in_text:
            self._parts.append(data)

    def end_p(self) -> None:
        """End a paragraph."""
        self._parts.append(" ")

    def end_footnote(self) -> None:
        """End a note."""
        if self._id:
            self.found[self._kind, self._id] = " ".join("".join(self._parts).split())

    end_endnote = end_footnote


def number_in(attributes: Attributes) -> int | None:
    """The number that an element says; None where it says none."""
    try:
        return int(attributes.get("val", ""))
    except ValueError:
        return None
