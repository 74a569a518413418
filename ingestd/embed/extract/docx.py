"""Word documents: headings by their styles, lists, tables row by row, notes behind their paragraph.

Left out: headers and footers, tables of contents, comments, and what was deleted while changes were
tracked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract import office
from ingestd.embed.extract.archive import Archive
from ingestd.embed.extract.compose import Composer
from ingestd.embed.extract.wordparts import Notes, Styles, number_in
from ingestd.embed.extract.xmlpull import Walker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.xmlpull import Attributes
    from ingestd.ports import Section

MAIN = "word/document.xml"
_BODY_LEVEL = 9
_MOST_INDENTED = 8
_TITLE_LEVEL = 1


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Section]:
    """Yield the sections of a Word document.

    Raises:
        EncryptedError: a password is needed.
        ExtractionError: it is damaged.
    """
    archive = Archive(file, bounds)
    main = office.main_part(archive, MAIN)
    parts = {one.kind: one.target for one in archive.relations(main).values()}
    styles = Styles()
    if parts.get("styles", "") in archive:
        styles.through(archive.events(parts["styles"]))
    notes = {}
    for kind in ("footnotes", "endnotes"):
        if parts.get(kind, "") in archive:
            reader = Notes(kind)
            reader.through(archive.events(parts[kind]))
            notes.update(reader.found)
    body = _Body(Composer(office.core_title(archive)), styles, notes)
    yield from body.walk(archive.events(main))
    yield from body.rest()


@dataclass(slots=True)
class _Paragraph:
    """A paragraph that is open."""

    parts: list[str] = field(default_factory=list)
    style: str = ""
    level: int | None = None
    listed: bool | None = None
    depth: int = 0
    notes: list[str] = field(default_factory=list)


class _Body(Walker):
    """The text of a document."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset(
        {
            *("del", "deltext", "movefrom", "instrtext", "delinstrtext", "fallback", "rt"),
            *("sdtpr", "sectpr", "rpr", "tblpr", "tblgrid", "trpr", "tcpr", "bindata"),
            *("pprchange", "numberingchange", "tabs"),
        }
    )

    def __init__(
        self, composer: Composer, styles: Styles, notes: dict[tuple[str, str], str]
    ) -> None:
        super().__init__()
        self._composer = composer
        self._styles = styles
        self._notes = notes
        self._noted = 0
        self._waiting: list[str] = []  # notes of the table that is open
        self._open: list[_Paragraph] = []
        self._tables = office.Tables(composer)
        self._in_text = False
        self._was_item = False

    def rest(self) -> Iterator[Section]:
        """What is left when the document has ended."""
        return self._composer.rest()

    def text(self, data: str) -> None:
        """Take text."""
        if self._in_text and self._open:
            self._open[-1].parts.append(data)

    def start_t(self, _: Attributes) -> None:
        """Begin text."""
        self._in_text = True

    def end_t(self) -> None:
        """End text."""
        self._in_text = False

    def start_tab(self, _: Attributes) -> None:
        """Take a tabulator."""
        self._sign("\t")

    def start_br(self, attributes: Attributes) -> None:
        """Take a new line; new pages and columns are none."""
        if attributes.get("type", "textWrapping") == "textWrapping":
            self._sign("\n")

    def start_cr(self, _: Attributes) -> None:
        """Take a new line."""
        self._sign("\n")

    def start_nobreakhyphen(self, _: Attributes) -> None:
        """Take a hyphen."""
        self._sign("-")

    def start_footnotereference(self, attributes: Attributes) -> None:
        """Mark the place of a note, whose text follows the paragraph."""
        self._note("footnote", attributes)

    def start_endnotereference(self, attributes: Attributes) -> None:
        """Do the same for a note at the end."""
        self._note("endnote", attributes)

    def _note(self, kind: str, attributes: Attributes) -> None:
        text = self._notes.get((kind, attributes.get("id", "")))
        if text and self._open:
            self._noted += 1
            self._sign(f"[{self._noted}]")
            self._open[-1].notes.append(f"[{self._noted}] {text}")

    def _sign(self, sign: str) -> None:
        if self._open:
            self._open[-1].parts.append(sign)

    def start_p(self, _: Attributes) -> None:
        """Begin a paragraph; in a text box, within another one."""
        self._open.append(_Paragraph())

    def start_pstyle(self, attributes: Attributes) -> None:
        """Take the style of the paragraph."""
        if self._open:
            self._open[-1].style = attributes.get("val", "")

    def start_outlinelvl(self, attributes: Attributes) -> None:
        """Take the level that only this paragraph has."""
        if self._open:
            self._open[-1].level = number_in(attributes)

    def start_numid(self, attributes: Attributes) -> None:
        """Note that it is an item, or, by number 0, that it is none."""
        if self._open:
            self._open[-1].listed = attributes.get("val", "0") != "0"

    def start_ilvl(self, attributes: Attributes) -> None:
        """Take the depth of an item."""
        if self._open:
            self._open[-1].depth = min(number_in(attributes) or 0, _MOST_INDENTED)

    def end_p(self) -> None:
        """End a paragraph: into the cell that is open, or into the text."""
        if not self._open:
            return
        paragraph = self._open.pop()
        text = "".join(paragraph.parts).strip()
        if self._tables:
            self._tables.add(text)
            self._waiting += paragraph.notes
            return
        if text:
            self._paragraph(paragraph, text)
        self._add_notes(paragraph.notes)

    def _paragraph(self, paragraph: _Paragraph, text: str) -> None:
        style = self._styles.find(paragraph.style)
        level = style.level if paragraph.level is None else paragraph.level
        listed = style.listed if paragraph.listed is None else paragraph.listed
        composer = self._composer
        if style.name.startswith(("toc ", "table of figures")):
            return
        if style.name == "title":
            composer.title = composer.title or office.title_of(text)
            composer.heading(_TITLE_LEVEL, text)
        elif level is not None and 0 <= level < _BODY_LEVEL:
            composer.heading(level + 1, text)
        elif listed:
            composer.paragraph(f"{'  ' * paragraph.depth}- {text}", close=self._was_item)
        else:
            composer.paragraph(text)
        self._was_item = bool(listed)
        self.ready += composer.full()

    def _add_notes(self, notes: list[str]) -> None:
        for note in notes:
            self._composer.paragraph(note, close=True)

    def start_tbl(self, _: Attributes) -> None:
        """Begin a table."""
        self._tables.begin()

    def start_tr(self, _: Attributes) -> None:
        """Begin a row."""
        self._tables.begin_row()

    def start_tc(self, _: Attributes) -> None:
        """Begin a cell."""
        self._tables.begin_cell()

    def end_tr(self) -> None:
        """End a row."""
        self.ready += self._tables.end_row()

    def end_tbl(self) -> None:
        """End a table."""
        self.ready += self._tables.end()
        if not self._tables:
            self._add_notes(self._waiting)
            self._waiting = []
            self._was_item = False
