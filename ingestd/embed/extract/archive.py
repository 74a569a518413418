"""A packed document: its parts, after a look at what they would unpack to."""

from __future__ import annotations

import posixpath
import struct
import zipfile
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from ingestd.embed.extract import damage
from ingestd.embed.extract.bounds import OverrunError
from ingestd.embed.extract.skip import EncryptedError
from ingestd.embed.extract.xmlpull import events
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.xmlpull import Event

_END = b"PK\x05\x06"
_END_RECORD = struct.Struct("<4s4H2LH")
_COMMENT_BYTES = 65_535
ENCRYPTED = 1
_MANY = 0xFFFF  # more than can be said here: the real number stands elsewhere
_LONG = 0xFFFF_FFFF
_ENTRY_BYTES = 1024  # of the list of parts, far more than one takes


class Relation(NamedTuple):
    """What a part of an office document refers to: the last word of its type, and the part."""

    kind: str
    target: str


class Archive:
    """The parts of a packed document.

    Args:
        file: the whole of it.
        bounds: of what it may unpack to.

    Raises:
        ExtractionError: it is damaged, or would unpack to more than that.
        EncryptedError: a password is needed.
    """

    def __init__(self, file: BinaryIO, bounds: Bounds) -> None:
        refuse_long_list(file, bounds)
        try:
            self._zip = zipfile.ZipFile(file)
        except damage.ARCHIVE as error:
            raise ExtractionError(f"damaged archive: {error}") from error
        infos = self._zip.infolist()
        refuse_bomb(infos, bounds)
        if any(info.flag_bits & ENCRYPTED for info in infos):
            raise EncryptedError("a password is needed")
        self._names = {info.filename: info for info in infos}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def names(self) -> list[str]:
        """The names of all parts, in their order."""
        return list(self._names)

    def open(self, name: str) -> IO[bytes]:
        """A part to be read.

        Raises:
            ExtractionError: it is not there, or damaged.
        """
        if name not in self._names:
            raise ExtractionError(f"damaged document: {name[:200]} is missing")
        try:
            return self._zip.open(self._names[name])
        except damage.ARCHIVE as error:
            raise ExtractionError(f"{name[:200]}: damaged archive: {error}") from error

    def read(self, name: str) -> bytes:
        """A part, whole."""
        with self.open(name) as part:
            try:
                return part.read()
            except damage.PART as error:
                raise damage.of_part(name, error) from error

    def events(self, name: str) -> Iterator[Event]:
        """What is in a part that is XML: see `xmlpull.events`."""
        with self.open(name) as part:
            yield from events(part, name)

    def relations(self, name: str = "") -> dict[str, Relation]:
        """What a part refers to within the archive, by id; that of the whole without a name."""
        folder, base = posixpath.split(name)
        listed = posixpath.join(folder, "_rels", f"{base}.rels")
        found: dict[str, Relation] = {}
        if listed not in self._names:
            return found
        for kind, tag, attributes in self.events(listed):
            if (
                kind != "start"
                or tag != "relationship"
                or attributes.get("TargetMode") == "External"
            ):
                continue
            target = joined(folder, attributes.get("Target", ""))
            kind_of = attributes.get("Type", "").rpartition("/")[2]
            found[attributes.get("Id", "")] = Relation(kind_of, target)
        return found


def joined(folder: str, target: str) -> str:
    """The name of a part that another one in a folder refers to."""
    try:
        path = unquote(urlsplit(target).path)
    except ValueError:
        return ""
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def refuse_bomb(infos: list[zipfile.ZipInfo], bounds: Bounds) -> None:
    """Refuse what would unpack to too much; what is unpacked is never more than is declared.

    Raises:
        OverrunError: it would.
    """
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    bounds.allow(len(infos), unpacked, packed)


def refuse_long_list(file: BinaryIO, bounds: Bounds) -> None:
    """Refuse a list of parts that would take long to read, by what the end of the file says."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _COMMENT_BYTES - _END_RECORD.size))
    tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or place + _END_RECORD.size > len(tail):
        raise ExtractionError("damaged archive: its end is missing")
    _, _, _, _, number, length, _, _ = _END_RECORD.unpack_from(tail, place)
    if (number != _MANY and number > bounds.entries) or (
        length != _LONG and length > bounds.entries * _ENTRY_BYTES
    ):
        raise OverrunError(
            f"more parts are packed in it than `extract.entries` allows ({bounds.entries:,})"
        )
