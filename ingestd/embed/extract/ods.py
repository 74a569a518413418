"""Sheets of OpenDocument as a stream, from the events of their part."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ingestd.embed.extract.sheets import sheet
from ingestd.embed.extract.xmlpull import Walker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.extract.sheets import Cells
    from ingestd.embed.extract.xmlpull import Attributes, Event
    from ingestd.ports import Section

LEFT_OUT = frozenset({"tracked_changes", "annotation", "ruby_text", "script", "event_listeners"})
"""Elements that are no text of a document."""
_MOST_COLUMNS = 16_384
_MOST_REPEATED = 20


def sheets(found: Iterator[Event], title: str) -> Iterator[Section]:
    """Yield the sheets that come up in events."""
    number = 0
    for kind, name, attributes in found:
        if kind == "start" and name == "table":
            number += 1
            yield from sheet(title, attributes.get("name", ""), number, _Rows().rows(found))


def whole(attributes: Attributes, name: str, least: int, most: int) -> int:
    """A number that an attribute says, within bounds; the least where it says none."""
    try:
        return max(least, min(int(attributes.get(name, least)), most))
    except ValueError:
        return least


class _Rows(Walker):
    """The rows of one sheet. One that is repeated comes once, a cell a few times."""

    SKIPPED: ClassVar[frozenset[str]] = LEFT_OUT | {"shapes"}

    def __init__(self) -> None:
        super().__init__()
        self._full: list[Cells] = []
        self._cells: Cells = []
        self._texts: list[str] = []
        self._column = 0
        self._width = 1
        self._depth = 1  # of tables: one may stand in a cell
        self._in_text = False

    def rows(self, found: Iterator[Event]) -> Iterator[Cells]:
        """Yield the rows that are not empty, up to the end of the sheet."""
        for kind, name, attributes in found:
            self.take(kind, name, attributes)
            yield from self._full
            self._full.clear()
            if not self._depth:
                return

    def text(self, data: str) -> None:
        """Take text."""
        if self._in_text:
            self._texts.append(data)

    def start_table(self, _: Attributes) -> None:
        """Begin a table within this one."""
        self._depth += 1

    def end_table(self) -> None:
        """End a table."""
        self._depth -= 1

    def start_table_row(self, _: Attributes) -> None:
        """Begin a row."""
        self._cells, self._column = [], 0

    def end_table_row(self) -> None:
        """End a row."""
        if self._cells:
            self._full.append(self._cells)
        self._cells = []

    def start_table_cell(self, attributes: Attributes) -> None:
        """Begin a cell."""
        self._texts = []
        self._width = whole(attributes, "number-columns-repeated", 1, _MOST_COLUMNS)

    start_covered_table_cell = start_table_cell

    def end_table_cell(self) -> None:
        """End a cell."""
        text = "".join(self._texts).strip()
        if text and self._column < _MOST_COLUMNS:
            repeated = min(self._width, _MOST_REPEATED)
            self._cells += [(self._column + place, text) for place in range(repeated)]
        self._column += self._width

    end_covered_table_cell = end_table_cell

    def start_p(self, _: Attributes) -> None:
        """Begin a line of a cell."""
        self._in_text = True
        self._texts.append(" ")

    def end_p(self) -> None:
        """End a line of a cell."""
        self._in_text = False
