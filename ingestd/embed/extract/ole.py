"""What is in a compound file of the older office programs: the names at its top, and no more."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ingestd.embed.extract.skip import EncryptedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES = 512
_HEADER_SECTORS = 109  # of the table of sectors, as many are listed in the header
_SHIFTS = (9, 12)
_ENTRY_BYTES = 128
_MOST_SECTORS = 1_024  # of the directory
_MOST_STEPS = 64  # to a page of the table: enough for 500 MB
_NONE = 0xFFFF_FFFA  # from here on, numbers of sectors have another meaning
_NO_ENTRY = 0xFFFF_FFFF
_ENTRY = struct.Struct("<64sHBBIII")

# Streams and storages at the top, and the suffix of the format that has them.
_KINDS = (
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("PowerPoint Document", "ppt"),
    ("HwpSummaryInformation", "hwp"),
    ("BodyText", "hwp"),
    ("__properties_version1.0", "msg"),
)


def kind(found: Iterable[str]) -> str:
    """The suffix of the format that a compound file is of; empty when it is another one.

    Args:
        found: the names at its top.

    Raises:
        EncryptedError: it is a newer document that is closed by a password.
    """
    names = {name.strip("\x00\x01\x05") for name in found}
    if "EncryptedPackage" in names:
        raise EncryptedError("a password is needed")
    return next((suffix for name, suffix in _KINDS if name in names), "")


def top(file: BinaryIO) -> set[str]:
    """The names at the top of a compound file; of a damaged one, those that can be found."""
    try:
        return _top(_directory(file))
    except (struct.error, IndexError):
        return set()


def _directory(file: BinaryIO) -> bytes:
    """The directory, put together from its sectors."""
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    (shift,) = struct.unpack_from("<H", header, 30)
    (sector,) = struct.unpack_from("<I", header, 48)
    if shift not in _SHIFTS:
        return b""
    found = bytearray()
    for _ in range(_MOST_SECTORS):
        if sector >= _NONE:
            break
        found += _sector(file, sector, shift)
        place = sector * 4
        page = _page(file, header, shift, place >> shift)
        if page >= _NONE:
            break
        (sector,) = struct.unpack_from("<I", _sector(file, page, shift), place % (1 << shift))
    return bytes(found)


def _page(file: BinaryIO, header: bytes, shift: int, number: int) -> int:
    """The sector that holds a page of the table of sectors, by the page's number."""
    if number < _HEADER_SECTORS:
        return int(struct.unpack_from("<I", header, 76 + 4 * number)[0])
    # A long file has a chain of sectors that list the rest; the last number in each leads on.
    listed = (1 << shift) // 4 - 1
    steps, number = divmod(number - _HEADER_SECTORS, listed)
    (sector,) = struct.unpack_from("<I", header, 68)
    if steps > _MOST_STEPS:
        return _NONE
    for _ in range(steps):
        if sector >= _NONE:
            return _NONE
        (sector,) = struct.unpack_from("<I", _sector(file, sector, shift), 4 * listed)
    if sector >= _NONE:
        return _NONE
    return int(struct.unpack_from("<I", _sector(file, sector, shift), 4 * number)[0])


def _sector(file: BinaryIO, number: int, shift: int) -> bytes:
    file.seek((number + 1) << shift)
    return file.read(1 << shift)


def _top(directory: bytes) -> set[str]:
    """The names of the entries below the root, which are a tree of siblings."""
    names: set[str] = set()
    (child,) = struct.unpack_from("<I", directory, 76)
    waiting, seen = [child], set()
    while waiting:
        number = waiting.pop()
        place = number * _ENTRY_BYTES
        if number == _NO_ENTRY or number in seen or place + _ENTRY_BYTES > len(directory):
            continue
        seen.add(number)
        raw, length, _, _, left, right, _ = _ENTRY.unpack_from(directory, place)
        names.add(raw[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace"))
        waiting += [left, right]
    return names
