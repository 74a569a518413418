"""Presentations, slide by slide: its title, texts, tables and diagrams, then the notes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract import office
from ingestd.embed.extract.archive import Archive
from ingestd.embed.extract.compose import Composer, row
from ingestd.embed.extract.xmlpull import Walker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.xmlpull import Attributes
    from ingestd.ports import Section

MAIN = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
_LEFT_OUT = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Section]:
    """Yield the sections of a presentation.

    Raises:
        EncryptedError: a password is needed.
        ExtractionError: it is damaged.
    """
    archive = Archive(file, bounds)
    main = office.main_part(archive, MAIN)
    composer = Composer(office.core_title(archive))
    for number, slide in enumerate(_slides(archive, main), 1):
        composer.page = number
        yield from _slide(archive, slide, composer)
        yield from composer.full()
    yield from composer.rest()


def _slides(archive: Archive, main: str) -> list[str]:
    """The parts of the slides, in the order in which they are shown."""
    relations = archive.relations(main)
    ids = [
        attributes.get("r:id", "")
        for kind, name, attributes in archive.events(main)
        if kind == "start" and name == "sldid"
    ]
    parts = [relations[one].target for one in dict.fromkeys(ids) if one in relations]
    return [part for part in dict.fromkeys(parts) if part in archive]


def _slide(archive: Archive, part: str, composer: Composer) -> Iterator[Section]:
    shapes = Shapes(composer)
    yield from shapes.walk(archive.events(part))
    yield from shapes.finish()
    related = list(archive.relations(part).values())
    for kind in ("diagramData", "notesSlide"):
        for relation in related:
            if relation.kind == kind and relation.target in archive:
                beside = Shapes(composer, titled=True)
                yield from beside.walk(archive.events(relation.target))
                yield from beside.finish()


class Shapes(Walker):
    """The texts of the shapes of one slide, its title first.

    Args:
        composer: takes them.
        titled: whether the slide has its title already.
    """

    SKIPPED: ClassVar[frozenset[str]] = frozenset({"fallback", "extlst"})

    def __init__(self, composer: Composer, *, titled: bool = False) -> None:
        super().__init__()
        self._composer = composer
        self._titled = titled
        self._held: list[str | list[str]] = []  # until the title is known: paragraphs and tables
        self._kind = ""
        self._parts: list[str] = []
        self._in_text = False
        self._shape: list[str] = []
        self._rows: list[str] = []
        self._cells: list[str] | None = None

    def text(self, data: str) -> None:
        """Take text."""
        if self._in_text:
            self._parts.append(data)

    def start_sp(self, _: Attributes) -> None:
        """Begin a shape."""
        self._kind, self._shape = "", []

    def start_ph(self, attributes: Attributes) -> None:
        """Learn what the shape is for."""
        self._kind = attributes.get("type", "body")

    def end_sp(self) -> None:
        """End a shape."""
        texts, self._shape = self._shape, []
        if self._kind in _LEFT_OUT or not texts:
            return
        if self._kind in _TITLES and not self._titled:
            self._begin(" ".join(texts))
        else:
            self._held += texts
        self._kind = ""

    def start_t(self, _: Attributes) -> None:
        """Begin text."""
        self._in_text = True

    def end_t(self) -> None:
        """End text."""
        self._in_text = False

    def start_br(self, _: Attributes) -> None:
        """Take a new line."""
        self._parts.append("\n")

    def end_p(self) -> None:
        """End a paragraph: in a cell, in a shape, or in a diagram."""
        text = "".join(self._parts).strip()
        self._parts = []
        if not text:
            return
        if self._cells is not None:
            self._cells[-1:] = [f"{self._cells[-1]} {text}" if self._cells else text]
        else:
            self._shape.append(text)

    def start_tr(self, _: Attributes) -> None:
        """Begin a row."""
        self._cells = []

    def start_tc(self, _: Attributes) -> None:
        """Begin a cell."""
        if self._cells is not None:
            self._cells.append("")

    def end_tr(self) -> None:
        """End a row."""
        if self._cells and any(self._cells):
            self._rows.append(row(self._cells))
        self._cells = None

    def end_tbl(self) -> None:
        """End a table."""
        if self._rows:
            self._held.append(self._rows)
        self._rows = []

    def finish(self) -> Iterator[Section]:
        """Give what is left of the slide, also of one without a title."""
        self._held += self._shape
        if not self._titled:
            self._composer.enter(1, "")
        for one in self._held:
            if isinstance(one, str):
                self._composer.paragraph(one, close=True)
            else:
                yield from office.table(self._composer, one)

    def _begin(self, title: str) -> None:
        self._titled = True
        self._composer.heading(1, title)
