"""Looks at the files of one index, while nobody has it open: are they what one save wrote?

Chroma saves an index in place: first ``header.bin``, then ``data_level0.bin``, ``length.bin`` and
``link_lists.bin``, last ``index_metadata.pickle``. A process that dies in between leaves files of
two ages. Layout and sizes are those of the index library that Chroma 1.5 builds on.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .pickled import DamagedError, Labels, UnknownFormatError, read_labels

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

PICKLE = "index_metadata.pickle"
PARTS = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin")
_header = struct.Struct("<i6Q2i3QdQ")
VERSION = 1
WORD = 4
FIRST = 100
"""Elements that a new index has room for: it writes as many from the beginning."""
ROWS = 4_096
"""Elements of ``data_level0.bin`` that are looked at in one go."""


class TornError(Exception):
    """The files of an index do not fit together; the message says which."""


@dataclass(frozen=True, slots=True)
class Header:
    """What ``header.bin`` says of the index.

    Attributes:
        count: elements, deleted ones included.
        size: bytes of an element.
        label: where an element's label begins.
        data: where an element's vector begins; before it lie its links.
        most: links of an element, at most, on the lowest level.
        upper: links of an element, at most, on each level above.
    """

    count: int
    size: int
    label: int
    data: int
    most: int
    upper: int


def probe_segment(folder: Path, moving: frozenset[str], *, saved: bool) -> Labels | None:
    """See that the files of an index fit together.

    Args:
        folder: of the index.
        saved: whether the index was ever saved whole. Until then it lies in Chroma's log, and
            whatever files there are mean nothing.
        moving: ids with something in Chroma's log that was not saved yet.

    Returns:
        What has a place in the index; None when another version of Chroma wrote it, so that only
        the sizes of its files could be looked at.

    Raises:
        TornError: they do not.
        OSError: they cannot be read.
    """
    stats = {name: _stat(folder / name) for name in (*PARTS, PICKLE)}
    if not any(stats.values()) or not (saved or stats[PICKLE]):
        return Labels()
    _check_times(stats)
    try:
        labels = read_labels(folder / PICKLE, moving)
    except DamagedError as error:
        raise TornError(f"{PICKLE}: {error}") from error
    except UnknownFormatError:
        return None
    header = read_header(folder / "header.bin")
    if header is None:
        return None
    _check_sizes(folder, header, labels)
    _check_elements(folder / "data_level0.bin", header)
    _check_links(folder / "link_lists.bin", header)
    return labels


def read_header(path: Path) -> Header | None:
    """Read ``header.bin``; None when it is of another version.

    Raises:
        TornError: it makes no sense.
    """
    raw = path.read_bytes()
    if len(raw) < WORD:
        raise TornError("header.bin is cut off")
    if int.from_bytes(raw[:WORD], "little", signed=True) != VERSION:
        return None
    if len(raw) != _header.size:
        raise TornError(f"header.bin has {len(raw)} bytes, not {_header.size}")
    _, start, room, count, size, label, data, _, _, upper, most, _, _, _ = _header.unpack(raw)
    found = Header(count, size, label, data, most, upper)
    sound = start == 0 and count <= room and 0 < data == WORD * (most + 1) < label == size - 8
    if not sound or not 0 < upper <= most:
        raise TornError("header.bin contradicts itself")
    return found


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _check_times(stats: Mapping[str, os.stat_result | None]) -> None:
    """All files are there, and the one that is written last is the newest."""
    last = stats[PICKLE]
    for name, stat in stats.items():
        if stat is None or last is None:
            raise TornError(f"{PICKLE if last is None else name} is missing")
        if stat.st_mtime_ns > last.st_mtime_ns:
            raise TornError(f"{name} is newer than {PICKLE}: the last save was not finished")


def _check_sizes(folder: Path, header: Header, labels: Labels) -> None:
    if labels.added != header.count or labels.ids > labels.added:
        raise TornError(
            f"{PICKLE} tells of {labels.ids} ids in {labels.added} places, "
            f"header.bin of {header.count}"
        )
    for name, size in {"data_level0.bin": header.size, "length.bin": WORD}.items():
        found = (folder / name).stat().st_size
        if found not in {header.count * size, max(header.count, FIRST) * size}:
            raise TornError(f"{name} has {found} bytes, not {header.count * size}")


def _check_elements(path: Path, header: Header) -> None:
    """Each element links to elements, and no two have one label; sums tell."""
    import numpy as np  # noqa: PLC0415 - slow to import

    labels = 0
    with path.open("rb") as file:
        for first in range(0, header.count, ROWS):
            rows = min(ROWS, header.count - first)
            block = np.fromfile(file, np.uint8, rows * header.size).reshape(rows, header.size)
            links = np.ascontiguousarray(block[:, : header.data]).view("<u4")
            used = links[:, 0] & 0xFFFF
            if (used > header.most).any():
                raise TornError(f"{path.name}: an element has too many links")
            linked = links[:, 1:][np.arange(header.most) < used[:, None]]
            if (linked >= header.count).any():
                raise TornError(f"{path.name}: a link leads nowhere")
            labels += int(np.ascontiguousarray(block[:, header.label :]).view("<u8").sum())
    # Labels count from 1, one an element. In 64 bits, as numpy adds them up.
    if (labels - header.count * (header.count + 1) // 2) % 2**64:
        raise TornError(f"{path.name}: the labels are not those of {header.count} elements")


def _check_links(path: Path, header: Header) -> None:
    """The links of the upper levels: for each element a length in bytes, and so many bytes."""
    step = WORD * (header.upper + 1)
    size = path.stat().st_size
    if size < WORD * header.count or (size - WORD * header.count) % step:
        raise TornError(f"{path.name} has {size} bytes, which fit {header.count} elements at none")
    if size == 0:
        return
    at = 0
    read = struct.Struct("<I").unpack_from
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for _ in range(header.count):
            if at + WORD > size:
                raise TornError(f"{path.name} ends too early")
            length = read(data, at)[0]
            if length % step:
                raise TornError(f"{path.name}: links of {length} bytes")
            at += WORD + length
    if at != size:
        raise TornError(f"{path.name} has {size} bytes, not {at}")
