"""Documents of Hangul 5 (HWP), by unhwp, which comes with the extra ``ingestd[hwp]``.

It gives the whole document at once: what that takes is bounded by the memory of the child.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract import office
from ingestd.embed.extract.compose import Composer
from ingestd.embed.extract.ole import MAGIC
from ingestd.embed.extract.skip import EncryptedError, MissingExtraError, UnsupportedError
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.ports import Section

    Node = dict[str, Any]

_ENCRYPTED = 12
_DISTRIBUTION = 403
_MOST_INDENTED = 8
_MOST_COLUMNS = 1_000
_FOR_DISTRIBUTION = "a document for distribution, whose text is locked"


def read(file: BinaryIO, _bounds: Bounds) -> Iterator[Section]:
    """Yield the sections of a document.

    Raises:
        MissingExtraError: unhwp is not installed.
        EncryptedError: a password is needed, or it is for distribution.
        UnsupportedError: it is older than Hangul 5.
        ExtractionError: it is damaged.
    """
    file.seek(0)
    data = file.read()
    if not data.startswith(MAGIC):
        raise UnsupportedError("a document of Hangul 3 or older; save it as .hwpx")
    found = _parsed(data)
    del data
    body = _Body(Composer(office.title_of(found["metadata"].get("title") or "")))
    for section in found["sections"]:
        yield from body.section(section)
    yield from body.rest()


def _parsed(data: bytes) -> Node:
    """What unhwp makes of a document."""
    try:
        import unhwp  # noqa: PLC0415 - an extra
    except (ImportError, OSError) as error:  # the latter on a machine that it is not built for
        detail = "a document of Hangul 5"
        raise MissingExtraError("hwp", detail) from error
    try:
        with unhwp.parse_bytes(data) as result:
            found: Node = json.loads(result.json)
    except unhwp.UnhwpError as error:
        if error.kind == _ENCRYPTED:
            raise EncryptedError("a password is needed") from error
        if error.kind == _DISTRIBUTION:
            raise EncryptedError(_FOR_DISTRIBUTION) from error
        raise ExtractionError(f"damaged document: {error}") from error
    if found["metadata"].get("is_distribution"):  # what stands in its place says so in Korean
        raise EncryptedError(_FOR_DISTRIBUTION)
    return found


class _Body:
    """The text of a document."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._tables = office.Tables(composer)
        self._noted = 0
        self._was_item = False

    def section(self, section: Node) -> Iterator[Section]:
        """Take a section."""
        for block in section["content"]:
            if "Table" in block:
                yield from self._table(block["Table"])
                self._was_item = False
            elif "Paragraph" in block:
                self._paragraph(block["Paragraph"])
            yield from self._composer.full()

    def rest(self) -> Iterator[Section]:
        """What is left when the document has ended."""
        return self._composer.rest()

    def _paragraph(self, paragraph: Node) -> None:
        text, notes = self._text(paragraph)
        composer, was_item = self._composer, self._was_item
        self._was_item = False
        match paragraph["style"]:
            case {"head": {"kind": "Outline", "level": int(level)}}:
                composer.heading(level + 1, text)
            case {"head": {"kind": "Number" | "Bullet", "level": int(depth)}} if text:
                indent = "  " * min(depth, _MOST_INDENTED)
                composer.paragraph(f"{indent}- {text}", close=was_item)
                self._was_item = True
            case {"heading_level": int(level)} if level > 0:  # by the name of its style
                composer.heading(level, text)
            case _:
                composer.paragraph(text)
        for note in notes:
            composer.paragraph(note, close=True)

    def _text(self, paragraph: Node) -> tuple[str, list[str]]:
        """The text of a paragraph, and its notes."""
        parts, notes = [], []
        for one in paragraph["content"]:
            match one:
                case {"Text": {"text": str(text)}} | {"Link": {"text": str(text)}}:
                    parts.append(text)
                case {"Equation": {"script": str(script)}}:
                    parts.append(f" {script} ")
                case {"Footnote": str(note)} if note.strip():
                    self._noted += 1
                    parts.append(f"[{self._noted}]")
                    notes.append(f"[{self._noted}] {note.strip()}")
                case "LineBreak":
                    parts.append("\n")
        return "".join(parts).strip(), notes

    def _table(self, table: Node) -> Iterator[Section]:
        """Take a table, each cell in its column."""
        tables, waiting = self._tables, []
        tables.begin()
        for row, columns in zip(table["rows"], _columns(table["rows"]), strict=True):
            tables.begin_row()
            for cell, column in zip(row["cells"], columns, strict=True):
                tables.begin_cell()
                tables.place(column)
                for paragraph in cell["content"]:
                    text, notes = self._text(paragraph)
                    tables.add(text)
                    waiting += notes
            yield from tables.end_row()
        yield from tables.end()
        for note in waiting:
            self._composer.paragraph(note, close=True)


def _columns(rows: Sequence[Node]) -> Iterator[list[int]]:
    """Yield the column in which each cell of a row begins: one that spans rows covers others."""
    covered: dict[int, int] = {}  # how many more rows each column is covered for
    for row in rows:
        places, column = [], 0
        below: dict[int, int] = {at: left - 1 for at, left in covered.items() if left > 1}
        for cell in row["cells"]:
            while column in covered:
                column += 1
            places.append(column)
            width = max(1, min(cell["colspan"], _MOST_COLUMNS - column))
            if cell["rowspan"] > 1:
                below.update(dict.fromkeys(range(column, column + width), cell["rowspan"] - 1))
            column += width
        yield places
        covered = below
