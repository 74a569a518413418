"""OpenDocument: texts, sheets and presentations, each from its one part ``content.xml``.

Left out: comments, what was deleted while changes were tracked, headers and footers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract import office
from ingestd.embed.extract.archive import Archive
from ingestd.embed.extract.compose import Composer
from ingestd.embed.extract.ods import LEFT_OUT, sheets, whole
from ingestd.embed.extract.skip import EncryptedError
from ingestd.embed.extract.xmlpull import Walker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.xmlpull import Attributes
    from ingestd.ports import Section

_CONTENT = "content.xml"
_MANIFEST = "META-INF/manifest.xml"
_META = "meta.xml"
_MOST_BLANKS = 100
_MOST_INDENTED = 8


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Section]:
    """Yield the sections of a document of any of the three kinds.

    Raises:
        EncryptedError: a password is needed.
        ExtractionError: it is damaged.
    """
    archive = Archive(file, bounds)
    if _MANIFEST in archive and any(
        name == "encryption_data" for _, name, _ in archive.events(_MANIFEST)
    ):
        raise EncryptedError("a password is needed")
    title = office.title_of(office.text_in(archive, _META, "title")) if _META in archive else ""
    found = archive.events(_CONTENT)
    body = Text(Composer(title))
    for kind, name, _ in found:
        if kind == "start" and name == "spreadsheet":
            yield from sheets(found, title)
            return
        if kind == "start" and name in {"text", "presentation", "drawing"}:
            break
    yield from body.walk(found)
    yield from body.rest()


class Text(Walker):
    """The text of a document, or of a presentation, whose pages are slides."""

    SKIPPED: ClassVar[frozenset[str]] = LEFT_OUT

    def __init__(self, composer: Composer) -> None:
        super().__init__()
        self._composer = composer
        self._open: list[list[str]] = []  # paragraphs: a text box stands in another one
        self._levels: list[int] = []
        self._lists = 0
        self._slide = 0
        self._was_item = False
        self._tables = office.Tables(composer)
        self._note: list[str] | None = None
        self._noted = 0
        self._notes: list[str] = []
        self._in_citation = False

    def rest(self) -> Iterator[Section]:
        """What is left when the document has ended."""
        return self._composer.rest()

    def text(self, data: str) -> None:
        """Take text."""
        if self._open and not self._in_citation:
            self._open[-1].append(data)

    def start_page(self, _: Attributes) -> None:
        """Begin a slide."""
        self._slide += 1
        self._composer.page = self._slide
        self._composer.enter(1, "")
        self._was_item = False

    def end_page(self) -> None:
        """End a slide."""
        self.ready += self._composer.full()

    def start_h(self, attributes: Attributes) -> None:
        """Begin a heading."""
        self._begin(whole(attributes, "outline-level", 1, 10))

    def start_p(self, _: Attributes) -> None:
        """Begin a paragraph."""
        self._begin(0)

    def _begin(self, level: int) -> None:
        self._open.append([])
        self._levels.append(level)

    def end_h(self) -> None:
        """End a heading."""
        self._end()

    def end_p(self) -> None:
        """End a paragraph."""
        self._end()

    def _end(self) -> None:
        if not self._open:
            return
        text, level = "".join(self._open.pop()).strip(), self._levels.pop()
        if self._note is not None:
            self._note.append(text)
        elif self._tables:
            self._tables.add(text)
        elif text:
            self._paragraph(text, level)
        if not self._tables and not self._open:
            self._add_notes()
        self.ready += self._composer.full()

    def _paragraph(self, text: str, level: int) -> None:
        if level:
            self._composer.heading(level, text)
        elif self._lists:
            indented = "  " * min(self._lists - 1, _MOST_INDENTED)
            self._composer.paragraph(f"{indented}- {text}", close=self._was_item)
        else:
            self._composer.paragraph(text)
        self._was_item = bool(self._lists) and not level

    def start_s(self, attributes: Attributes) -> None:
        """Take blanks."""
        self.text(" " * whole(attributes, "c", 1, _MOST_BLANKS))

    def start_tab(self, _: Attributes) -> None:
        """Take a tabulator."""
        self.text("\t")

    def start_line_break(self, _: Attributes) -> None:
        """Take a new line."""
        self.text("\n")

    def start_list(self, _: Attributes) -> None:
        """Begin a list."""
        self._lists += 1

    def end_list(self) -> None:
        """End a list."""
        self._lists -= 1

    def start_note(self, _: Attributes) -> None:
        """Begin a note, whose text follows the paragraph."""
        self._note = []

    def start_note_citation(self, _: Attributes) -> None:
        """Leave out how the note is marked: it gets a number."""
        self._in_citation = True

    def end_note_citation(self) -> None:
        """Take text again."""
        self._in_citation = False

    def end_note(self) -> None:
        """End a note."""
        text, self._note = " ".join(self._note or ()).strip(), None
        if text:
            self._noted += 1
            self.text(f"[{self._noted}]")
            self._notes.append(f"[{self._noted}] {text}")

    def _add_notes(self) -> None:
        for note in self._notes:
            self._composer.paragraph(note, close=True)
        self._notes = []

    def start_table(self, _: Attributes) -> None:
        """Begin a table."""
        self._tables.begin()

    def start_table_row(self, _: Attributes) -> None:
        """Begin a row."""
        self._tables.begin_row()

    def start_table_cell(self, _: Attributes) -> None:
        """Begin a cell."""
        self._tables.begin_cell()

    start_covered_table_cell = start_table_cell

    def end_table_row(self) -> None:
        """End a row."""
        self.ready += self._tables.end_row()

    def end_table(self) -> None:
        """End a table."""
        self.ready += self._tables.end()
        if not self._tables:
            self._add_notes()
            self._was_item = False
