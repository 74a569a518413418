"""Archives, office files and PDFs: bombs, loops, truncations, encrypted ones, and lies about type.

Where a format is not read (yet), they are skipped; where it is, they end all the same.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING

from kinds import ANY, ENDED, SKIPPED, Hostile, data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MIB = 1 << 20
_RNG = random.Random(7)
_W = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
_W_END = b"</w:body></w:document>"
_PARAGRAPH = b"<w:p><w:r><w:t>" + b"A" * 1_000 + b"</w:t></w:r></w:p>"
_SPACE = b"http://schemas.openxmlformats.org/package/2006"
_OFFICE = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = (
    b'<?xml version="1.0"?><Types xmlns="' + _SPACE + b'/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    b'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>%s</Types>'
)
_RELATION = (
    b'<?xml version="1.0"?><Relationships xmlns="' + _SPACE + b'/relationships">'
    b'<Relationship Id="r1" Type="' + _OFFICE + b'/%s" Target="%s"/></Relationships>'
)
_MAIN = "application/vnd.openxmlformats-officedocument.%s.main+xml"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def package(parts: dict[str, bytes | Iterable[bytes]]) -> Callable[[Path], object]:
    """Makes an archive, part by part; a part may come in pieces, compressed as it comes."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                with archive.open(name, "w", force_zip64=True) as part:
                    for piece in [content] if isinstance(content, bytes) else content:
                        part.write(piece)

    return make


class Again:
    """Pieces that can be had more than once."""

    def __init__(self, piece: bytes, times: int, head: bytes = b"", tail: bytes = b"") -> None:
        self._pieces = (piece, times, head, tail)

    def __iter__(self):  # noqa: ANN204 - bytes
        piece, times, head, tail = self._pieces
        yield head
        for _ in range(times):
            yield piece
        yield tail


def docx(body: bytes | Iterable[bytes]) -> Callable[[Path], object]:
    """A Word document with this main part."""
    kind = _MAIN % "wordprocessingml.document"
    override = f'<Override PartName="/word/document.xml" ContentType="{kind}"/>'.encode()
    return package(
        {
            "[Content_Types].xml": _TYPES % override,
            "_rels/.rels": _RELATION % (b"officeDocument", b"word/document.xml"),
            "word/document.xml": body,
        }
    )


def xlsx(
    sheet: bytes | Iterable[bytes], strings: bytes | Iterable[bytes] = b""
) -> Callable[[Path], object]:
    """A workbook with this sheet and these shared strings."""
    space = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    related = b'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    kind = _MAIN % "spreadsheetml.sheet"
    override = f'<Override PartName="/xl/workbook.xml" ContentType="{kind}"/>'.encode()
    relations = (_RELATION % (b"worksheet", b"worksheets/sheet1.xml")).replace(
        b"</Relationships>",
        b'<Relationship Id="r2" Type="' + _OFFICE + b'/sharedStrings" Target="sharedStrings.xml"/>'
        b"</Relationships>",
    )
    return package(
        {
            "[Content_Types].xml": _TYPES % override,
            "_rels/.rels": _RELATION % (b"officeDocument", b"xl/workbook.xml"),
            "xl/workbook.xml": b"<workbook %s %s><sheets><sheet name='a' sheetId='1' r:id='r1'/>"
            b"</sheets></workbook>" % (space, related),
            "xl/_rels/workbook.xml.rels": relations,
            "xl/worksheets/sheet1.xml": sheet
            if not isinstance(sheet, bytes)
            else b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (space, sheet),
            "xl/sharedStrings.xml": strings or b"<sst %s/>" % space,
        }
    )


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, with a table of where they are."""
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF"
    return out + head + table + end % (len(objects) + 1, trailer, len(out))


def page(stream: bytes, extra: bytes = b"") -> bytes:
    """A PDF of one page with this stream, described so."""
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Contents 4 0 R/Resources"
        b"<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<</Length %d%s>>stream\n" % (len(stream), extra) + stream + b"\nendstream",
    )


def deflated(piece: bytes, times: int) -> bytes:
    """The same again and again, compressed."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(piece) for _ in range(times)), packer.flush()])


def _flate(levels: int) -> bytes:
    stream = deflated(b"q Q\n" * (MIB // 4), 256)
    for _ in range(levels - 1):
        stream = zlib.compress(stream, 9)
    return page(stream, b"/Filter[%s]" % (b"/FlateDecode" * levels))


def _encrypted_pdf() -> bytes:
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        b"<</Filter/Standard/V 2/R 3/Length 128/P -4/O<%s>/U<%s>>>" % (b"41" * 32, b"42" * 32),
    )
    return pdf(*objects, trailer=b"/Encrypt 4 0 R/ID[<00><00>]")


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
_SMALL_DOCX = docx(_W + _PARAGRAPH + _W_END)
_PAGE = page(b"BT /F 12 Tf 10 50 Td (words) Tj ET")
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
    _heavy(b"bomb.docx", docx(Again(_PARAGRAPH * 1_000, 1_000, _W, _W_END)), ANY, "1 GB of text"),
    _heavy(
        b"one-text.docx",
        docx(Again(b"A" * MIB, 1_024, _W + b"<w:p><w:r><w:t>", b"</w:t></w:r></w:p>" + _W_END)),
        ENDED,
        "1 GB in one run",
    ),
    Hostile(
        b"laughs.docx",
        docx(_LAUGHS + b"]>" + _W + b"<w:p><w:r><w:t>&a10;</w:t></w:r></w:p>" + _W_END),
        ANY,
        "billion laughs in a document",
    ),
    Hostile(
        b"quadratic.docx",
        docx(
            b'<!DOCTYPE x [<!ENTITY a "'
            + b"B" * 50_000
            + b'">]>'
            + _W
            + b"<w:p><w:r><w:t>"
            + b"&a;" * 50_000
            + b"</w:t></w:r></w:p>"
            + _W_END
        ),
        ANY,
        "one entity, 50,000 times",
    ),
    Hostile(
        b"xxe.docx",
        docx(
            b'<!DOCTYPE x [<!ENTITY s SYSTEM "file:///etc/passwd">]>'
            + _W
            + b"<w:p><w:r><w:t>X&s;X</w:t></w:r></w:p>"
            + _W_END
        ),
        ANY,
        "an entity that names a file",
    ),
    Hostile(
        b"deep.docx",
        docx(_W + b"<w:p>" + b"<w:ins>" * 100_000 + b"</w:ins>" * 100_000 + b"</w:p>" + _W_END),
        ANY,
        "100,000 deep",
    ),
    Hostile(b"half.docx", _cut(_SMALL_DOCX, 0.5), ANY, "half of it"),
    Hostile(b"empty.docx", data(b""), ANY, "an empty document"),
    Hostile(b"bare.docx", package({"a.txt": b"text"}), ANY, "an archive, but no document"),
    Hostile(b"text.docx", data("just text\n" * 20), ANY, "text under a wrong name"),
    Hostile(b"docx.md", _SMALL_DOCX, ANY, "a document under a wrong name"),
    Hostile(b"page.txt", data(_PAGE), ANY, "a PDF under a wrong name"),
    Hostile(b"script.pdf", data("#!/bin/sh\nrm -rf /\n" * 9), ANY, "a script under a wrong name"),
    Hostile(b"program.txt", data(b"\x7fELF" + _RNG.randbytes(9_000)), _NEVER, "a program"),
    Hostile(b"picture.md", data(b"\x89PNG\r\n\x1a\n" + _RNG.randbytes(9_000)), _NEVER, "a picture"),
    Hostile(b"polyglot.pdf", data(_PAGE + _archive(["a.md"], b"text")), ANY, "PDF and archive"),
    Hostile(b"sparse.xlsx", xlsx(_SPARSE), ANY, "two cells, 17 thousand million between"),
    Hostile(b"dimension.xlsx", xlsx(_SPARSE[:40] + b'<row r="4294967296"/>'), ANY, "a row too far"),
    _heavy(
        b"strings.xlsx",
        xlsx(
            _SPARSE,
            Again((b"<si><t>" + b"S" * 1_000 + b"</t></si>") * 1_000, 1_000, b"<sst>", b"</sst>"),
        ),
        ANY,
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
        ANY,
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
        ANY,
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
        ANY,
        "a path that leads out",
    ),
    Hostile(b"slip.zip", data(_archive(["../../../../tmp/pwned"], b"x")), ANY, "the same"),
    Hostile(b"bomb.zip", package({"a.txt": Again(b"0" * MIB, 200)}), ANY, "200 MB of zeros"),
    Hostile(b"nested.zip", data(_nested_zip(3)), ANY, "archives in archives: 10 GB"),
    Hostile(b"overlap.zip", data(_overlapping_zip()), ANY, "one part under 500 names"),
    Hostile(b"quine.zip", data(_quine_zip()), ANY, "an archive of itself"),
    Hostile(b"encrypted.zip", data(_encrypted_zip()), ANY, "encrypted"),
    Hostile(b"encrypted.docx", data(_compound(b"EncryptedPackage")), ANY, "encrypted"),
    Hostile(b"loop.doc", data(_compound(b"WordDocument")), ANY, "a chain of sectors in a circle"),
    Hostile(b"loop.hwp", data(_compound(b"FileHeader")), ANY, "the same"),
    Hostile(b"loop.msg", data(_compound(b"__properties_version1.0")), ANY, "the same"),
    Hostile(b"many.zip", data(_archive([f"{n}" for n in range(20_000)], b"")), ANY, "20,000 parts"),
    Hostile(b"bomb.txt.gz", data(deflated(b"0" * MIB, 200)), _NEVER, "a compressed bomb"),
    Hostile(b"encrypted.pdf", data(_encrypted_pdf()), ANY, "encrypted"),
    Hostile(b"half.pdf", data(_PAGE[: len(_PAGE) // 2]), ANY, "half of it"),
    Hostile(b"empty.pdf", data(b""), ANY, "empty"),
    Hostile(b"noise.pdf", data(b"%PDF-1.7\n" + _RNG.randbytes(200_000)), ANY, "noise"),
    Hostile(b"flate.pdf", data(_flate(1)), ANY, "256 MB in one stream"),
    Hostile(b"flate-thrice.pdf", data(_flate(3)), ANY, "the same, compressed thrice"),
    Hostile(
        b"loop.pdf",
        data(
            pdf(
                b"<</Type/Catalog/Pages 2 0 R>>",
                b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 100000000>>",
                b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>",
            )
        ),
        ANY,
        "pages that hold themselves",
    ),
    Hostile(
        b"length.pdf",
        data(_PAGE.replace(b"/Length 34", b"/Length 999999999999")),
        ANY,
        "a stream that is longer than the file",
    ),
    Hostile(
        b"self.pdf",
        data(
            pdf(
                b"<</Type/Catalog/Pages 2 0 R>>",
                b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources"
                b"<</XObject<</X 4 0 R>>>>>>",
                b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>"
                b"/Length 5>>stream\n/X Do\nendstream",
            )
        ),
        ANY,
        "a form that draws itself",
    ),
    Hostile(
        b"deep.pdf",
        data(page(b"[" * 200_000)),
        ANY,
        "arrays, 200,000 deep",
    ),
]
