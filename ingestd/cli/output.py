"""How verbs print: tables for people, aligned text for pipes, JSON for scripts."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from ingestd.visible import clean

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

MINUTE, HOUR, DAY = 60, 3_600, 86_400
COLOURS = {
    "indexed": "green",
    "online": "green",
    "ok": "green",
    "pending": "yellow",
    "working": "yellow",
    "held": "yellow",
    "warn": "yellow",
    "offline": "yellow",
    "failed": "red",
    "dead": "red",
    "fail": "red",
}


def emit(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def ago(seconds: float) -> str:
    """A duration for people: the largest unit that fits."""
    seconds = max(0.0, seconds)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def when(moment: float) -> str:
    """A time, local, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def size(number: float) -> str:
    """A size in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:  # noqa: PLR2004 - binary units
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


@dataclass(slots=True)
class Block:
    """A titled table, or, without headers, a list of labels and values."""

    title: str
    headers: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    numbers: frozenset[int] = frozenset()
    """Columns that are set flush right."""

    def plain(self) -> str:
        """As aligned text."""
        lines = [tuple(clean(cell) for cell in row) for row in self.rows]
        if self.headers:
            lines.insert(0, tuple(header.upper() for header in self.headers))
        widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
        shown = [self._line(line, widths) for line in lines]
        return "\n".join([self.title, *shown] if self.title else shown)

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for place, (cell, wide) in enumerate(zip(cells, widths, strict=True)):
            space = " " * (wide - width(cell))
            padded.append(space + cell if place in self.numbers else cell + space)
        return ("  " + "  ".join(padded)).rstrip()

    def rich(self) -> Table:
        """As a table of rich."""
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=self.title or None,
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            show_header=bool(self.headers),
            header_style="dim",
        )
        for place in range(len(self.rows[0]) if self.rows else len(self.headers)):
            header = self.headers[place] if self.headers else ""
            right = "right" if place in self.numbers else "left"
            style = "dim" if not self.headers and place == 0 else None
            table.add_column(header, justify=right, style=style, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*(Text(clean(cell), style=COLOURS.get(cell, "")) for cell in row))
        return table


@dataclass(slots=True)
class Page:
    """What one verb has to say, block by block; empty blocks are left out."""

    blocks: list[Block] = field(default_factory=list)

    def fields(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Add labels and their values; those without a value are left out."""
        shown: list[Sequence[str]] = [row for row in rows if row[1]]
        if shown:
            self.blocks.append(Block(title, rows=shown))

    def table(
        self,
        title: str,
        headers: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        numbers: Sequence[int] = (),
    ) -> None:
        """Add a table; ``numbers`` are the columns that are set flush right."""
        if rows:
            self.blocks.append(Block(title, headers, list(rows), frozenset(numbers)))

    def plain(self) -> str:
        """As text."""
        return "\n\n".join(block.plain() for block in self.blocks)

    def rich(self) -> Group:
        """As something that rich can print and refresh."""
        from rich.console import Group

        parts: list[Table | str] = []
        for block in self.blocks:
            parts += [block.rich(), ""]
        return Group(*parts[:-1])

    def show(self) -> None:
        """Print it as fits where standard output goes."""
        if on_terminal():
            from rich.console import Console

            Console(highlight=False).print(self.rich())
        elif self.blocks:
            typer.echo(self.plain())


def on_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def width(cell: str) -> int:
    """Columns that a text takes: two for each wide character."""
    if cell.isascii():
        return len(cell)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in cell
    )


def note(message: str) -> None:
    """Say something beside the result."""
    typer.secho(clean(message), err=True, dim=sys.stderr.isatty())
