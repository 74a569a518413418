"""HWPX, the newer form of Hangul documents: a ZIP archive of XML, read as a stream.

Headings are the paragraphs of an outline, tables are given row by row, notes stand behind their
paragraph. Left out: headers and footers, memos and hidden comments, descriptions of pictures, and
what was deleted while changes were tracked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract import office
from ingestd.embed.extract.archive import Archive
from ingestd.embed.extract.compose import Composer
from ingestd.embed.extract.skip import EncryptedError
from ingestd.embed.extract.xmlpull import Walker
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.xmlpull import Attributes
    from ingestd.ports import Section

_MANIFEST = "META-INF/manifest.xml"
_PACKAGE = "Contents/content.hpf"
_HEADER = "Contents/header.xml"
_SECTION = re.compile(r"Contents/section(\d{1,6})\.xml")
_MOST_INDENTED = 8


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Section]:
    """Yield the sections of a document.

    Raises:
        EncryptedError: a password is needed.
        ExtractionError: it is damaged.
    """
    archive = Archive(file, bounds)
    if _is_locked(archive):
        raise EncryptedError("a password is needed")
    parts = _parts(archive)
    if not parts:
        raise ExtractionError("damaged document: it has no section")
    title = ""
    if _PACKAGE in archive:
        title = office.title_of(office.text_in(archive, _PACKAGE, "title"))
    shapes = _Shapes()
    if _HEADER in archive:
        shapes.through(archive.events(_HEADER))
    body = _Body(Composer(title), shapes)
    for part in parts:
        yield from body.walk(archive.events(part))
    yield from body.rest()


def _is_locked(archive: Archive) -> bool:
    return _MANIFEST in archive and any(
        kind == "start" and name == "encryption_data" for kind, name, _ in archive.events(_MANIFEST)
    )


def _parts(archive: Archive) -> list[str]:
    """The parts with the text, in order."""
    found = {int(match[1]): match[0] for match in map(_SECTION.fullmatch, archive.names()) if match}
    return [found[number] for number in sorted(found)]


def _whole(text: str) -> int:
    """The number that an attribute says; 0 where it says none."""
    try:
        return int(text)
    except ValueError:
        return 0


class _Shapes(Walker):
    """What paragraphs of a shape are: headings of a level, or items of a depth."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset({"fontfaces", "borderfills", "charproperties"})

    def __init__(self) -> None:
        super().__init__()
        self.levels: dict[str, int] = {}
        self.depths: dict[str, int] = {}
        self._shape = ""

    def start_parapr(self, attributes: Attributes) -> None:
        """Begin a shape."""
        self._shape = attributes.get("id", "")

    def start_heading(self, attributes: Attributes) -> None:
        """Learn what its paragraphs are."""
        kind, level = attributes.get("type"), _whole(attributes.get("level", ""))
        if kind == "OUTLINE":
            self.levels[self._shape] = level + 1
        elif kind in {"NUMBER", "BULLET"}:
            self.depths[self._shape] = max(0, min(level, _MOST_INDENTED))


@dataclass(slots=True)
class _Paragraph:
    """A paragraph that is open."""

    shape: str = ""
    parts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Body(Walker):
    """The text of a document."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset(
        {
            *("secpr", "linesegarray", "header", "footer", "hiddencomment", "fieldbegin"),
            *("shapecomment", "parameters", "masterpage", "trackchanges", "metatag", "subtext"),
        }
    )

    def __init__(self, composer: Composer, shapes: _Shapes) -> None:
        super().__init__()
        self._composer = composer
        self._shapes = shapes
        self._tables = office.Tables(composer)
        self._open: list[_Paragraph] = []
        self._aside: list[list[str]] = []  # of the notes and captions that are open
        self._waiting: list[str] = []  # notes and captions of the table that is open
        self._noted = 0
        self._in_text = False
        self._deleted = False
        self._was_item = False

    def rest(self) -> Iterator[Section]:
        """What is left when the document has ended."""
        return self._composer.rest()

    def text(self, data: str) -> None:
        """Take text."""
        if self._in_text:
            self._sign(data)

    def start_t(self, _: Attributes) -> None:
        """Begin text."""
        self._in_text = True

    def end_t(self) -> None:
        """End text."""
        self._in_text = False

    # The formula of an equation, in the language of Hangul's editor of them; the base of a ruby.
    start_script = start_maintext = start_t
    end_script = end_maintext = end_t

    def start_tab(self, _: Attributes) -> None:
        """Take a tabulator."""
        self._sign("\t")

    def start_linebreak(self, _: Attributes) -> None:
        """Take a new line."""
        self._sign("\n")

    def start_nbspace(self, _: Attributes) -> None:
        """Take a space at which no line ends."""
        self._sign(" ")

    start_fwspace = start_nbspace

    def start_hyphen(self, _: Attributes) -> None:
        """Take a hyphen."""
        self._sign("-")

    def start_deletebegin(self, _: Attributes) -> None:
        """Begin what was deleted."""
        self._deleted = True

    def start_deleteend(self, _: Attributes) -> None:
        """End what was deleted."""
        self._deleted = False

    def start_p(self, attributes: Attributes) -> None:
        """Begin a paragraph; in a table, a box or a note within another one."""
        self._open.append(_Paragraph(attributes.get("paraPrIDRef", "")))

    def end_p(self) -> None:
        """End a paragraph: it goes where it stands."""
        if not self._open:
            return
        paragraph = self._open.pop()
        self._give(paragraph)
        self.ready += self._composer.full() if not (self._aside or self._tables) else ()

    def start_footnote(self, _: Attributes) -> None:
        """Begin a note, whose text follows the paragraph."""
        self._aside.append([])

    def end_footnote(self) -> None:
        """End a note."""
        text = " ".join(self._aside.pop()) if self._aside else ""
        if text and self._open:
            self._noted += 1
            self._sign(f"[{self._noted}]")
            self._open[-1].notes.append(f"[{self._noted}] {text}")

    start_endnote, end_endnote = start_footnote, end_footnote

    def start_caption(self, _: Attributes) -> None:
        """Begin what stands at a table or picture."""
        self._aside.append([])

    def end_caption(self) -> None:
        """End it: that of a table comes behind the table."""
        text = " ".join(self._aside.pop()) if self._aside else ""
        if text and self._aside:
            self._aside[-1].append(text)
        elif text and self._tables:
            self._waiting.append(text)
        else:
            self._composer.paragraph(text)

    def start_tbl(self, _: Attributes) -> None:
        """Begin a table, behind what its paragraph has before it."""
        if self._aside:
            return
        if not self._tables and self._open:
            begun = self._open[-1]
            self._open[-1] = _Paragraph(begun.shape)
            self._give(begun)
        self._tables.begin()

    def start_tr(self, _: Attributes) -> None:
        """Begin a row."""
        if not self._aside:
            self._tables.begin_row()

    def start_tc(self, _: Attributes) -> None:
        """Begin a cell."""
        if not self._aside:
            self._tables.begin_cell()

    def start_celladdr(self, attributes: Attributes) -> None:
        """Put the cell that is open into its column: what others cover is not there."""
        if not self._aside:
            self._tables.place(_whole(attributes.get("colAddr", "")))

    def end_tr(self) -> None:
        """End a row."""
        if not self._aside:
            self.ready += self._tables.end_row()

    def end_tbl(self) -> None:
        """End a table."""
        if self._aside:
            return
        self.ready += self._tables.end()
        if not self._tables:
            waiting, self._waiting = self._waiting, []
            for text in waiting:
                self._composer.paragraph(text)
            self._was_item = False

    def _sign(self, sign: str) -> None:
        if self._open and not self._deleted:
            self._open[-1].parts.append(sign)

    def _give(self, paragraph: _Paragraph) -> None:
        """Take what a paragraph has: into a note, the cell that is open, or the text."""
        text = "".join(paragraph.parts).strip()
        if self._aside:
            self._aside[-1] += [text] if text else []
        elif self._tables:
            self._tables.add(text)
            self._waiting += paragraph.notes
        else:
            if text:
                self._paragraph(paragraph.shape, text)
            for note in paragraph.notes:
                self._composer.paragraph(note, close=True)

    def _paragraph(self, shape: str, text: str) -> None:
        level, depth = self._shapes.levels.get(shape), self._shapes.depths.get(shape)
        if level is not None:
            self._composer.heading(level, text)
        elif depth is not None:
            self._composer.paragraph(f"{'  ' * depth}- {text}", close=self._was_item)
        else:
            self._composer.paragraph(text)
        self._was_item = level is None and depth is not None
