"""ZIP archives: each member is read by the reader of its own format, under its path.

Nothing is written anywhere, so that no path leads anywhere.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from ingestd.embed.extract import damage
from ingestd.embed.extract.archive import ENCRYPTED, refuse_bomb, refuse_long_list
from ingestd.embed.extract.members import is_passed_over, path_of
from ingestd.embed.extract.nest import DAMAGED, MEMBER_BYTES, TOO_LARGE
from ingestd.embed.extract.skip import EncryptedError
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.nest import Nest
    from ingestd.ports import Section

_UTF_8 = 0x800


def read(file: BinaryIO, bounds: Bounds, nest: Nest) -> Iterator[Section]:
    """Yield the sections of what is packed in an archive.

    Raises:
        OverrunError: it would unpack to too much.
        ExtractionError: it is damaged.
        SkipDocument: nothing in it can be read.
    """
    refuse_long_list(file, bounds)
    try:
        archive = zipfile.ZipFile(file)
    except damage.ARCHIVE as error:
        raise ExtractionError(f"damaged archive: {error}") from error
    infos = archive.infolist()
    refuse_bomb(infos, bounds)
    is_empty = True
    for info in infos:
        path = _path(info)
        if info.is_dir() or is_passed_over(path) or not nest.may_open(path):
            continue
        if (data := _member(archive, info, nest)) is not None:
            for section in nest.sections(data, path, path):
                is_empty = False
                yield section
    if is_empty:
        raise nest.nothing()


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, nest: Nest) -> bytes | None:
    """The bytes of a member; None where they cannot be had, which is counted."""
    if info.flag_bits & ENCRYPTED:
        nest.left_out[EncryptedError().reason] += 1
    elif info.file_size > MEMBER_BYTES:
        nest.left_out[TOO_LARGE] += 1
    else:
        try:
            return archive.read(info)
        except damage.PART:
            nest.left_out[DAMAGED] += 1
    return None


def _path(info: zipfile.ZipInfo) -> str:
    """The path of a member; one that does not say its encoding may be Korean."""
    name = info.orig_filename
    if info.flag_bits & _UTF_8:
        return path_of(name.encode("utf-8", "surrogatepass"), name)
    try:
        return path_of(name.encode("cp437"), name)
    except UnicodeEncodeError:
        return path_of(b"", name)
