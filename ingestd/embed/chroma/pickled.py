"""Reads ``index_metadata.pickle``, the last file that Chroma writes when it saves an index.

Nothing is unpickled: the file is walked as data, in constant memory, and only tables of numbers
and texts are understood. What is damaged is told apart from what is of another format.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Scalar = int | float | str | bool | None

PROTOCOL = b"\x80\x03"
"""How the files begin that this module understands."""
TABLE, MARK, TEXT, NUMBER, SET_ITEMS, STOP, BYTE, SHORT, REAL = b"}(XJu.KMG"
LONG = 0x8A
CONSTANTS = {b"N"[0]: None, 0x88: True, 0x89: False}
_u32 = struct.Struct("<I").unpack_from
_i32 = struct.Struct("<i").unpack_from
_u16 = struct.Struct("<H").unpack_from
_f64 = struct.Struct(">d").unpack_from


class DamagedError(Exception):
    """The file ends too early, or holds what no such file does."""


class UnknownFormatError(Exception):
    """Another version of Chroma wrote it: nothing can be said about it."""


@dataclass(slots=True)
class Labels:
    """Which ids have a place in the index, as sums: enough to tell two sets apart.

    Attributes:
        added: places ever given away.
        ids: how many ids have a place.
        settled: how many of them are not in motion.
        hashes: sum of the hashes of the settled ids, as this process hashes them.
    """

    added: int = 0
    ids: int = 0
    settled: int = 0
    hashes: int = 0


def read_labels(path: Path, moving: frozenset[str] = frozenset()) -> Labels:
    """Read the file.

    Args:
        path: the file.
        moving: ids with something in Chroma's log that the file need not know of yet.

    Raises:
        DamagedError: it ends too early, or contradicts itself.
        UnknownFormatError: it is of a format that is not known.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not file.read(1):
            raise DamagedError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _labels(_Walk(data), moving)
            except (IndexError, struct.error) as error:
                raise DamagedError("it ends too early") from error


def _labels(walk: _Walk, moving: frozenset[str]) -> Labels:
    """Both tables hold the same pairs, one the other way round: so damage to either shows."""
    found = Labels()
    forth, back = [0, 0, 0], [0, 0, 0]
    for name in walk.top():
        if name == "id_to_label":
            for slot in walk.table():
                _add(forth, slot, walk.scalar())
                if slot not in moving:
                    found.settled += 1
                    found.hashes += hash(slot)
        elif name == "label_to_id":
            for label in walk.table():
                _add(back, walk.scalar(), label)
        elif name == "total_elements_added":
            added = walk.scalar()
            found.added = added if isinstance(added, int) else 0
        else:
            walk.skip()
    if forth != back:
        raise DamagedError("its two tables differ")
    found.ids = forth[0]
    return found


def _add(sums: list[int], slot: Scalar, label: Scalar) -> None:
    if not isinstance(slot, str) or not isinstance(label, int):
        raise DamagedError("an entry is no text with a number")
    sums[0] += 1
    sums[1] += label
    sums[2] += hash(slot)


class _Walk:
    """A place in the file, which moves on as it is read."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def top(self) -> Iterator[Scalar]:
        """The keys of the outermost table; each value must be taken before the next key.

        Raises:
            DamagedError: the file holds something else.
            UnknownFormatError: it is of another format.
        """
        if self._data[:2] != PROTOCOL:
            if len(self._data) >= len(PROTOCOL) and self._data[0] == PROTOCOL[0]:
                raise UnknownFormatError("another pickle protocol")
            raise DamagedError("it does not begin as a pickle does")
        self._at = len(PROTOCOL)
        yield from self.table()
        if self._data[self._at] != STOP or self._at + 1 != len(self._data):
            raise DamagedError("it does not end where it should")

    def table(self) -> Iterator[Scalar]:
        """The keys of the table that begins here."""
        if self._data[self._at] != TABLE:
            raise DamagedError(f"no table at byte {self._at}")
        self._at += 1
        while self._data[self._at] == MARK:
            self._at += 1
            while self._data[self._at] != SET_ITEMS:
                yield self.scalar()
            self._at += 1

    def skip(self) -> None:
        """Pass over one value."""
        if self._data[self._at] != TABLE:
            self.scalar()
            return
        for _ in self.table():
            self.scalar()

    def scalar(self) -> Scalar:
        """The number, text or constant that stands here."""
        data, at = self._data, self._at
        kind = data[at]
        if kind == TEXT:
            end = at + 5 + _u32(data, at + 1)[0]
            self._at = end
            return self._text(data[at + 5 : end], end)
        if kind == NUMBER:
            self._at = at + 5
            return int(_i32(data, at + 1)[0])
        return self._rare(kind, at)

    def _text(self, raw: bytes, end: int) -> str:
        if end > len(self._data):
            raise DamagedError("it ends too early")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise DamagedError(f"no text before byte {end}") from error

    def _rare(self, kind: int, at: int) -> Scalar:
        data = self._data
        if kind in CONSTANTS:
            self._at = at + 1
            return CONSTANTS[kind]
        if kind == BYTE:
            self._at = at + 2
            return data[at + 1]
        if kind == SHORT:
            self._at = at + 3
            return int(_u16(data, at + 1)[0])
        if kind == REAL:
            self._at = at + 9
            return float(_f64(data, at + 1)[0])
        if kind == LONG:
            self._at = at + 2 + data[at + 1]
            return int.from_bytes(data[at + 2 : self._at], "little", signed=True)
        raise DamagedError(f"neither number nor text at byte {at}")
