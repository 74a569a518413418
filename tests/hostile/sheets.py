"""Sheets and slides: what their own structure can be made to do."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from good import binary_workbook, documents
from kinds import DEAD, ENDED, INDEXED, Hostile, data
from packing import MIB, Again, changed, noise, replaced, xlsx

if TYPE_CHECKING:
    from collections.abc import Callable

_LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
)
_TOO_MUCH = (
    f"{DEAD}: .*(unpacks to|extract.entries|more memory|gives no sense|too much time|SIGABRT)"
)
_ENTITIES = f"{DEAD}: .*declares entities"
_S = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_S_END = b"</sheetData></worksheet>"


def _old(change: Callable[[bytearray], object]) -> bytes:
    content = bytearray(documents()["a.xls"])
    change(content)
    return bytes(content)


def _circle(content: bytearray) -> None:
    """Each sector is followed by itself."""
    (table,) = struct.unpack_from("<I", content, 76)
    start = (table + 1) * 512
    for place in range(100):
        if struct.unpack_from("<I", content, start + 4 * place)[0] < 0xFFFF_FFF0:
            struct.pack_into("<I", content, start + 4 * place, place)


def _strings(content: bytearray) -> None:
    """A table of strings that says that it has 4,000 million."""
    at = content.index(b"\xfc\x00")
    content[at + 4 : at + 12] = b"\xff" * 8


_CELL = b'<c r="A%d" t="s"><v>0</v></c>'
_STRANGE = (
    b'<row r="1"><c r="A1" t="s"><v>-5</v></c><c r="B1" t="s"><v>%s</v></c>'
    b'<c r="C1" s="-1"><v>1e999</v></c><c r="D1" s="99999999999"><v>nan</v></c>'
    b'<c r="E1" t="s"><v>%s</v></c><c r="%s1" t="inlineStr"><is><t>kept</t></is></c></row>'
) % (b"9" * 6_000, "\u00b2".encode(), b"Z" * 60_000)
_SLIDE = b'<p:sldId id="256" r:id="rId7"/>'

ENTRIES = [
    # Slides
    Hostile(
        b"slides.pptx",
        changed(
            "a.pptx",
            "ppt/presentation.xml",
            lambda content: content.replace(_SLIDE, _SLIDE * 20_000),
        ),
        f"{INDEXED}|{_TOO_MUCH}",
        "one slide 20,000 times",
    ),
    Hostile(
        b"notes.pptx",
        replaced(
            "a.pptx",
            "ppt/slides/_rels/slide1.xml.rels",
            b"../notesSlides/",
            b"../slides/slide1.xml?",
        ),
        INDEXED,
        "a slide that is its own note",
    ),
    Hostile(
        b"laughs.pptx",
        changed(
            "a.pptx",
            "ppt/slides/slide1.xml",
            lambda content: _LAUGHS + content[content.index(b"<p:sld") :],
        ),
        _ENTITIES,
        "entities",
    ),
    # Sheets
    Hostile(
        b"far.xlsx",
        xlsx(b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'),
        INDEXED,
        "one cell, XFD1048576",
    ),
    Hostile(b"strange.xlsx", xlsx(_STRANGE), INDEXED, "numbers that are none"),
    Hostile(
        b"one-string.xlsx",
        xlsx(
            b"".join(b"<row>" + _CELL % n + b"</row>" for n in range(50_000)),
            b"<sst><si><t>" + noise(MIB) + b"</t></si></sst>",
        ),
        INDEXED,
        "one text of 1 MB in 50,000 cells",
        heavy=True,
    ),
    Hostile(
        b"wide.xlsx",
        xlsx(
            b"<row>" + b'<c t="s"><v>0</v></c>' * 50_000 + b"</row>",
            b"<sst><si><t>" + noise(MIB) + b"</t></si></sst>",
        ),
        INDEXED,
        "the same in one row",
    ),
    Hostile(
        b"sheets.xlsx",
        changed(
            "a.xlsx",
            "xl/workbook.xml",
            lambda content: content.replace(
                b"<sheets>", b"<sheets>" + b'<sheet name="a" sheetId="1" r:id="rId1"/>' * 20_000
            ),
        ),
        f"{INDEXED}|{_TOO_MUCH}",
        "one sheet 20,000 times",
    ),
    Hostile(b"laughs.xlsx", xlsx(Again(b"", 0, _LAUGHS + _S + _S_END)), _ENTITIES, "entities"),
    Hostile(b"circle.xls", data(_old(_circle)), ENDED, "a chain of sectors in a circle"),
    Hostile(b"strings.xls", data(_old(_strings)), INDEXED, "4,000 million strings"),
    Hostile(b"far.xlsb", data(binary_workbook(1_048_575, 16_383)), ENDED, "one cell, XFD1048576"),
    Hostile(
        b"repeated.ods",
        replaced("a.ods", "content.xml", b"rows-repeated='2'", b"rows-repeated='1048576'"),
        INDEXED,
        "a row 1,048,576 times",
    ),
    Hostile(
        b"columns.ods",
        replaced(
            "a.ods",
            "content.xml",
            b"columns-repeated='3'",
            b"columns-repeated='" + b"9" * 6_000 + b"'",
        ),
        INDEXED,
        "a cell without end",
    ),
]
