"""Mails, items of Outlook and archives: bombs within them, loops, and what never ends."""

from __future__ import annotations

import base64
import gzip
import io
import lzma
import random
import string
import struct
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from good import documents, items, mail
from kinds import DEAD, INDEXED, SKIPPED, Hostile, data, repeated
from packing import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MULTI = b"Subject: words\nContent-Type: multipart/mixed; boundary=x\n\n"
_FILE = b"--x\nContent-Disposition: attachment; filename=%s\nContent-Transfer-Encoding: base64\n\n"
_NESTED = b"Subject: words\nContent-Type: message/rfc822\n\n"
_OVER = f"{DEAD}: (?:it unpacks to|.*parts are packed)"
_NO_TEXT = f"{SKIPPED}: no text"


def _with(name: bytes, content: bytes) -> bytes:
    """A mail to which this is attached."""
    return _MULTI + _FILE % name + base64.encodebytes(content) + b"--x--\n"


def _zip(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _deep_zip(levels: int) -> bytes:
    content = b"words"
    for _ in range(levels):
        content = _zip({"a.zip": content}, zipfile.ZIP_STORED)
    return content


def _wide_zip(levels: int) -> bytes:
    """Sixteen archives in each of sixteen: as the one called 42.zip."""
    content, name = b"0" * (4 * MIB), "a.txt"
    for _ in range(levels):
        content, name = _zip({f"{n}{name[1:]}": content for n in range(16)}), "a.zip"
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


def _patched(content: bytes, place: int, value: int) -> bytes:
    return content[:place] + struct.pack("<I", value) + content[place + 4 :]


def _circle(content: bytes) -> bytes:
    """An item in which the sectors of each stream lead to themselves, but not the directory."""
    made = bytearray(content)
    (place,) = struct.unpack_from("<I", made, 76)
    (sector,) = struct.unpack_from("<I", made, 48)
    table = struct.unpack_from("<128I", made, (place + 1) * 512)
    kept = set()
    while sector < len(table):
        kept.add(sector)
        sector = table[sector]
    for number, following in enumerate(table):
        if number not in kept and following == number + 1:
            struct.pack_into("<I", made, (place + 1) * 512 + 4 * number, number)
    return bytes(made)


def _self_embedded(content: bytes) -> bytes:
    """An item whose storages have the root's children: each holds itself."""
    (first,) = struct.unpack_from("<I", content, 48)
    start = (first + 1) * 512
    made = bytearray(content)
    root = made[start + 76 : start + 80]
    for place in range(start + 128, min(len(made), start + 128 * 60), 128):
        if made[place + 66] == 1:  # a storage
            made[place + 76 : place + 80] = root
    return bytes(made)


def _many_zip(number: int) -> Callable[[Path], object]:
    return data(_zip({f"{n}.zip": _zip({"a.txt": b"a"}) for n in range(number)}))


_WORDS = [bytes([one]) for one in (string.ascii_letters + string.digits).encode()]
_ITEMS = items()
_WORD = documents()["a.docx"]
_RTF_BOMB = struct.pack("<IIII", 0, 1 << 31, 0x75465A4C, 0) + (b"\xff" + b"\x00\x0f" * 8) * 60_000
ENTRIES = [
    Hostile(b"deep.eml", repeated(_NESTED, 3_000, tail=b"words"), INDEXED, "3,000 mails in mails"),
    Hostile(
        b"deep-parts.eml",
        data(
            b"Subject: words\n"
            + b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
                for n in range(3_000)
            )
        ),
        INDEXED,
        "3,000 parts in parts",
    ),
    Hostile(b"parts.eml", repeated(b"--x\n\n", 100_000, head=_MULTI), INDEXED, "100,000 parts"),
    Hostile(
        b"files.eml",
        repeated(_FILE % b"a.txt" + b"YQ==\n", 12_000, head=_MULTI),
        INDEXED,
        "12,000 files",
    ),
    Hostile(
        b"header.eml",
        repeated(b" words", 1_700_000, head=b"Subject: words\nTo:", tail=b"\n\nwords\n"),
        INDEXED,
        "a header of 10 MB",
    ),
    Hostile(
        b"headers.eml",
        repeated(b"X-Header: words\n", 600_000, tail=b"\nwords\n"),
        INDEXED,
        "600,000 headers",
    ),
    Hostile(
        b"words.eml",
        data(b"Subject: " + b"=?utf-8?B?7ZW" * 100_000 + b"\n\nwords"),
        INDEXED,
        "encoded words that never end",
    ),
    Hostile(
        b"many-words.eml",
        data(b"Subject:" + b" =?euc-kr?Q?=C7?=" * 50_000 + b"\n\nwords"),
        INDEXED,
        "halves of letters, 50,000 times",
    ),
    Hostile(
        b"parameters.eml",
        data(b'Content-Type: text/plain; charset="' + b'";\\"' * 50_000 + b"\n\nwords"),
        INDEXED,
        "quotes that never end",
    ),
    Hostile(
        b"boundary.eml",
        data(_MULTI.replace(b"=x", b'="' + b"x" * 99_999 + b'"') + b"--" + b"x" * 99_999),
        INDEXED,
        "a boundary of 100,000 letters",
    ),
    Hostile(
        b"boundaries.eml",
        data(_MULTI + b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * 9_000),
        INDEXED,
        "one boundary for all depths",
    ),
    Hostile(
        b"nul.eml",
        data(b"Subject: a\0b =?utf-8?Q?=00=1B[31m?=\nFrom: \0\xff\n\nwords \x1b[31m\n"),
        INDEXED,
        "NULs and commands to terminals in headers",
    ),
    Hostile(
        b"codec.eml",
        data(
            b"Subject: =?zip?B?YQ==?= =?unicode_escape?Q?=5Cud800?=\n"
            b"Content-Type: text/plain; charset=rot13\n\nwords"
        ),
        INDEXED,
        "codecs that are none of texts",
    ),
    Hostile(b"line.eml", repeated(b"words ", 200_000, head=b"Subject: a\n\n"), INDEXED, "a line"),
    Hostile(
        b"bomb.eml",
        data(_with(b"a.docx", _zip({"word/document.xml": b"<a>" + b" " * (60 * MIB)}))),
        INDEXED,
        "a bomb that is attached",
    ),
    Hostile(
        b"bombs.eml",
        data(_with(b"a.zip", _wide_zip(4))),
        INDEXED,
        "archives in archives, attached",
    ),
    Hostile(b"half.eml", data(_with(b"a.docx", _WORD)[:-900]), INDEXED, "half a document"),
    Hostile(b"lie.eml", data(_WORD), INDEXED, "a document under the name of a mail"),
    Hostile(
        b"secret.eml",
        data(
            _with(b"a.txt", b"token: " + b"ghp_" + b"".join(random.Random(3).choices(_WORDS, k=36)))
        ),
        f"{SKIPPED}: secret",
        "a key in what is attached",
    ),
    *(
        Hostile(
            f"{share}-percent.msg".encode(),
            data(_ITEMS[: len(_ITEMS) * share // 100]),
            f"{DEAD}: |{SKIPPED}: |{INDEXED}",
            f"{share} % of it",
        )
        for share in (5, 40, 90)
    ),
    Hostile(b"circle.msg", data(_circle(_ITEMS)), f"{DEAD}: |{INDEXED}", "sectors in a circle"),
    Hostile(
        b"tables.msg",
        data(_patched(_ITEMS, 44, 0x7FFFFFFF)),
        f"{DEAD}: damaged compound file|{SKIPPED}: ",
        "two thousand million tables",
    ),
    Hostile(
        b"self.msg", data(_self_embedded(_ITEMS)), f"{INDEXED}|{DEAD}|{SKIPPED}", "items of itself"
    ),
    Hostile(b"rich.msg", data(items(rich=_RTF_BOMB)), INDEXED, "rich text that grows"),
    Hostile(b"deep.zip", data(_deep_zip(400)), f"{_NO_TEXT}: .*nested deeper", "400 levels"),
    Hostile(b"wide.zip", data(_wide_zip(5)), _OVER, "16 archives in each of 16: 4 TB"),
    Hostile(b"ladder.zip", _many_zip(9_000), _OVER, "9,000 archives in one"),
    Hostile(
        b"lzma.zip",
        data(_zip({"a.txt": b"words " * 99_000}, zipfile.ZIP_LZMA)),
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
    Hostile(b"mail.tar.bz2", data(b"BZh9" + mail()), f"{DEAD}: damaged archive", "no such thing"),
]
