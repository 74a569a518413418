"""The table of the benchmark of formats, on the screen and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HEADS = (
    "format",
    "written by",
    "documents",
    "MB",
    "read by",
    "recall en",
    "recall ko",
    "precision",
    "MB/s",
    "pages/s",
    "MiB",
    "not read",
)
LANGUAGES = ("en", "ko")
_MB = 1e6


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    """The cells of each row; what a format's first row has told is not told again."""
    previous = None
    for row in rows:
        here = (row["format"], row["maker"])
        about = [row["format"], row["maker"], f"{row['documents']}", f"{row['bytes'] / _MB:.2f}"]
        yield [*(about if here != previous else [""] * len(about)), row["system"], *_cells(row)]
        previous = here


def _cells(row: Mapping[str, Any]) -> list[str]:
    if row["failed"] == row["documents"]:
        return ["-"] * (len(HEADS) - 6) + [f"{row['failed']}"]
    seconds = row["cpu_s"]
    return [
        *(f"{row['recalls'][name]:.3f}" if name in row["recalls"] else "" for name in LANGUAGES),
        f"{row['precision']:.3f}",
        f"{row['bytes'] / _MB / seconds:.2f}" if seconds else "-",
        f"{row['pages'] / seconds:,.0f}" if seconds and row["pages"] else "-",
        f"{row['peak_mib']:.0f}",
        f"{row['failed'] or '-'}",
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table for the screen."""
    shown = Table()
    for number, head in enumerate(HEADS):
        shown.add_column(head, justify="left" if number in {0, 1, 4} else "right")
    for cells in lines(rows):
        if cells[0] and shown.row_count:
            shown.add_section()
        shown.add_row(*cells)
    return shown


def missed(rows: Iterable[Mapping[str, Any]], system: str) -> Iterator[str]:
    """What one system did not find, a line each."""
    for row in rows:
        if row["system"] == system:
            yield from row["errors"]
            yield from row["low"]
