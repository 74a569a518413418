"""Mails and items of Outlook: bombs within them, loops, and what never ends."""

from __future__ import annotations

import base64
import random
import string
import struct

from archives import wide_zip
from good import documents
from holding import item, zipped
from kinds import DEAD, INDEXED, SKIPPED, Hostile, data, repeated
from packing import MIB

_MULTI = b"Subject: words\nContent-Type: multipart/mixed; boundary=x\n\n"
_FILE = b"--x\nContent-Disposition: attachment; filename=%s\nContent-Transfer-Encoding: base64\n\n"
_NESTED = b"Subject: words\nContent-Type: message/rfc822\n\n"


def _with(name: bytes, content: bytes) -> bytes:
    """A mail to which this is attached."""
    return _MULTI + _FILE % name + base64.encodebytes(content) + b"--x--\n"


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


_WORDS = [bytes([one]) for one in (string.ascii_letters + string.digits).encode()]
_WORD = documents()["a.docx"]
_ITEMS = documents()["a.msg"]
_RTF_BOMB = struct.pack("<IIII", 0, 1 << 31, 0x75465A4C, 0) + (b"\xff" + b"\x00\x0f" * 8) * 60_000
ENTRIES = [
    Hostile(
        b"deep-mails.eml", repeated(_NESTED, 3_000, tail=b"words"), INDEXED, "3,000 mails in mails"
    ),
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
        data(_with(b"a.docx", zipped({"word/document.xml": b"<a>" + b" " * (60 * MIB)}))),
        INDEXED,
        "a bomb that is attached",
    ),
    Hostile(
        b"bombs.eml",
        data(_with(b"a.zip", wide_zip(4))),
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
    Hostile(b"rich.msg", data(item(_WORD, _RTF_BOMB, "")), INDEXED, "rich text that grows"),
    Hostile(
        b"cells.eml",
        data(
            b"Subject: a\nContent-Type: text/html\n\n<pre>" + b"| " * 400_000 + b"x<td>" * 9 + b"|"
        ),
        INDEXED,
        "400,000 empty cells",
    ),
    Hostile(
        b"guesses.eml",
        data(
            b"Subject:"
            + b" =?utf-8?Q?a?= \xff\xfe" * 3_000
            + (b"\nTo: " + b"\xfe\xff" * 9)
            + b"\n\na"
        ),
        INDEXED,
        "bytes in no encoding, 3,000 times",
    ),
    Hostile(
        b"parts-parameters.eml",
        repeated(b'--x\nContent-Type: text/x; a="' + b";" * 4_000 + b"\n\n", 5_000, head=_MULTI),
        INDEXED,
        "5,000 parts with 4,000 parameters each",
    ),
]
