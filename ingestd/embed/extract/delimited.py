"""CSV and its like: a row a block, the row of column names as the heading of all others.

A row ends where its line does, unless the line ends between quotation marks. What parts the
columns is found out from the first rows; it is needed for their names only.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.outline import MAX_TITLE_CHARS
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Block, Extracted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DELIMITERS = "\t,;|"
_SAMPLE_ROWS = 20
_HEADER_WITHIN = 5
_MOST_ROW_CHARS = 64 * 1024
_MOST_NAME_CHARS = 80
_SEPARATOR = " | "
_NUMBER = re.compile(r"[-+(]?[\s$\u20a9\u20ac\u00a3]?\d[\d\s.,:/%eE+-]*[%)]?")


def extract(text: str) -> Extracted:
    """Extract rows; the names of the columns are the heading of those below."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    blocks: list[Block] = []
    title, header, names = "", -1, ""
    if not carried.begun:
        title, header, names = _head(text)
    for number, (start, end) in enumerate(rows(text)):
        if number == header:
            path = carried.outline.enter(1, names)
            blocks.append(Block(start, end, path, 1))
        elif not text[start:end].isspace():
            blocks.append(Block(start, end, carried.outline.path))
    return Extracted(text, title, "text/csv", blocks)


def rows(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each row.

    A quotation mark that nothing closes within 64 KiB is a sign like any other.
    """
    begin = -1  # of a row that goes on
    held: list[tuple[int, int]] = []
    for start, end in lines(text):
        is_odd = text.count('"', start, end) % 2 == 1
        if begin < 0 and not is_odd:
            yield start, end
        elif begin < 0:
            begin, held = start, [(start, end)]
        elif is_odd:
            yield begin, end
            begin, held = -1, []
        else:
            held.append((start, end))
            if end - begin > _MOST_ROW_CHARS:
                yield from held
                begin, held = -1, []
    yield from held


def _head(text: str) -> tuple[str, int, str]:
    """The title, which row has the names of the columns (or -1), and the names."""
    first = [text[start : min(end, start + _MOST_ROW_CHARS)] for start, end in _first_rows(text)]
    table = _cells(first, _delimiter(first))
    widths = Counter(len(row) for row in table if len(row) > 1)
    if not widths or len(table) < 2:  # noqa: PLR2004 - names, and what they are the names of
        return "", -1, ""
    width = max(widths, key=lambda width: (widths[width], width))
    title = ""
    for number, row in enumerate(table[:_HEADER_WITHIN]):
        filled = [cell for cell in row if cell]
        if len(row) == width and _are_names(filled, width):
            return title, number, _joined(filled)
        if len(filled) != 1 or title or number:
            break
        # A line above the table that says what it is about.
        title = filled[0][:MAX_TITLE_CHARS]
    return title, -1, ""


def _first_rows(text: str) -> Iterator[tuple[int, int]]:
    return islice(rows(text[: _SAMPLE_ROWS * _MOST_ROW_CHARS]), _SAMPLE_ROWS)


def _delimiter(sample: Sequence[str]) -> str:
    """What parts the columns: what most rows have the same number of."""

    def score(delimiter: str) -> tuple[int, int]:
        counts = Counter(len(row) for row in _cells(sample, delimiter))
        width, rows_of_it = max(counts.items(), key=lambda item: (item[1], item[0]))
        return (rows_of_it if width > 1 else 0, width)

    return max(_DELIMITERS, key=score) if sample else ","


def _cells(sample: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        found = list(csv.reader(sample, delimiter=delimiter))
    except csv.Error:  # a cell that is longer than the library takes
        found = [row.split(delimiter) for row in sample]
    return [[" ".join(cell.split()) for cell in row] for row in found]


def _are_names(cells: Sequence[str], width: int) -> bool:
    """Whether these can be the names of so many columns: short, all different, no numbers."""
    return (
        len(cells) > width // 2
        and len(set(cells)) == len(cells)
        and all(len(cell) <= _MOST_NAME_CHARS for cell in cells)
        and not any(_NUMBER.fullmatch(cell) for cell in cells)
    )


def _joined(cells: Sequence[str]) -> str:
    """As many names as a heading takes."""
    names = cells[0]
    for cell in cells[1:]:
        if len(names) + len(_SEPARATOR) + len(cell) > MAX_TITLE_CHARS:
            break
        names += _SEPARATOR + cell
    return names
