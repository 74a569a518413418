"""Makes archives, office files and PDFs, whatever is in them."""

from __future__ import annotations

import random
import zipfile
import zlib
from typing import TYPE_CHECKING

from good import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MIB = 1 << 20
_RNG = random.Random(9)
W = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
W_END = b"</w:body></w:document>"
PARAGRAPH = b"<w:p><w:r><w:t>" + b"A" * 1_000 + b"</w:t></w:r></w:p>"
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


SMALL_DOCX = docx(W + PARAGRAPH + W_END)
PAGE = page(b"BT /F 12 Tf 10 50 Td (words) Tj ET")


def noise(size: int) -> bytes:
    """Letters that cannot be packed much."""
    return _RNG.randbytes(size // 2).hex().encode()


def changed(name: str, part: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Makes a sound document with one of its parts changed, or added."""

    def make(path: Path) -> None:
        path.write_bytes(documents()[name])
        with zipfile.ZipFile(path) as archive:
            parts = {one: archive.read(one) for one in archive.namelist()}
        parts[part] = change(parts.get(part, b""))
        package(dict(parts))(path)

    return make


def replaced(name: str, part: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    """Makes a sound document with something in one of its parts replaced, once."""
    return changed(name, part, lambda content: content.replace(old, new, 1))
