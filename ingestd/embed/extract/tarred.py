"""Tar archives, also compressed ones: one pass from the beginning to the end.

Nothing is written anywhere, so that neither paths nor links lead anywhere.
"""

from __future__ import annotations

import io
import struct
import tarfile
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.members import is_passed_over, path_of
from ingestd.embed.extract.nest import MEMBER_BYTES, TOO_LARGE
from ingestd.embed.extract.unpack import unpacked
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.nest import Nest
    from ingestd.ports import Section

_DAMAGE = (tarfile.TarError, ValueError, LookupError, struct.error, EOFError, RecursionError)


def read(file: BinaryIO, _bounds: Bounds, nest: Nest) -> Iterator[Section]:
    """Yield the sections of what is packed in an archive.

    Raises:
        OverrunError: it unpacks to too much.
        ExtractionError: it is damaged.
        SkipDocument: nothing in it can be read.
    """
    stream = unpacked(file, lambda length: nest.bounds.spend(0, length))
    source = file if stream is None else io.BufferedReader(stream)
    is_empty = True
    for data, path in _members(source, nest, is_packed=stream is not None):
        for section in nest.sections(data, path, path):
            is_empty = False
            yield section
    if is_empty:
        raise nest.nothing()


def _members(source: BinaryIO, nest: Nest, *, is_packed: bool) -> Iterator[tuple[bytes, str]]:
    """Yield the files in an archive, and their paths."""
    source.seek(0) if source.seekable() else None
    try:
        # As a stream: it can go on only, also where a header says otherwise.
        with tarfile.open(fileobj=source, mode="r|", errors="surrogateescape") as archive:
            while (info := archive.next()) is not None:
                _forget(archive)
                # What is compressed is counted as it is unpacked; holes are not in it.
                size = 0 if is_packed and not info.issparse() else max(0, info.size)
                nest.bounds.spend(1, size)
                path = path_of(info.name.encode("utf-8", "surrogateescape"))
                if not info.isreg() or is_passed_over(path) or not nest.may_open(path):
                    continue
                if info.size > MEMBER_BYTES:
                    nest.left_out[TOO_LARGE] += 1
                elif (member := archive.extractfile(info)) is not None:
                    yield member.read(), path
    except _DAMAGE as error:
        raise ExtractionError(f"damaged archive: {error}") from error


def _forget(archive: Any) -> None:
    """Have it not keep what it has gone past."""
    archive.members.clear()
