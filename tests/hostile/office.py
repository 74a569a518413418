"""Word documents: what their own structure can be made to do."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

from kinds import DEAD, INDEXED, SKIPPED, Hostile, data
from packing import MIB, PARAGRAPH, W_END, W, changed, docx, noise, replaced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEEP = 100_000
_DEEPER = f"{DEAD}: .*nested deeper than"
_ENCRYPTED = f"{SKIPPED}: encrypted"


def _method(number: int) -> Callable[[Path], object]:
    """A document packed in another way than office programs do."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", number) as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("word/document.xml", W + PARAGRAPH * 9 + W_END)

    return make


def _twice(path: Path) -> None:
    """Two parts of one name."""
    with zipfile.ZipFile(path, "w") as archive:
        for words in (b"one", b"two"):
            archive.writestr("word/document.xml", W + PARAGRAPH.replace(b"A", words) + W_END)


def _wrong_sum(path: Path) -> None:
    """The text is not what its checksum says."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("word/document.xml", W + PARAGRAPH + W_END)
    path.write_bytes(path.read_bytes().replace(b"AAAA", b"AABA", 1))


def _compound(*names: str) -> bytes:
    """A compound file with these streams, which are empty."""
    header = bytearray(_OLE_HEADER)
    entries = bytearray()
    for place, name in enumerate(["Root Entry", *names]):
        encoded = name.encode("utf-16-le") + b"\0\0"
        right = place + 1 if 0 < place < len(names) else 0xFFFFFFFF
        child = 1 if place == 0 else 0xFFFFFFFF
        numbers = struct.pack("<HBBIII", len(encoded), 2, 1, 0xFFFFFFFF, right, child)
        entries += encoded.ljust(64, b"\0") + numbers.ljust(64, b"\0")
    table = struct.pack("<III", 0xFFFFFFFD, 2, 0xFFFFFFFE).ljust(512, b"\xff")
    return bytes(header) + table + bytes(entries).ljust(1_024, b"\0")


_OLE_HEADER = (
    bytes.fromhex("d0cf11e0a1b11ae1")
    + bytes(16)
    + struct.pack(
        "<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4_096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0
    )
    + struct.pack("<I", 0).ljust(436, b"\xff")
)


ENTRIES = [
    # Words
    Hostile(
        b"deep-noise.docx", docx(W + b"<w:p>" * DEEP + noise(2 * MIB)), _DEEPER, "100,000 deep"
    ),
    Hostile(
        b"tables.docx",
        docx(
            W + b"<w:tbl><w:tr><w:tc>" * 300 + PARAGRAPH + b"</w:tc></w:tr></w:tbl>" * 300 + W_END
        ),
        INDEXED,
        "tables in tables, 300 deep",
    ),
    Hostile(
        b"attribute.docx",
        docx(W + b'<w:p w:a="' + noise(8 * MIB) + b'"/>' + W_END),
        f"{SKIPPED}: no text",
        "an attribute of 8 MB",
    ),
    Hostile(
        b"names.docx",
        docx(W + b"".join(b"<w:a%d/>" % n for n in range(200_000)) + PARAGRAPH + W_END),
        INDEXED,
        "200,000 kinds of elements",
    ),
    Hostile(
        b"utf-7.docx",
        docx(b'<?xml version="1.0" encoding="utf-7"?>' + W + W_END),
        f"{DEAD}: .*damaged XML",
        "an encoding that must not be believed",
    ),
    Hostile(
        b"styles.docx",
        changed(
            "a.docx",
            "word/styles.xml",
            lambda _: (
                b"<w:styles xmlns:w='w'>"
                + b"".join(
                    b"<w:style w:styleId='%s'><w:basedOn w:val='%s'/></w:style>" % one
                    for one in ((b"Heading1", b"a"), (b"a", b"b"), (b"b", b"Heading1"))
                )
                + b"</w:styles>"
            ),
        ),
        INDEXED,
        "styles that inherit in a circle",
    ),
    Hostile(
        b"level.docx",
        changed(
            "a.docx",
            "word/styles.xml",
            lambda _: (
                b"<w:styles xmlns:w='w'>"
                b"<w:style w:styleId='Heading1'><w:name w:val='heading "
                + b"9" * 6_000
                + b"'/></w:style></w:styles>"
            ),
        ),
        INDEXED,
        "a heading of level 10 to the power of 6,000",
    ),
    Hostile(
        b"up.docx",
        replaced("a.docx", "_rels/.rels", b"word/document.xml", b"../../etc/passwd"),
        INDEXED,
        "a main part that leads out",
    ),
    Hostile(
        b"outside.docx",
        replaced(
            "a.docx",
            "word/_rels/document.xml.rels",
            b"</Relationships>",
            b"<Relationship Id='x' Type='t/attachedTemplate' Target='http://x.invalid/a.dotm' "
            b"TargetMode='External'/></Relationships>",
        ),
        INDEXED,
        "a template from elsewhere",
    ),
    Hostile(
        b"relations.docx",
        changed(
            "a.docx",
            "word/_rels/document.xml.rels",
            lambda _: (
                b"<Relationships>"
                + b"".join(
                    b"<Relationship Id='%d' Type='t' Target='%d'/>" % (n, n) for n in range(50_000)
                )
                + b"</Relationships>"
            ),
        ),
        INDEXED,
        "50,000 relations",
    ),
    Hostile(
        b"notes.docx",
        docx(
            W
            + b"<w:p>"
            + b'<w:footnoteReference w:id="1"/>' * 200_000
            + b"</w:p>"
            + PARAGRAPH
            + W_END
        ),
        f"{DEAD}: it unpacks to",
        "200,000 notes",
    ),
    Hostile(b"bzip2.docx", _method(zipfile.ZIP_BZIP2), INDEXED, "packed in another way"),
    Hostile(b"lzma.docx", _method(zipfile.ZIP_LZMA), INDEXED, "the same"),
    Hostile(b"twice.docx", _twice, INDEXED, "two parts of one name"),
    Hostile(b"sum.docx", _wrong_sum, DEAD, "a wrong checksum"),
    Hostile(
        b"locked.docx",
        data(_compound("EncryptionInfo", "EncryptedPackage")),
        _ENCRYPTED,
        "encrypted",
    ),
    Hostile(
        b"locked.xlsx",
        data(_compound("EncryptionInfo", "EncryptedPackage")),
        _ENCRYPTED,
        "encrypted",
    ),
    Hostile(b"old.doc", data(_compound("WordDocument")), f"{SKIPPED}: unsupported", "Word 97"),
    Hostile(b"old.ppt", data(_compound("PowerPoint Document")), f"{SKIPPED}: unsupported", "old"),
]
