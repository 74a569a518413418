"""Documents whose content is known: made by libraries for the formats, or by hand."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.bounds import Shared
from ingestd.embed.extract.documents import Documents
from ingestd.embed.extract.nest import Nest
from ingestd.ports import Extracted, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.extract.bounds import Bounds

Section = Extracted | Table


def sections(data: bytes, name: str, bounds: Bounds | None = None) -> list[Section]:
    """The sections of a document, as the child finds them; rows of tables as lists."""
    documents = Documents(bounds)
    file = io.BytesIO(data)
    encoded = name.encode()
    found = documents.recognised(data[: 8 * 1024], lambda: file, documents.named(encoded))
    assert found is not None, f"{name} is no document"
    nest = Nest(_unread, Shared.of(documents.bounds, len(data)), 0)
    result: list[Section] = []
    for section in documents.sections(found, file, encoded, nest):
        if isinstance(section, Table):
            rows = list(section.rows)
            table = Table(section.header, rows, section.title, section.headings, section.page)
            result.append(table)
        else:
            result.append(section)
    return result


def _unread(_data: bytes, _name: bytes, _nest: Nest) -> Iterator[Section]:
    """Documents within documents have tests of their own."""
    return iter(())


def text_of(found: list[Section]) -> str:
    """All text."""
    return "\n\n".join(
        one.text if isinstance(one, Extracted) else "\n".join([one.header, *one.rows])
        for one in found
    )


def blocks(found: list[Section]) -> list[tuple[str, int, tuple[str, ...], int | None]]:
    """Text, level, headings and page of each block."""
    return [
        (one.text[b.start : b.end], b.heading, b.headings, b.page)
        for one in found
        if isinstance(one, Extracted)
        for b in one.blocks
    ]


def packed(parts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of these parts, in this order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The parts of a ZIP archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def saved(document: Any) -> bytes:
    """What a library's document saves."""
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def opendocument(kind: str, body: str, title: str = "", manifest: str = "") -> bytes:
    """An OpenDocument file with this body."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
        for name, space in (
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
            ("presentation", "presentation"),
        )
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces}><office:body>'
        f"{body}</office:body></office:document-content>"
    )
    meta = (
        '<office:document-meta xmlns:office="o" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<office:meta><dc:title>{title}</dc:title></office:meta></office:document-meta>"
    )
    return packed(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": content,
            "meta.xml": meta,
            "META-INF/manifest.xml": manifest or "<manifest/>",
        }
    )


def pdf(pages: list[list[str]], outline: list[tuple[str, int]] | None = None) -> bytes:
    """A PDF of these lines; an outline of titles and pages, from 0."""
    objects: list[bytes] = []

    def add(content: str | bytes) -> int:
        objects.append(content.encode("latin-1") if isinstance(content, str) else content)
        return len(objects)

    catalog = add("")
    tree = add("")
    font = add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    numbers = []
    for lines in pages:
        shown = "".join(f"({line}) Tj 0 -14 Td " for line in lines)
        stream = f"BT /F1 11 Tf 50 780 Td {shown}ET" if lines else ""
        content = add(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        numbers.append(
            add(
                f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 595 842] /Contents {content} "
                f"0 R /Resources << /Font << /F1 {font} 0 R >> >> >>"
            )
        )
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects[tree - 1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
    root = f"<< /Type /Catalog /Pages {tree} 0 R"
    if outline:
        first = len(objects) + 2
        last = first + len(outline) - 1
        top = add(f"<< /Type /Outlines /First {first} 0 R /Last {last} 0 R >>")
        for place, (title, page) in enumerate(outline):
            follows = f"/Next {first + place + 1} 0 R" if first + place < last else ""
            add(
                f"<< /Title ({title}) /Parent {top} 0 R /Dest [{numbers[page]} 0 R /Fit] "
                f"{follows} >>"
            )
        root += f" /Outlines {top} 0 R"
    objects[catalog - 1] = f"{root} >>".encode()
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        catalog,
        start,
    )
    return bytes(out)
