"""Workbooks of Excel, sheet by sheet as a stream: never a whole sheet, whatever its size.

The parts are read by the parser itself and not as events: there may be millions of cells.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar
from xml.parsers import expat

from ingestd.embed.extract import damage, numbers, office
from ingestd.embed.extract.archive import Archive
from ingestd.embed.extract.sheets import sheet
from ingestd.embed.extract.xmlpull import PIECE_BYTES, Walker, forbid_entities

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.sheets import Cells
    from ingestd.embed.extract.xmlpull import Attributes
    from ingestd.ports import Section

MAIN = "xl/workbook.xml"
_MOST_COLUMNS = 16_384
_MOST_CELL_CHARS = 32_767  # as many as Excel allows
_LONG_CHARS = 300
_MOST_WHOLE = 50
"""So often a long text that cells share is taken whole: a small file may say it a million times."""
_TRUTHS = {"0": "FALSE", "1": "TRUE"}


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Section]:
    """Yield the sheets of a workbook.

    Raises:
        EncryptedError: a password is needed.
        ExtractionError: it is damaged.
    """
    archive = Archive(file, bounds)
    main = office.main_part(archive, MAIN)
    relations = archive.relations(main)
    parts = {one.kind: one.target for one in relations.values()}
    book, styles, strings = _Book(), _Styles(), _Strings()
    book.through(archive.events(main))
    for walker, part in ((styles, "styles"), (strings, "sharedStrings")):
        if parts.get(part, "") in archive:
            walker.through(archive.events(parts[part]))
    kinds = styles.kinds()
    title = office.core_title(archive)
    seen: set[str] = set()
    for number, (name, key) in enumerate(book.sheets, 1):
        found = relations.get(key)
        if found is None or found.kind != "worksheet" or found.target not in archive:
            continue
        if found.target in seen:  # no program puts a sheet on two tabs
            continue
        seen.add(found.target)
        rows = _Sheet(strings.found, kinds, from_1904=book.from_1904).rows(archive, found.target)
        yield from sheet(title, name, number, rows)


class _Book(Walker):
    """The names of the sheets, in their order, and how dates are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[tuple[str, str]] = []
        self.from_1904 = False

    def start_sheet(self, attributes: Attributes) -> None:
        """Take a sheet."""
        self.sheets.append((attributes.get("name", ""), attributes.get("r:id", "")))

    def start_workbookpr(self, attributes: Attributes) -> None:
        """Take how dates are counted."""
        self.from_1904 = attributes.get("date1904", "0") in {"1", "true"}


class _Styles(Walker):
    """What each style makes of a number."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset({"cellstylexfs", "dxfs", "fonts", "fills"})

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[int, str] = {}
        self._formats: list[int] = []

    def start_numfmt(self, attributes: Attributes) -> None:
        """Take a format that the workbook defines."""
        self._codes[_whole(attributes, "numFmtId")] = attributes.get("formatCode", "")

    def start_xf(self, attributes: Attributes) -> None:
        """Take a style of cells."""
        self._formats.append(_whole(attributes, "numFmtId"))

    def kinds(self) -> list[str]:
        """What each style makes of a number, by its number."""
        return [numbers.kind_of(one, self._codes.get(one)) for one in self._formats]


class _Strings(Walker):
    """The texts that cells refer to by number, without the readings of characters."""

    SKIPPED: ClassVar[frozenset[str]] = frozenset({"rph", "phoneticpr", "rpr"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._parts: list[str] = []

    def text(self, data: str) -> None:
        """Take text; white space between elements stands at the edges of a string, too."""
        self._parts.append(data)

    def start_si(self, _: Attributes) -> None:
        """Begin a string."""
        self._parts = []

    def end_si(self) -> None:
        """End a string."""
        self.found.append("".join(self._parts).strip())
        self._parts = []


class _Sheet:
    """The rows of one sheet."""

    def __init__(self, strings: list[str], kinds: list[str], *, from_1904: bool) -> None:
        self._strings = strings
        self._kinds = kinds
        self._repeated: Counter[int] = Counter()
        self._from_1904 = from_1904
        self._rows: list[Cells] = []
        self._cells: Cells = []
        self._column = 0
        self._type = ""
        self._style = ""
        self._value: list[str] = []
        self._taking = False
        self._reading = False  # of a character, which is no text

    def rows(self, archive: Archive, name: str) -> Iterator[Cells]:
        """Yield the rows that are not empty."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        forbid_entities(parser, name)
        try:
            with archive.open(name) as part:
                while piece := part.read(PIECE_BYTES):
                    parser.Parse(piece, False)
                    yield from self._rows
                    self._rows.clear()
                parser.Parse(b"", True)
        except damage.PART as error:
            raise damage.of_part(name, error) from error
        yield from self._rows

    def _start(self, tag: str, attributes: Attributes) -> None:
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag == "c":
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            self._column = _column(attributes.get("r", ""), self._column)
            self._value = []
        elif tag in {"v", "t"}:
            self._taking = not self._reading
        elif tag == "rPh":
            self._reading = True
        elif tag == "row":
            self._cells, self._column = [], 0

    def _text(self, data: str) -> None:
        if self._taking:
            self._value.append(data)

    def _end(self, tag: str) -> None:
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag in {"v", "t"}:
            self._taking = False
        elif tag == "c":
            if self._value and (text := self._shown("".join(self._value))):
                self._cells.append((self._column, text))
            self._column += 1
        elif tag == "rPh":
            self._reading = False
        elif tag == "row" and self._cells:
            self._rows.append(self._cells)

    def _shown(self, value: str) -> str:
        match self._type:
            case "s":
                return self._string(_number(value))
            case "n":
                style = _number(self._style)
                kind = self._kinds[style] if 0 <= style < len(self._kinds) else numbers.GENERAL
                return numbers.shown(value, kind, from_1904=self._from_1904)
            case "b":
                return _TRUTHS.get(value.strip(), value)
        return value.strip()

    def _string(self, number: int) -> str:
        """A text that cells share; a long one is whole where it is not repeated on and on."""
        if not 0 <= number < len(self._strings):
            return ""
        text = self._strings[number]
        if len(text) > _LONG_CHARS:
            self._repeated[number] += 1
            if self._repeated[number] > _MOST_WHOLE:
                return text[:_LONG_CHARS].rstrip()
        return text[:_MOST_CELL_CHARS]


def _column(reference: str, following: int) -> int:
    """The number of a column from a reference such as AB12; the next one where there is none."""
    number = 0
    for sign in reference:
        if not "A" <= sign <= "Z":
            break
        number = number * 26 + ord(sign) - 64
        if number > _MOST_COLUMNS:
            return following
    return number - 1 if number else following


def _number(text: str) -> int:
    """What a text says; -1 where it says no number, or one that is far too long."""
    try:
        return int(text)
    except ValueError:
        return -1


def _whole(attributes: Attributes, name: str) -> int:
    return max(0, _number(attributes.get(name, "")))
