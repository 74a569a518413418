"""Archives and office files: bombs, loops, truncations, encrypted ones, and lies about type."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from functools import partial
from typing import TYPE_CHECKING

from kinds import DEAD, ENDED, INDEXED, SKIPPED, Hostile, data
from packing import MIB, PAGE, PARAGRAPH, SMALL_DOCX, W_END, Again, W, deflated, docx, package, xlsx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_RNG = random.Random(7)
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def _archive(names: Iterable[str], content: bytes, **options: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content, **options)
    return out.getvalue()


def _encrypted_zip() -> bytes:
    raw = bytearray(_archive(["a.md"], b"secret words" * 99))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + flags] |= 1
    return bytes(raw)


def _overlapping_zip(files: int = 500) -> bytes:
    """A central directory that names one compressed part again and again."""
    raw = _archive(["a.md"], b"A" * (4 * MIB))
    start = raw.index(b"PK\x01\x02")
    end = raw.index(b"PK\x05\x06")
    entry = raw[start:end]
    tail = bytearray(raw[end:])
    struct.pack_into("<HHI", tail, 8, files, files, len(entry) * files)
    return raw[:start] + entry * files + bytes(tail)


def _nested_zip(levels: int) -> bytes:
    inner = _archive([f"{n}.txt" for n in range(10)], b"0" * MIB)
    for _ in range(levels):
        inner = _archive([f"{n}.zip" for n in range(10)], inner)
    return inner


def _quine_zip() -> bytes:
    """An archive whose directory says that the part in it is the archive itself."""
    raw = bytearray(_archive(["q.zip"], b"x" * 100, compress_type=zipfile.ZIP_STORED))
    central = raw.index(b"PK\x01\x02")
    struct.pack_into("<II", raw, central + 20, len(raw), len(raw))
    struct.pack_into("<I", raw, central + 42, 0)
    return bytes(raw)


def _compound(stream: bytes) -> bytes:
    """An OLE file as old and encrypted office files are: a header, and nothing that fits it."""
    header = _OLE + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 432
    name = stream.decode().encode("utf-16-le").ljust(64, b"\0")
    entry = name + struct.pack("<HBB", 2 * len(stream) + 2, 2, 1) + b"\xff" * 60
    table = struct.pack("<II", 1, 0).ljust(512, b"\xff")  # a chain that runs in a circle
    return header[:512].ljust(512, b"\0") + table + entry.ljust(512, b"\0")


_LAUGHS = b'<!DOCTYPE x [<!ENTITY a0 "lol">' + b"".join(
    b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 11)
)
_SPARSE = (
    b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
)
_NEVER = f"{SKIPPED}: "


def _cut(make: Callable[[Path], object], share: float) -> Callable[[Path], object]:
    def cut(path: Path) -> None:
        make(path)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * share)])

    return cut


def _large(entry: Callable[..., Hostile], *rest: object) -> Hostile:
    return entry(*rest, heavy=True)  # type: ignore[arg-type]


_heavy = partial(_large, Hostile)
ENTRIES = [
    _heavy(
        b"bomb.docx",
        docx(Again(PARAGRAPH * 1_000, 1_000, W, W_END)),
        f"{DEAD}: it unpacks to",
        "1 GB of text",
    ),
    _heavy(
        b"one-text.docx",
        docx(Again(b"A" * MIB, 1_024, W + b"<w:p><w:r><w:t>", b"</w:t></w:r></w:p>" + W_END)),
        ENDED,
        "1 GB in one run",
    ),
    Hostile(
        b"laughs.docx",
        docx(_LAUGHS + b"]>" + W + b"<w:p><w:r><w:t>&a10;</w:t></w:r></w:p>" + W_END),
        f"{DEAD}: .*declares entities",
        "billion laughs in a document",
    ),
    Hostile(
        b"quadratic.docx",
        docx(
            b'<!DOCTYPE x [<!ENTITY a "'
            + b"B" * 50_000
            + b'">]>'
            + W
            + b"<w:p><w:r><w:t>"
            + b"&a;" * 50_000
            + b"</w:t></w:r></w:p>"
            + W_END
        ),
        f"{DEAD}: .*declares entities",
        "one entity, 50,000 times",
    ),
    Hostile(
        b"xxe.docx",
        docx(
            b'<!DOCTYPE x [<!ENTITY s SYSTEM "file:///etc/passwd">]>'
            + W
            + b"<w:p><w:r><w:t>X&s;X</w:t></w:r></w:p>"
            + W_END
        ),
        f"{DEAD}: .*declares entities",
        "an entity that names a file",
    ),
    Hostile(
        b"deep.docx",
        docx(W + b"<w:p>" + b"<w:ins>" * 100_000 + b"</w:ins>" * 100_000 + b"</w:p>" + W_END),
        f"{DEAD}: it unpacks to",
        "100,000 deep",
    ),
    Hostile(b"half.docx", _cut(SMALL_DOCX, 0.5), f"{DEAD}: damaged archive", "half of it"),
    Hostile(b"empty.docx", data(b""), f"{SKIPPED}: no text", "an empty document"),
    Hostile(
        b"bare.docx",
        package({"a.txt": b"text"}),
        f"{SKIPPED}: unsupported",
        "an archive, but no document",
    ),
    Hostile(b"text.docx", data("just text\n" * 20), INDEXED, "text under a wrong name"),
    Hostile(b"docx.md", SMALL_DOCX, INDEXED, "a document under a wrong name"),
    Hostile(b"page.txt", data(PAGE), INDEXED, "a PDF under a wrong name"),
    Hostile(
        b"script.pdf", data("#!/bin/sh\nrm -rf /\n" * 9), INDEXED, "a script under a wrong name"
    ),
    Hostile(b"program.txt", data(b"\x7fELF" + _RNG.randbytes(9_000)), _NEVER, "a program"),
    Hostile(
        b"picture.md",
        data(b"\x89PNG\r\n\x1a\n" + _RNG.randbytes(9_000)),
        f"{SKIPPED}: no text|{DEAD}: damaged picture",
        "a picture",
    ),
    Hostile(b"polyglot.pdf", data(PAGE + _archive(["a.md"], b"text")), INDEXED, "PDF and archive"),
    Hostile(b"sparse.xlsx", xlsx(_SPARSE), INDEXED, "two cells, 17 thousand million between"),
    Hostile(
        b"dimension.xlsx",
        xlsx(_SPARSE[:40] + b'<row r="4294967296"/>'),
        f"{DEAD}: .*damaged XML",
        "a row too far",
    ),
    _heavy(
        b"strings.xlsx",
        xlsx(
            _SPARSE,
            Again((b"<si><t>" + b"S" * 1_000 + b"</t></si>") * 1_000, 1_000, b"<sst>", b"</sst>"),
        ),
        f"{DEAD}: it unpacks to",
        "1 GB of shared strings",
    ),
    Hostile(
        b"bomb.odt",
        package(
            {
                "mimetype": b"application/vnd.oasis.opendocument.text",
                "content.xml": Again(b"<p>" + b"A" * MIB, 100),
            }
        ),
        f"{DEAD}: it unpacks to",
        "100 MB, never closed",
    ),
    Hostile(
        b"bomb.epub",
        package(
            {
                "mimetype": b"application/epub+zip",
                "META-INF/container.xml": b"<container/>",
                "a.xhtml": Again(b"B" * MIB, 100),
            }
        ),
        f"{DEAD}: it unpacks to",
        "100 MB",
    ),
    Hostile(
        b"up.epub",
        package(
            {
                "mimetype": b"application/epub+zip",
                "META-INF/container.xml": b"<container><rootfiles>"
                b'<rootfile full-path="../../etc/passwd"/></rootfiles></container>',
            }
        ),
        f"{DEAD}: damaged document: etc/passwd is missing",
        "a path that leads out",
    ),
    Hostile(
        b"slip.zip",
        data(_archive(["../../../../tmp/pwned"], b"x")),
        INDEXED,
        "the same",
    ),
    Hostile(
        b"bomb.zip",
        package({"a.txt": Again(b"0" * MIB, 200)}),
        f"{DEAD}: it unpacks to",
        "200 MB of zeros",
    ),
    Hostile(
        b"nested.zip", data(_nested_zip(3)), f"{DEAD}: it unpacks to", "archives in archives: 10 GB"
    ),
    Hostile(
        b"overlap.zip",
        data(_overlapping_zip()),
        f"{DEAD}: it unpacks to",
        "one part under 500 names",
    ),
    Hostile(
        b"quine.zip",
        data(_quine_zip()),
        f"{SKIPPED}: no text: .* 1 damaged",
        "an archive of itself",
    ),
    Hostile(b"encrypted.zip", data(_encrypted_zip()), f"{SKIPPED}: encrypted", "encrypted"),
    Hostile(
        b"encrypted.docx",
        data(_compound(b"EncryptedPackage")),
        f"{SKIPPED}: unsupported",
        "encrypted",
    ),
    Hostile(
        b"loop.doc",
        data(_compound(b"WordDocument")),
        f"{SKIPPED}: unsupported",
        "a chain of sectors in a circle",
    ),
    Hostile(b"loop.hwp", data(_compound(b"FileHeader")), f"{DEAD}|{SKIPPED}: needs", "the same"),
    Hostile(
        b"loop.msg",
        data(_compound(b"__properties_version1.0")),
        f"{SKIPPED}: |{DEAD}: ",
        "the same",
    ),
    Hostile(
        b"many.zip",
        data(_archive([f"{n}" for n in range(20_000)], b"")),
        f"{DEAD}: more parts are packed in it",
        "20,000 parts",
    ),
    Hostile(b"bomb.txt.gz", data(deflated(b"0" * MIB, 200)), _NEVER, "a compressed bomb"),
]
