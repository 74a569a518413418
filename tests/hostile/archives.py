"""Archives: bombs, depths without end, holes, and paths that lead elsewhere."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from good import documents
from holding import zipped
from kinds import DEAD, INDEXED, SKIPPED, Hostile, data, repeated
from packing import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OVER = f"{DEAD}: (?:it unpacks to|.*parts are packed)"
_NO_TEXT = f"{SKIPPED}: no text"


def wide_zip(levels: int) -> bytes:
    """Sixteen archives in each of sixteen: as the one called 42.zip."""
    content, name = b"0" * (4 * MIB), "a.txt"
    for _ in range(levels):
        content, name = zipped({f"{n}{name[1:]}": content for n in range(16)}), "a.zip"
    return content


def _deep_zip(levels: int) -> bytes:
    content = b"words"
    for _ in range(levels):
        content = zipped({"a.zip": content}, zipfile.ZIP_STORED)
    return content


def _tar(*infos: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(b"words"[: info.size]))
    return out.getvalue()


def _info(name: str, kind: bytes = tarfile.REGTYPE, **more: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.pax_headers = kind, more
    info.size = 5 if kind == tarfile.REGTYPE else 0
    info.linkname = "/etc/passwd"
    return info


def _sparse() -> bytes:
    info = _info("a.txt")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "a.txt",
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": f"{(1 << 40) - 5},5",
    }
    return _tar(info)


def _pax_chain(number: int) -> bytes:
    """Headers for headers for headers."""
    one = tarfile.TarInfo("a")
    one.type, one.size = tarfile.XHDTYPE, 0
    return one.tobuf() * number + _tar(_info("a.txt"))


def _negative() -> bytes:
    """A member whose length is below zero: older readers went round in it."""
    header = bytearray(_info("a.txt").tobuf())
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1_024) + _tar(_info("b.txt"))


def _xz(dictionary: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary}]
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    return packer.compress(_tar(_info("a.txt"))) + packer.flush()


def _xz_of_gigabytes() -> bytes:
    """The header of a file that asks for 1.5 GiB, which nobody needs to make one."""
    made = bytearray(_xz(MIB))
    place = 12  # behind the header of the stream: that of the block
    length = (made[place] + 1) * 4
    made[place + 4] = 37  # the dictionary, in the notation of LZMA2
    crc = zlib.crc32(bytes(made[place : place + length - 4]))
    struct.pack_into("<I", made, place + length - 4, crc)
    return bytes(made)


def _bomb_tar(path: Path) -> None:
    with gzip.open(path, "wb", 9) as file:
        info = _info("a.txt")
        info.size = 600 * MIB
        file.write(info.tobuf())
        for _ in range(600):
            file.write(bytes(MIB))


def _many_zip(number: int) -> Callable[[Path], object]:
    return data(zipped({f"{n}.zip": zipped({"a.txt": b"a"}) for n in range(number)}))


ENTRIES = [
    Hostile(b"deep.zip", data(_deep_zip(400)), f"{_NO_TEXT}: .*nested deeper", "400 levels"),
    Hostile(b"wide.zip", data(wide_zip(5)), _OVER, "16 archives in each of 16: 4 TB"),
    Hostile(b"ladder.zip", _many_zip(9_000), _OVER, "9,000 archives in one"),
    Hostile(
        b"lzma.zip",
        data(zipped({"a.txt": b"words " * 99_000}, zipfile.ZIP_LZMA)),
        f"{INDEXED}|{_OVER}",
        "another way to compress",
    ),
    Hostile(b"sparse.tar", data(_sparse()), _OVER, "a member of a terabyte"),
    Hostile(
        b"links.tar",
        data(_tar(*(_info("a.txt", kind) for kind in (b"1", b"2", b"3", b"4", b"6")))),
        f"{_NO_TEXT}: it is empty",
        "links and devices",
    ),
    Hostile(
        b"up.tar",
        data(_tar(_info("../../../tmp/pwned"), _info("/tmp/pwned"))),
        INDEXED,
        "paths that lead out",
    ),
    Hostile(b"chain.tar", data(_pax_chain(20_000)), f"{DEAD}: |{SKIPPED}: ", "headers of headers"),
    Hostile(b"negative.tar", data(_negative()), f"{DEAD}: |{SKIPPED}: |{INDEXED}", "below zero"),
    Hostile(b"bomb.tar.gz", _bomb_tar, _OVER, "600 MB of zeros", heavy=True),
    Hostile(
        b"streams.tgz",
        repeated(gzip.compress(b""), 100_000),
        f"{DEAD}: |{SKIPPED}: ",
        "100,000 streams",
    ),
    Hostile(
        b"dictionary.txz", data(_xz_of_gigabytes()), f"{DEAD}: damaged archive", "1.5 GiB of memory"
    ),
    Hostile(
        b"mail.tar.bz2",
        data(b"BZh9" + documents()["b.eml"]),
        f"{DEAD}: damaged archive",
        "no such thing",
    ),
]
