"""Rich text: paragraphs, rows of tables and notes, in whatever code page each font has.

One pass over the file; what is nested costs a place on a stack and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestd.embed.extract import office
from ingestd.embed.extract.compose import Composer, row
from ingestd.embed.extract.rtfwords import CODE_PAGES, ESCAPED, KNOWN, SIGNS, SKIPPED, codec_of
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.ports import Section

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)", re.DOTALL
)
_BODY_LEVEL = 9
_MOST_DEPTH = 1_000
_MOST_HELD_ROWS = office.ROWS_HELD


def read(file: BinaryIO, _bounds: Bounds) -> Iterator[Section]:
    """Yield the sections of a document.

    Raises:
        ExtractionError: it is no rich text.
    """
    file.seek(0)
    data = file.read()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise ExtractionError("no rich text")
    yield from _Reader().read(data.decode("latin-1"))


@dataclass(slots=True)
class _State:
    """What holds up to the end of a group."""

    skipped: bool = False
    code_page: str = ""
    fallback: int = 1  # signs that follow a Unicode one, for older programs
    hidden: bool = False
    note: bool = False
    table: str = ""  # fonts or title, where the group tells of these


class _Reader:
    """One pass over one document."""

    def __init__(self) -> None:
        self._composer = Composer()
        self._state = _State()
        self._stack: list[_State] = []
        self._default = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._bytes = bytearray()
        self._parts: list[str] = []
        self._title: list[str] = []
        self._note: list[str] = []
        self._notes: list[str] = []
        self._noted = 0
        self._cells: list[str] = []
        self._rows: list[str] = []
        self._goes_on = False
        self._in_table = False
        self._level = _BODY_LEVEL
        self._star = False
        self._over = 0  # signs to leave out

    def read(self, text: str) -> Iterator[Section]:
        """Go through the tokens; binary data is leapt over."""
        place = 0
        while found := _TOKEN.search(text, place):
            place = found.end()
            word, number, code, sign, brace, run = found.groups()
            if word is not None:
                value = int(number) if number else None
                if word == "bin" and value:
                    place += max(0, value)
                elif word in {"par", "sect", "page", "row"} and not self._state.skipped:
                    yield from self._end(word)
                else:
                    self._word(word, value)
            elif brace is not None:
                self._brace(brace)
            elif code is not None:
                self._byte(int(code, 16))
            elif sign is not None:
                self._sign(sign)
            else:
                self._run(run)
        yield from self._end("sect")
        yield from self._composer.rest()

    # What tokens mean

    def _brace(self, brace: str) -> None:
        self._flush()
        self._star, self._over = False, 0
        if brace == "{":
            self._stack.append(self._state)
            if len(self._stack) > _MOST_DEPTH:
                raise ExtractionError(f"groups are nested deeper than {_MOST_DEPTH:,}")
            self._state = replace(self._state)
            return
        state = self._state
        if self._stack:
            self._state = self._stack.pop()
        if state.note and not self._state.note:
            self._end_note()
        if state.table == "title" and self._state.table != "title":
            self._composer.title = office.title_of("".join(self._title))

    def _word(self, word: str, value: int | None) -> None:
        self._flush_unless(word)
        state = self._state
        star, self._star = self._star, False
        if word in SKIPPED or (star and word not in KNOWN):
            state.skipped = True
            state.table = "fonts" if word == "fonttbl" else ""
        elif word == "title" and state.skipped:
            state.table = "title"
        elif word == "f" and value is not None:
            self._font = value
            state.code_page = self._fonts.get(value, "")
        elif word == "fcharset" and state.table == "fonts":
            if value in CODE_PAGES:
                self._fonts[self._font] = CODE_PAGES[value]
        elif word == "ansicpg":
            self._default = codec_of(value) or self._default
        elif word == "uc":
            state.fallback = max(0, min(value if value is not None else 1, 10))
        elif word == "u" and value is not None:
            self._put(chr(value % 0x10000))
            self._over = state.fallback
        else:
            self._formatting(word, value)

    def _formatting(self, word: str, value: int | None) -> None:
        state = self._state
        if word in SIGNS:
            self._put(SIGNS[word])
        elif word == "v":
            state.hidden = value != 0
        elif word == "plain":
            state.hidden, state.code_page = False, ""
        elif word == "footnote" and not state.skipped:
            state.note = True
            self._note = []
        elif word == "pard":
            self._level, self._in_table = _BODY_LEVEL, False
        elif word == "intbl":
            self._in_table = True
        elif word == "outlinelevel" and value is not None:
            self._level = value
        elif word in {"cell", "nestcell"} and not state.skipped:
            self._cells.append("".join(self._parts))
            self._parts = []

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._star = True
        elif self._over:
            self._over -= 1
        else:
            self._flush()
            self._put(ESCAPED.get(sign, sign if sign in "\\{}" else ""))

    def _byte(self, byte: int) -> None:
        if self._over:
            self._over -= 1
        else:
            self._bytes.append(byte)

    def _run(self, run: str) -> None:
        if self._over:
            left = min(self._over, len(run))
            self._over -= left
            run = run[left:]
        if run.isascii() and not self._bytes:
            self._put(run)
        else:  # the second half of a sign may look like a letter
            self._bytes += run.encode("latin-1")
            self._flush()

    # Where text goes

    def _flush_unless(self, word: str) -> None:
        if word != "u" or not self._over:
            self._flush()
        self._over = 0

    def _flush(self) -> None:
        """Decode the bytes that have come."""
        if self._bytes:
            name = self._state.code_page or self._default
            text = bytes(self._bytes).decode(name, "replace")
            self._bytes.clear()
            self._put(text)

    def _put(self, text: str) -> None:
        state = self._state
        if state.table == "title":
            self._title.append(text)
        elif not state.skipped and not state.hidden:
            (self._note if state.note else self._parts).append(text)

    def _end_note(self) -> None:
        text = " ".join(_whole(self._note).split())
        if text:
            self._noted += 1
            self._parts.append(f"[{self._noted}]")
            self._notes.append(f"[{self._noted}] {text}")

    def _end(self, word: str) -> Iterator[Section]:
        """End a paragraph, a row, or the document."""
        self._flush()
        if self._state.note:
            self._note.append(" ")
            return
        if word == "row":
            line = row([_whole([cell]) for cell in self._cells])
            self._cells, self._parts = [], []
            if line:
                self._rows.append(line)
            if len(self._rows) < _MOST_HELD_ROWS:
                return
            header = self._rows[0]
            yield from self._table()
            self._rows, self._goes_on = [header], True
            return
        if self._in_table and word == "par":
            self._parts.append(" ")
            return
        text = _whole(self._parts).strip()
        self._parts = []
        yield from self._table()
        if 0 <= self._level < _BODY_LEVEL:
            self._composer.heading(self._level + 1, text)
        else:
            self._composer.paragraph(text)
        for note in self._notes:
            self._composer.paragraph(note, close=True)
        self._notes = []
        yield from self._composer.full()

    def _table(self) -> Iterator[Section]:
        rows, self._rows = self._rows, []
        if rows[self._goes_on :]:
            yield from office.table(self._composer, rows)
        self._goes_on = False


def _whole(parts: list[str]) -> str:
    """Parts as text; two halves of a sign beyond the first plane become one."""
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
