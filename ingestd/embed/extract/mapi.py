"""What an Outlook item is made of: streams and properties within storages of a compound file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ingestd.embed.extract.charset import decoded
from ingestd.embed.extract.skip import SkipDocument
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from typing import BinaryIO

    from olefile import OleFileIO
    from olefile.olefile import OleDirectoryEntry

_HEADER = struct.Struct("<I24xIII20xI")
_ENTRY = struct.Struct("<HH4x8s")
OUTERMOST, ITEM, PART = 32, 24, 8
"""Bytes before a list of properties."""
_LISTED = "__properties_version1.0"
_MOST_LISTED = 10_000
_UNICODE, _BYTES, _BINARY = "001f", "001e", "0102"
_STREAM = 2
_CODE_PAGES = {
    20127: "ascii",
    28591: "latin-1",
    50220: "iso2022_jp",
    50225: "iso2022_kr",
    51949: "cp949",
    65001: "utf-8",
}


def opened(file: BinaryIO) -> OleFileIO:
    """A compound file.

    Raises:
        ExtractionError: it is damaged.
    """
    import olefile  # noqa: PLC0415 - loaded where there is one

    refuse_nonsense(file)
    try:
        return olefile.OleFileIO(file)
    except (OSError, ValueError, LookupError, TypeError, RecursionError, struct.error) as error:
        raise ExtractionError(f"damaged compound file: {error}") from error


def refuse_nonsense(file: BinaryIO) -> None:
    """Refuse a file that says to have more tables than it has room for.

    Raises:
        ExtractionError: it does.
    """
    size = file.seek(0, 2)
    file.seek(40)
    raw = file.read(36)
    if len(raw) < 36 or max(struct.unpack_from("<II16xI4xI", raw)) > size // 512 + 1:  # noqa: PLR2004
        raise ExtractionError("damaged compound file: it is cut off")
    file.seek(0)


class Storage:
    """A storage, and what is in it by name.

    Args:
        ole: the compound file.
        path: the names that lead to it.
        entry: its place in the directory.
        head: bytes before its list of properties.
        code_page: of its texts, where it names none itself.
    """

    def __init__(
        self,
        ole: OleFileIO,
        path: tuple[str, ...] = (),
        entry: OleDirectoryEntry | None = None,
        head: int = OUTERMOST,
        code_page: str = "",
    ) -> None:
        self._ole = ole
        self._path = path
        self._entry = entry or ole.root
        self._most = int(ole.fp.seek(0, 2))
        self._fixed = self._listed(head)
        page = self.number(0x3FFD)
        self._code_page = _codec(page) if page else code_page

    @property
    def code_page(self) -> str:
        """The encoding of its texts; empty where nobody says."""
        return self._code_page

    def inner(self, name: str, head: int) -> Storage | None:
        """A storage in it; None where there is none that has properties."""
        entry = self._kid(name)
        if entry is None or entry.entry_type == _STREAM or _LISTED not in entry.kids_dict:
            return None
        return Storage(self._ole, (*self._path, name), entry, head, self._code_page)

    def names(self, start: str) -> list[str]:
        """The names in it that begin so, in order."""
        return sorted(name for name in self._entry.kids_dict if name.startswith(start))

    def size(self, number: int) -> int:
        """Bytes of a binary property; 0 where it has none."""
        entry = self._kid(f"__substg1.0_{number:04x}{_BINARY}")
        return entry.size if entry is not None else 0

    def binary(self, number: int) -> bytes:
        """A binary property; empty where there is none."""
        return self._stream(f"__substg1.0_{number:04x}{_BINARY}")

    def text(self, *numbers: int) -> str:
        """The first of some properties that has a text."""
        for number in numbers:
            name = f"__substg1.0_{number:04x}"
            text = self._stream(name + _UNICODE).decode("utf-16-le", "replace")
            raw = b"" if text else self._stream(name + _BYTES)
            text = (text or _told(raw, self._code_page)).rstrip("\0")
            if text.strip():
                return text
        return ""

    def number(self, number: int) -> int:
        """A property that is a number; 0 where there is none."""
        return int.from_bytes(self._fixed.get(number, b"")[:4], "little")

    def moment(self, *numbers: int) -> float:
        """The first of some properties that is a moment, in seconds since 1970; 0 for none."""
        for number in numbers:
            ticks = int.from_bytes(self._fixed.get(number, b""), "little")
            if ticks:
                return ticks / 1e7 - 11_644_473_600
        return 0.0

    def _listed(self, head: int) -> dict[int, bytes]:
        """The properties that are no streams."""
        raw = self._stream(_LISTED)
        if head == ITEM and len(raw) % _ENTRY.size == 0:  # as of the outermost item
            head = OUTERMOST
        raw = raw[head : head + _MOST_LISTED * _ENTRY.size]
        raw = raw[: len(raw) // _ENTRY.size * _ENTRY.size]
        return {number: value for _, number, value in _ENTRY.iter_unpack(raw)}

    def _kid(self, name: str) -> OleDirectoryEntry | None:
        return self._entry.kids_dict.get(name.lower())

    def _stream(self, name: str) -> bytes:
        """The bytes of a stream; empty where there is none, or none that can be."""
        entry = self._kid(name)
        if entry is None or entry.entry_type != _STREAM:
            return b""
        if entry.size > self._most:
            raise ExtractionError(f"damaged compound file: {name} is longer than the file")
        try:
            with self._ole.openstream([*self._path, name]) as stream:
                return bytes(stream.read())
        except (OSError, ValueError, LookupError, struct.error) as error:
            raise ExtractionError(f"damaged compound file: {name}: {error}") from error


def _codec(page: int) -> str:
    return _CODE_PAGES.get(page, f"cp{page}")


def code_page(number: int) -> str:
    """The encoding that a number of a code page means; empty for none."""
    return _codec(number) if number else ""


def _told(raw: bytes, codec: str) -> str:
    try:
        return decoded(raw.rstrip(b"\0"), codec) if raw else ""
    except SkipDocument:
        return raw.decode("utf-8", "replace")
