"""Sheets of a workbook as tables: where a table's header is, and its rows as lines."""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING

from ingestd.embed.extract.compose import Composer, clean, label
from ingestd.ports import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingestd.ports import Section

    Cells = list[tuple[int, str]]
    """The cells of a row that are not empty: number of the column, from 0, and text."""

_LOOKED_AT = 20
_CELL_END = "\t"
_BETWEEN = " | "
_UNTIDY = re.compile("[^ -~\t\u00a1-\u1fff\u3001-\ud7ff\ue000-\ufefe]|  ")
"""What a cell may have that a line shall not; of what is rare, too much rather than too little."""
_HEADER_CHARS = 400
_LEAST_SHARE = 0.5
_WIDEST_GAP = 20
"""Empty cells between two; where there are more, the columns have lost their meaning."""


def sheet(title: str, name: str, number: int, rows: Iterable[Cells]) -> Iterator[Section]:
    """Yield what is on a sheet, if there is something.

    Args:
        title: of the document.
        name: of the sheet; it becomes the heading of its chunks.
        number: of the sheet, from 1.
        rows: those that are not empty.
    """
    waiting = iter(rows)
    first = list(islice(waiting, _LOOKED_AT))
    if not first:
        return
    begin = min(cells[0][0] for cells in first)
    place = _header(first)
    lines = [line(cells, begin) for cells in first]
    above, header, below = "", "", lines
    if place is not None and len(lines[place]) <= _HEADER_CHARS:
        above, header, below = "\n".join(lines[:place]), lines[place], lines[place + 1 :]
        if above and len(above) + len(header) <= _HEADER_CHARS:
            # What stands above the header says what the sheet is about.
            above, header = "", f"{above}\n{header}"
    headings = (label(name),) if label(name) else ()
    if above:
        composer = Composer(title)
        composer.page = number
        composer.enter(1, name)
        composer.paragraph(above)
        yield from composer.rest()
    rest = (line(cells, begin) for cells in waiting)
    yield Table(header, chain(below, rest), title, headings, number)


def line(cells: Cells, begin: int) -> str:
    """A row as a line, with empty cells where there are some."""
    parts: list[str] = []
    last = begin
    for column, text in cells:
        gap = column - last
        parts += [""] * (gap if 0 < gap <= _WIDEST_GAP else gap > 0)
        parts.append(text)
        last = column + 1
    joined = _CELL_END.join(parts)
    if joined.count(_CELL_END) == len(parts) - 1 and not _UNTIDY.search(joined):
        return joined.replace(_CELL_END, _BETWEEN)
    return _BETWEEN.join(" ".join(clean(part).split()) for part in parts)


def _header(rows: list[Cells]) -> int | None:
    """Which of the first rows is the header: words in most columns, and rows below them."""
    width = max(len(cells) for cells in rows)
    for place, cells in enumerate(rows[:-1]):
        if (
            len(cells) > 1
            and len(cells) >= _LEAST_SHARE * width
            and not any(_is_number(text) for _, text in cells)
        ):
            return place
    return None


def _is_number(text: str) -> bool:
    return text.strip("-+%.,:/ ()").replace(",", "").replace(".", "").isdigit()
