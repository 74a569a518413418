"""A sound file of each format, with something of all that its reader knows."""

from __future__ import annotations

import io
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import docx
import pptx
import pypdf
import xlsxwriter
import xlwt
from holding import MAIL, holders
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from officefiles import opendocument, packed, pdf, saved

_SPACE = "http://www.w3.org/1999/xhtml"
_PAGE = (
    f"<html xmlns='{_SPACE}'><head><title>t</title></head><body><h1>%s</h1><p>%s</p></body></html>"
)


@cache
def documents() -> dict[str, bytes]:
    """Those that are no text."""
    return {
        "a.pdf": pdf(
            [["Header of all", f"Page {n}", f"Line {n} of some text.", "end"] for n in range(6)],
            [("Page 1", 1), ("Page 4", 4)],
        ),
        "locked.pdf": encrypted_pdf("", "owner"),
        "a.docx": _word(),
        "a.pptx": _slides(),
        "a.xlsx": _workbook(),
        "a.xls": _old_workbook(),
        "a.xlsb": binary_workbook(),
        "a.odt": opendocument("text", _ODT, "A title"),
        "a.ods": opendocument("spreadsheet", _ODS, "A title"),
        "a.odp": opendocument("presentation", _ODP, "A title"),
        "a.epub": _book(),
        "a.rtf": _RTF,
        "a.png": _picture("PNG"),
        "a.tif": _picture("TIFF"),
        "scan.pdf": _picture("PDF"),
        **holders(_word(), _RTF, _MARKDOWN),
    }


def _picture(form: str) -> bytes:
    """A picture of text."""
    picture = Image.new("L", (500, 120), 255)
    ImageDraw.Draw(picture).text((20, 40), "Words in a picture", font=ImageFont.load_default(40))
    out = io.BytesIO()
    picture.save(out, form, dpi=(300, 300), resolution=300)
    return out.getvalue()


@cache
def texts() -> dict[str, bytes]:
    """Those that are."""
    return {name: text if isinstance(text, bytes) else text.encode() for name, text in _TEXTS}


def encrypted_pdf(user: str, owner: str) -> bytes:
    """A PDF that is encrypted; without a password for readers everybody may read it."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([["locked words"]])))
    writer.encrypt(user, owner)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _word() -> bytes:
    document: Any = docx.Document()
    document.core_properties.title = "The handbook"
    document.add_heading("First", 1)
    document.add_paragraph("Some words of the text, and 한글.")
    document.add_paragraph("an item", style="List Bullet")
    document.add_heading("Second", 2)
    table = document.add_table(3, 3)
    for place, cell in enumerate(one for line in table.rows for one in line.cells):
        cell.text = f"cell {place}"
    return saved(document)


def _slides() -> bytes:
    document: Any = pptx.Presentation()
    for number in range(3):
        slide = document.slides.add_slide(document.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = "one\ntwo"
        slide.notes_slide.notes_text_frame.text = "a note"
    slide.shapes.add_table(2, 2, 0, 0, 1_000, 1_000).table.cell(0, 0).text = "cell"
    return saved(document)


def _workbook() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet: Any = book.add_worksheet("Prices")
        sheet.write_row(0, 0, ["name", "price", "since", "sure"])
        for row in range(1, 30):
            sheet.write_row(row, 0, [f"thing {row}", row * 1.5])
            sheet.write_number(row, 2, 45_000 + row, date)
            sheet.write_boolean(row, 3, row % 2)
        sheet.write_formula("F2", "=SUM(B2:B9)", None, 12)
        book.add_worksheet("Empty")
    return out.getvalue()


def _old_workbook() -> bytes:
    book: Any = xlwt.Workbook()
    sheet = book.add_sheet("Prices")
    for row in range(30):
        sheet.write(row, 0, f"thing {row}")
        sheet.write(row, 1, row * 1.5)
        sheet.write(row, 2, row % 2 == 0)
    sheet.write(5, 5, xlwt.Formula("1+1"))
    return saved(book)


def binary_workbook(row: int = 1, column: int = 1) -> bytes:
    """A binary workbook of two cells, by hand: one in the corner, and one at this place."""

    def record(kind: int, content: bytes = b"") -> bytes:
        number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
        length, left = b"", len(content)
        while left > 127:
            length, left = length + bytes([left & 0x7F | 0x80]), left >> 7
        return number + length + bytes([left]) + content

    def text(words: str) -> bytes:
        return struct.pack("<I", len(words)) + words.encode("utf-16-le")

    def cell(place: int, words: str) -> bytes:
        return record(6, struct.pack("<II", place, 0) + text(words))

    book = record(131) + record(153, bytes(12)) + record(143)
    book += record(156, struct.pack("<II", 0, 1) + text("rId1") + text("Prices"))
    book += record(144) + record(157, bytes(24)) + record(132)
    rows = record(0, struct.pack("<I", 0) + bytes(13)) + cell(0, "words")
    rows += record(0, struct.pack("<I", row) + bytes(13)) + cell(column, "far away")
    sheet = record(129) + record(148, struct.pack("<IIII", 0, row, 0, column)) + record(145)
    sheet += rows + record(146) + record(130)
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
    return packed(
        {
            "[Content_Types].xml": '<Types><Override ContentType="application/vnd.ms-excel.sheet.'
            'binary.macroEnabled.main" PartName="/xl/workbook.bin"/></Types>',
            "xl/workbook.bin": book,
            "xl/_rels/workbook.bin.rels": f'<Relationships><Relationship Id="rId1" Type="{kind}" '
            'Target="worksheets/sheet1.bin"/></Relationships>',
            "xl/worksheets/sheet1.bin": sheet,
        }
    )


def _book() -> bytes:
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(3)
    )
    order = "".join(f'<itemref idref="c{n}"/>' for n in range(3))
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="O/p.opf"/>'
            "</rootfiles></container>",
            "O/p.opf": '<package xmlns:dc="d"><metadata><dc:title>The book</dc:title></metadata>'
            f"<manifest>{items}</manifest><spine>{order}</spine></package>",
            **{f"O/c{n}.xhtml": _PAGE % (f"Chapter {n}", "words " * 50) for n in range(3)},
        }
    )


_ODT = (
    "<office:text><text:h text:outline-level='1'>One</text:h><text:p>Some<text:s text:c='3'/>words"
    "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>a note</text:p>"
    "</text:note-body></text:note></text:p><text:list><text:list-item><text:p>item</text:p>"
    "</text:list-item></text:list><table:table><table:table-row><table:table-cell><text:p>a</text:p>"
    "</table:table-cell><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row>"
    "</table:table></office:text>"
)
_ODS = (
    "<office:spreadsheet><table:table table:name='One'>"
    + "<table:table-row table:number-rows-repeated='2'><table:table-cell "
    "table:number-columns-repeated='3'><text:p>words</text:p></table:table-cell><table:table-cell>"
    "<text:p>1.5</text:p></table:table-cell></table:table-row>"
    * 9
    + "</table:table></office:spreadsheet>"
)
_ODP = (
    "<office:presentation>"
    + "<draw:page><draw:frame><draw:text-box><text:p>A slide</text:p></draw:text-box></draw:frame>"
    "<presentation:notes><text:p>a note</text:p></presentation:notes></draw:page>"
    * 3
    + "</office:presentation>"
)
_RTF = (
    rb"{\rtf1\ansi\ansicpg949{\fonttbl{\f0\fcharset129 Batang;}{\f1\fcharset0 Arial;}}"
    rb"{\info{\title The title}}\f0\pard\outlinelevel0 One\par\pard \'c7\'d1\'b1\'db words {\b and}"
    rb" \u54620?\u-10000? more{\footnote a note}\par\trowd\intbl a\cell b\cell\row "
    rb"\pard{\*\generator x}{\field{\*\fldinst PAGE}{\fldrslt 1}}{\pict\bin4 abcd}end\par}"
)
_MARKDOWN = """# One

words and `code`

## Two

- a
- b

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1
```

> quoted

[link](http://x.y)
"""
_HTML = """<!doctype html><html><head><title>T</title><meta charset=utf-8></head><body>
<h1>One</h1><p>words <b>and</b> words<table><tr><td>1<td>2</table><pre>x
y</pre></body>"""
_RST = "Title\n=====\n\nwords\n\n* one\n* two\n\n.. code:: python\n\n   x = 1\n\nTwo\n---\n\nend\n"
_LATEX = r"""\documentclass{article}\begin{document}\section{One}words $x$ \emph{and}
\begin{itemize}\item a\end{itemize}% no
\begin{verbatim}
x
\end{verbatim}\end{document}"""
_PYTHON = """import os


def f(x):
    '''words'''
    return x


class A:
    def g(self):
        pass
"""
_SCRIPT = "export function f(x) { return `a${x}`; }\nclass A { g() { /* b */ return '}'; } }\n"
_C = "#include <a.h>\n\nint f(int x)\n{\n    return x; // }\n}\n\nstruct a { int b; };\n"
_SQL = "CREATE TABLE a (b INT);\nINSERT INTO a VALUES (1, 'x;y');\n-- c\nSELECT $$ d; $$;\n"
_NOTEBOOK = """{"cells": [{"cell_type": "markdown", "source": ["# One\\n", "words"]},
{"cell_type": "code", "source": "x = 1", "outputs": [{"output_type": "stream", "text": ["1\\n"]},
{"output_type": "display_data", "data": {"text/plain": "2", "image/png": "iVBO"}},
{"output_type": "error", "ename": "E", "evalue": "no", "traceback": []}]}], "nbformat": 4}"""
_SRT = """1
00:00:01,000 --> 00:00:02,500
words

2
00:01:00,000 --> 00:01:02,000
<i>more</i>

"""
_VTT = """WEBVTT

00:01.000 --> 00:02.500 align:left
<v A>words

NOTE x

1:00:00.000 --> 1:00:01.000
more
"""
_TEXTS: tuple[tuple[str, str | bytes], ...] = (
    ("a.md", _MARKDOWN),
    ("a.html", _HTML),
    ("a.json", '{"a": [1, 2.5, "words", null, {"b": "\\u00e9\\ud83d\\ude00"}], "c": true}\n'),
    ("a.jsonl", '{"a": 1}\n{"a": "words"}\n[]\n'),
    ("a.yaml", "a: &x [1, two]\nb: *x\nc: |\n  words\n  words\n- d:\n    e: f\n---\ng: 'h'\n"),
    ("a.toml", 'a = 1\n[b]\nc = "words"\nd = [1979-05-27, {e = 1}]\n\n[[f]]\ng = """\nh\n"""\n'),
    ("a.properties", "a.b=words\nc = \\ud55c\\uae00\n# d\n"),
    ("a.csv", 'name,number\n"a, b",1\nc,2\n' * 20),
    ("a.tsv", "name\tnumber\na\t1\n" * 20),
    ("a.xml", '<?xml version="1.0"?><a b="c"><d>words</d><!-- e --><![CDATA[f]]></a>'),
    ("a.rst", _RST),
    ("a.tex", _LATEX),
    ("a.py", _PYTHON * 5),
    ("a.js", _SCRIPT * 5),
    ("a.c", _C * 5),
    ("a.sql", _SQL * 5),
    ("a.ipynb", _NOTEBOOK),
    ("a.srt", _SRT),
    ("a.vtt", _VTT),
    ("a.eml", MAIL),
    ("a.org", "* One\n** Two\nwords\n#+BEGIN_SRC\nx\n#+END_SRC\n| a | b |\n"),
    ("a.adoc", "= One\n\n== Two\n\nwords\n\n----\nx\n----\n\n* a\n** b\n\n|===\n|a |b\n|===\n"),
    ("utf16.txt", "words 한글\n".encode("utf-16") * 20),
    ("cp949.txt", "한글 문서입니다. words\n".encode("cp949") * 20),
)
