"""What the formats of Office have in common: the main part, the title, and their rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd.embed.extract.compose import label, row
from ingestd.ports import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.extract.archive import Archive
    from ingestd.embed.extract.compose import Composer
    from ingestd.ports import Section

_CORE = "core-properties"
_SMALL_CHARS = 1_000
_HEADER_CHARS = 300
ROWS_HELD = 2_000
"""Rows of a table within a text that are in hand at once; then comes another table."""
_FRAME_CHARS = 300
_MOST_COLUMNS = 128
"""Cells are put into their column up to here."""

# What programs write by themselves, where nobody gave a title.
_NO_TITLE = re.compile(
    r"(?:microsoft |powerpoint |untitled|(?:document|presentation|workbook|book|slide) ?\d+$|"
    r"title$|제목 없음|(?:문서|프레젠테이션|통합 문서) ?\d*$|無題|无标题)"
    r"|.*\.(?:docx?|xlsx?|pptx?|hwpx?|od[tsp]|rtf)$",
    re.IGNORECASE,
)


def title_of(text: str) -> str:
    """A title of a document's properties, if somebody gave it one."""
    title = label(text)
    return "" if _NO_TITLE.match(title) else title


def main_part(archive: Archive, usual: str) -> str:
    """The part that holds the document; what it is usually called, where nobody says."""
    for relation in archive.relations().values():
        if relation.kind == "officeDocument" and relation.target in archive:
            return relation.target
    return usual


def core_title(archive: Archive) -> str:
    """The title in the document's properties; empty when there is none."""
    for relation in archive.relations().values():
        if relation.kind == _CORE and relation.target in archive:
            return title_of(text_in(archive, relation.target, "title"))
    return ""


def text_in(archive: Archive, part: str, element: str) -> str:
    """The text in the first element of a name."""
    found: list[str] = []
    inside = False
    for kind, name, _ in archive.events(part):
        if kind == "text" and inside:
            found.append(name)
        elif kind == "start" and name == element:
            inside = True
        elif kind == "end" and name == element:
            break
    return "".join(found)


def table(composer: Composer, rows: list[str]) -> Iterator[Section]:
    """Take the rows of a table: a small one as a block of the text, a large one by itself."""
    if sum(map(len, rows)) <= _SMALL_CHARS:
        composer.paragraph("\n".join(rows))
        return
    yield from composer.rest()
    header = rows[0] if " | " in rows[0] and len(rows[0]) <= _HEADER_CHARS else ""
    rest = rows[1:] if header else rows
    yield Table(header, rest, composer.title, composer.headings, composer.page)


@dataclass(slots=True)
class _Open:
    """A table that is open: its rows, and the texts of each cell of the row that is open."""

    rows: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    goes_on: bool = False


class Tables:
    """The tables that are open in a text, one within another."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._open: list[_Open] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def begin(self) -> None:
        """Begin a table."""
        self._open.append(_Open())

    def begin_row(self) -> None:
        """Begin a row."""
        if self._open:
            self._open[-1].cells = []

    def begin_cell(self) -> None:
        """Begin a cell."""
        if self._open:
            self._open[-1].cells.append([])

    def place(self, column: int) -> None:
        """Put the cell that is open into its column, from 0, where others before it are covered."""
        if self._open and self._open[-1].cells:
            cells = self._open[-1].cells
            cell = cells.pop()
            cells += [[] for _ in range(len(cells), min(column, _MOST_COLUMNS))]
            cells.append(cell)

    def add(self, text: str) -> None:
        """Take a paragraph of the cell that is open."""
        if text and self._open and self._open[-1].cells:
            self._open[-1].cells[-1].append(text)

    def end_row(self) -> Iterator[Section]:
        """End a row; of a table of very many rows, give away those that are there."""
        if not self._open:
            return
        one, is_inner = self._open[-1], len(self._open) > 1
        cells, one.cells = one.cells, []
        filled = [texts for texts in cells if texts]
        if len(filled) == 1 and not is_inner and sum(map(len, filled[0])) > _FRAME_CHARS:
            # A frame around text rather than a row.
            yield from self._give(one)
            for text in filled[0]:
                self._composer.paragraph(text)
        elif filled:
            one.rows.append(row([" ".join(texts) for texts in cells]))
        if not is_inner and len(one.rows) >= ROWS_HELD:
            header = one.rows[0]
            yield from self._give(one)
            one.rows, one.goes_on = [header], True
        yield from self._composer.full()

    def end(self) -> Iterator[Section]:
        """End a table; one within a cell is text of that cell."""
        if not self._open:
            return
        one = self._open.pop()
        if not self._open:
            yield from self._give(one)
        elif self._open[-1].cells:
            self._open[-1].cells[-1] += one.rows

    def _give(self, one: _Open) -> Iterator[Section]:
        rows, one.rows = one.rows, []
        if rows[one.goes_on :]:  # behind the header that is repeated
            yield from table(self._composer, rows)
        one.goes_on = False
