"""Copies a model out of a ZIP or TAR archive, without ever unpacking what was not vetted."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from lzma import LZMAError
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingestd.errors import ModelRefusedError

from . import vetting

if TYPE_CHECKING:
    from pathlib import Path

    from .intake import Intake

_MOST_HEADER = 64 * 1024
"""Bytes of a TAR header that says more of the next file: it is read whole."""
_MOST_DIRECTORY = 1024**2
"""Bytes of a ZIP's list of files: the same."""
_LINK, _KIND = 0o120000, 0o170000
_UNIX = 3
_EXTENDED = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)
_END = b"PK\x05\x06"
_END_BYTES, _MOST_COMMENT = 22, 0xFFFF
_LOCATOR = b"PK\x06\x07"
_LOCATOR_BYTES, _END64_BYTES = 20, 56


def from_archive(path: Path, intake: Intake) -> None:
    """Copy an archive.

    Raises:
        ModelRefusedError: it is none, is damaged, or holds what no model may have.
        OSError: it cannot be read.
    """
    try:
        if zipfile.is_zipfile(path):
            _from_zip(path, intake)
        else:
            _from_tar(path, intake)
    except _BROKEN as error:
        raise ModelRefusedError(
            f"{path} cannot be unpacked: {error}",
            hint="A folder, a .zip, a .tar or a .tar.gz of a model is expected.",
        ) from error


class _Member(tarfile.TarInfo):
    """A member whose further headers are not read when they are absurdly long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _MOST_HEADER:
            raise ModelRefusedError("a header in the archive is absurdly long")
        return member


def _from_tar(path: Path, intake: Intake) -> None:
    number = 0
    # As a stream: one pass, whatever it is compressed with.
    with tarfile.open(path, "r|*", tarinfo=_Member) as archive:
        for member in archive:
            number += 1
            if number > 2 * vetting.MOST_FILES:  # folders count here
                raise ModelRefusedError("the archive has too many entries for a model")
            if member.isdir():
                continue
            name = PurePosixPath(member.name)
            if not member.isreg() or member.issparse():
                raise ModelRefusedError(f"{name} is a link or no ordinary file")
            if intake.offer(name, member.size):
                file = archive.extractfile(member)
                if file is not None:
                    intake.take(name, member.size, file)


def _from_zip(path: Path, intake: Intake) -> None:
    if directory_bytes(path) > _MOST_DIRECTORY:
        raise ModelRefusedError("the archive's list of files is absurdly long")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            name = PurePosixPath(member.filename)
            if member.create_system == _UNIX and member.external_attr >> 16 & _KIND == _LINK:
                raise ModelRefusedError(f"{name} is a link or no ordinary file")
            if member.flag_bits & 1:
                raise ModelRefusedError(f"{name} is encrypted")
            if intake.offer(name, member.file_size):
                with archive.open(member) as file:
                    intake.take(name, member.file_size, file)


def directory_bytes(path: Path) -> int:
    """How long the list of files at the end of a ZIP says that it is, or at most is."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - _END_BYTES - _MOST_COMMENT - _LOCATOR_BYTES - _END64_BYTES)
        file.seek(start)
        tail = file.read()
    at = tail.rfind(_END)
    told = int.from_bytes(tail[at + 12 : at + 16], "little")
    before = tail[max(0, at - _LOCATOR_BYTES) : at]
    if before.startswith(_LOCATOR):  # the 64-bit form: its record is right before
        record = tail[max(0, at - _LOCATOR_BYTES - _END64_BYTES) : at - _LOCATOR_BYTES]
        told = int.from_bytes(record[40:48], "little")
    return told
