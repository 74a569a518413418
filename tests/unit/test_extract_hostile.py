"""Hostile documents: each ends with a reason, in the child, and the next file is read."""

from __future__ import annotations

import io
import os
import random
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
import xlwt
from officefiles import opendocument, packed, pdf, saved
from test_extract_documents import book, compound
from test_extract_office import W, paragraph, word_of, workbook

from ingestd.embed import model
from ingestd.embed.cutting import Cutting
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading.parts import Batch
from ingestd.embed.reading.pool import Pool
from ingestd.errors import DocumentError
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIB = 1024**2
SPEC = model.locate("hash")
SETTINGS = ExtractSettings(memory_bytes=512 * MIB, timeout_s=20)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool for all files: each costs it one child at most."""
    made = Pool(SPEC, Cutting(SPEC.max_tokens), SETTINGS)
    yield made
    made.close()


@pytest.fixture
def outcome(pool: Pool, tmp_path: Path) -> Callable[[bytes, str], str]:
    """Has a file read; its text, or why there is none."""

    def read(data: bytes, name: str) -> str:
        path = tmp_path / "file"
        path.write_bytes(data)
        fd = os.open(path, os.O_RDONLY)
        try:
            parts = list(pool.cut(fd, name.encode(), len(data)))
        except SkipDocument as skip:
            return f"skipped: {skip}"
        except DocumentError as error:
            return f"{error.code}: {error.message}"
        finally:
            os.close(fd)
        chunks = [chunk for part in parts if isinstance(part, Batch) for chunk in part.chunks]
        return "\n".join(chunk.text for chunk in chunks)

    return read


def documents() -> dict[str, bytes]:
    """A sound document of each format."""
    old = xlwt.Workbook()
    old.add_sheet("S").write(0, 0, "text")
    return {
        "a.pdf": pdf([["the text"]] * 5),
        "a.docx": word_of(paragraph("the text") * 500),
        "a.xlsx": workbook(),
        "a.xls": saved(old),
        "a.odt": opendocument("text", "<office:text><text:p>text</text:p></office:text>"),
        "a.epub": book(),
        "a.rtf": rb"{\rtf1 the text}",
    }


@pytest.mark.parametrize("name", [*documents()])
def test_truncated_and_damaged_documents(outcome: Callable[[bytes, str], str], name: str) -> None:
    """Wherever they end, and whatever byte is another one: text, a reason or an error."""
    data = documents()[name]
    rng = random.Random(name)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert outcome(data[: int(len(data) * share)], name)
    for _ in range(20):
        damaged = bytearray(data)
        for _ in range(5):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        outcome(bytes(damaged), name)
    assert "ext" in outcome(data, name)


@pytest.mark.parametrize(
    "suffix",
    ["pdf", "docx", "xlsx", "pptx", "xls", "odt", "ods", "odp", "epub", "rtf", "doc", "hwp"],
)
def test_names_without_content(outcome: Callable[[bytes, str], str], suffix: str) -> None:
    """Nothing in it is no text, noise is binary, and text is text."""
    name = f"a.{suffix}"
    assert outcome(b"", name) == "skipped: no text"
    assert outcome(random.Random(1).randbytes(5_000), name).startswith("skipped: binary")
    assert outcome(b"just words", name) == "just words"
    page = '<html xmlns:o="office"><meta charset="euc-kr"><body><p>그룹웨어 문서</p></body></html>'
    assert outcome(page.encode("euc-kr"), name) == "그룹웨어 문서"


def zeros(size: int, name: str = "word/document.xml") -> bytes:
    """An archive of nothing but zeros."""
    return packed({"[Content_Types].xml": "<Types/>", "word/document.xml": "", name: bytes(size)})


def lying() -> bytes:
    """An archive that declares less than it unpacks to."""
    data = bytearray(zeros(50 * MIB))
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.rfind(mark)
        data[at + place : at + place + 4] = struct.pack("<I", 1_000)
    return bytes(data)


def laughing(kind: str) -> bytes:
    """A document with entities of its own."""
    inner = {
        "laughs": '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">',
        "file": '<!ENTITY c SYSTEM "file:///etc/passwd">',
    }[kind]
    body = f'<!DOCTYPE x [{inner}]><w:document xmlns:w="{W}"><w:p><w:t>&c;</w:t></w:p></w:document>'
    return packed({"[Content_Types].xml": "<Types/>", "word/document.xml": body})


def looping() -> bytes:
    """A PDF whose pages are their own parents."""
    return pdf([["text"]]).replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]")


def flate_bomb() -> bytes:
    """A PDF with a stream that unpacks to 300 MB."""
    packer = zlib.compressobj(9)
    stream = b"".join(packer.compress(b" " * MIB) for _ in range(300)) + packer.flush()
    plain = pdf([["MARK"]])
    begin, end = plain.index(b"<< /Length"), plain.index(b"endstream")
    content = b"<< /Filter /FlateDecode /Length %d >>\nstream\n" % len(stream) + stream + b"\n"
    return plain[:begin] + content + plain[end:]


def sparse_old() -> bytes:
    """A workbook of Excel 97 with nothing but its corners."""
    made = xlwt.Workbook()
    sheet = made.add_sheet("S")
    sheet.write(0, 0, "first")
    sheet.write(65_535, 255, "last")
    return saved(made)


def widely_spread() -> bytes:
    """A workbook whose every row has a cell in the last column."""
    rows = "".join(
        f'<row><c r="A{n}"><v>1</v></c><c r="XFD{n}"><v>2</v></c></row>' for n in range(9_999)
    )
    out = io.BytesIO(workbook())
    with zipfile.ZipFile(out) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet2.xml"] = f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
    return packed(parts)


def circular() -> bytes:
    """A compound file whose directory has no end."""
    data = bytearray(compound("a", "b", "c", "d", "e", "f"))
    data[512 + 4 : 512 + 8] = (1).to_bytes(4, "little")
    return bytes(data)


HOSTILE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "more than may be unpacked": (lambda: zeros(201 * MIB), "a.docx", "unpacks to 201 MiB"),
    "packed a thousand times": (lambda: zeros(20 * MIB), "a.docx", "times its size"),
    "beside the document": (lambda: zeros(20 * MIB, "other"), "a.docx", "times its size"),
    "too many parts": (
        lambda: packed({"word/document.xml": "", **{str(n): "" for n in range(10_001)}}),
        "a.docx",
        "extract.entries",
    ),
    "declares less": (lying, "a.docx", "extraction: "),
    "entities": (lambda: laughing("laughs"), "a.docx", "declares entities"),
    "entities from elsewhere": (lambda: laughing("file"), "a.docx", "declares entities"),
    "deep in Word": (
        lambda: word_of("<w:p>" * 60_000 + "</w:p>" * 60_000),
        "a.docx",
        "nested deeper",
    ),
    "deep in text": (
        lambda: opendocument("text", "<office:text>" + "<text:list>" * 50_000),
        "a.odt",
        "nested deeper",
    ),
    "many attributes": (
        lambda: word_of("<w:p " + " ".join(f'a{n}="{n}"' for n in range(200_000)) + "/>"),
        "a.docx",
        "skipped: no text",
    ),
    "a strange encoding": (
        lambda: packed(
            {
                "[Content_Types].xml": "<Types/>",
                "word/document.xml": '<?xml version="1.0" encoding="utf-7"?><a/>',
            }
        ),
        "a.docx",
        "damaged XML",
    ),
    "a wrong checksum": (
        lambda: packed({"word/document.xml": "<a>words</a>"}, zipfile.ZIP_STORED).replace(
            b"words", b"swore"
        ),
        "a.docx",
        "damaged archive",
    ),
    "not closed": (lambda: word_of("<w:p><w:r>"), "a.docx", "damaged XML"),
    "a part is missing": (
        lambda: packed({"[Content_Types].xml": "", "word/document.xml.rels": ""}),
        "a.docx",
        "skipped: ",
    ),
    "pages without end": (looping, "a.pdf", ""),
    "a stream without end": (flate_bomb, "a.pdf", ""),
    "groups without end": (lambda: rb"{\rtf1 " + b"{" * 2_000_000, "a.rtf", "nested deeper"),
    "fields without end": (
        lambda: rb"{\rtf1 " + rb"{\field{\*\fldinst{" * 100_000 + b"text",
        "a.rtf",
        "nested deeper",
    ),
    "corners of an old sheet": (sparse_old, "a.xls", ""),
    "cells in the last column": (widely_spread, "a.xlsx", "1 |  | 2"),
    "a directory without end": (circular, "a.doc", "skipped: "),
    "an archive of something else": (lambda: packed({"a": "b"}), "a.docx", "skipped: "),
}


@pytest.mark.parametrize("case", [*HOSTILE])
def test_hostile_documents(outcome: Callable[[bytes, str], str], pool: Pool, case: str) -> None:
    """Each within its bounds; whatever it does, the next document is read."""
    make, name, expected = HOSTILE[case]
    found = outcome(make(), name)
    assert expected in found
    assert found
    assert outcome(pdf([["still here"]]), "b.pdf") == "still here"
    assert pool.peak_bytes < SETTINGS.memory_bytes + 200 * MIB


def test_a_small_file_may_hold_much_text(outcome: Callable[[bytes, str], str]) -> None:
    """As long as that is no bomb: what is told of it is bounded, but by what it may unpack to."""
    data = word_of(paragraph("the same words again and again " * 8) * 3_000)
    assert len(data) * 200 < 1_000_000
    assert outcome(data, "a.docx").count("again and again") == 8 * 3_000
