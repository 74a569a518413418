"""Word, PowerPoint and Excel: what is taken from files that other programs' libraries made."""

from __future__ import annotations

import datetime as dt
import io
import re
from typing import Any

import docx
import pptx
import pytest
import xlsxwriter
import xlwt
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from officefiles import blocks, packed, saved, sections, text_of, unpacked

from ingestd.embed.extract import numbers
from ingestd.embed.extract.sheets import sheet
from ingestd.ports import Extracted, Table

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def word() -> Any:
    """A new document with a title of its own."""
    document = docx.Document()
    document.core_properties.title = "The handbook"
    return document


def word_of(body: str, **parts: str) -> bytes:
    """A document of this body, made by hand."""
    relations = "".join(
        f'<Relationship Id="r{kind}" Type="x/{kind}" Target="{kind}.xml"/>' for kind in parts
    )
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f'<w:document xmlns:w="{W}" xmlns:mc="m"><w:body>{body}</w:body>'
            "</w:document>",
            "word/_rels/document.xml.rels": f"<Relationships>{relations}</Relationships>",
            **{f"word/{kind}.xml": content for kind, content in parts.items()},
        }
    )


def paragraph(text: str) -> str:
    """A paragraph of this text."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_headings_of_word_are_those_of_its_styles() -> None:
    """Title, levels and paths; Korean text as it is."""
    document = word()
    document.add_heading("Handbook", 0)
    document.add_paragraph("Before all.")
    document.add_heading("첫째 장", 1)
    document.add_heading("Details", 2)
    document.add_paragraph("본문 내용입니다.")
    document.add_heading("Second", 1)
    document.add_paragraph("End.")
    found = sections(saved(document), "a.docx")
    assert found[0].title == "The handbook"
    assert blocks(found) == [
        ("Handbook", 1, ("Handbook",), None),
        ("Before all.", 0, ("Handbook",), None),
        ("첫째 장", 1, ("첫째 장",), None),
        ("Details", 2, ("첫째 장", "Details"), None),
        ("본문 내용입니다.", 0, ("첫째 장", "Details"), None),
        ("Second", 1, ("Second",), None),
        ("End.", 0, ("Second",), None),
    ]


def test_lists_of_word_are_items_on_lines() -> None:
    """Each by a mark, close to the one before."""
    document = word()
    document.add_paragraph("Steps:")
    document.add_paragraph("one", style="List Number")
    document.add_paragraph("two", style="List Number")
    document.add_paragraph("three", style="List Bullet")
    assert text_of(sections(saved(document), "a.docx")) == "Steps:\n\n- one\n- two\n- three"


def test_tables_of_word_are_rows() -> None:
    """A small one is a block; a large one is a table with its header."""
    document = word()
    document.add_heading("Prices", 1)
    for size in (2, 200):
        table = document.add_table(size, 3)
        for number, line in enumerate(table.rows):
            for place, cell in enumerate(line.cells):
                cell.text = f"{number or 'head'} {place}"
        document.add_paragraph("between")
    found = sections(saved(document), "a.docx")
    assert ("head 0 | head 1 | head 2\n1 0 | 1 1 | 1 2", 0, ("Prices",), None) in blocks(found)
    [large] = [one for one in found if isinstance(one, Table)]
    assert large.header == "head 0 | head 1 | head 2"
    assert len(list(large.rows)) == 199
    assert (large.headings, large.title) == (("Prices",), "The handbook")


def test_what_stands_in_a_frame_is_text() -> None:
    """A table of one cell with much in it keeps its paragraphs; inner tables are in their cell."""
    document = word()
    outer = document.add_table(1, 1).cell(0, 0)
    outer.text = "long paragraph " * 30
    outer.add_paragraph("second paragraph")
    inner = outer.add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "x", "y"
    texts = [text for text, *_ in blocks(sections(saved(document), "a.docx"))]
    assert texts == ["long paragraph " * 29 + "long paragraph", "second paragraph", "x | y"]


def test_notes_of_word_follow_their_paragraph() -> None:
    """Footnotes and endnotes get one count; separators are none."""
    notes = (
        f'<w:footnotes xmlns:w="{W}"><w:footnote w:type="separator" w:id="-1"><w:p/></w:footnote>'
        f'<w:footnote w:id="1">{paragraph("the foot")}</w:footnote></w:footnotes>'
    )
    ends = (
        f'<w:endnotes xmlns:w="{W}"><w:endnote w:id="1">{paragraph("the end")}</w:endnote>'
        "</w:endnotes>"
    )
    body = (
        '<w:p><w:r><w:t>First</w:t><w:footnoteReference w:id="1"/><w:t xml:space="preserve"> and'
        '</w:t></w:r><w:r><w:endnoteReference w:id="1"/></w:r></w:p>' + paragraph("next")
    )
    found = sections(word_of(body, footnotes=notes, endnotes=ends), "a.docx")
    assert text_of(found) == "First[1] and[2]\n[1] the foot\n[2] the end\n\nnext"


def test_what_word_leaves_out() -> None:
    """Deleted text, field codes, repeated text boxes, tables of contents, headers and footers."""
    body = (
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs><w:pPrChange><w:pPr><w:pStyle w:val='Heading1'/>"
        "</w:pPr></w:pPrChange></w:pPr><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r>"
        "<w:r><w:tab/><w:t>text</w:t><w:br/><w:t>line</w:t><w:br w:type='page'/></w:r></w:p>"
        "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent>"
        + paragraph("in a box")
        + "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>"
        + paragraph("in a box")
        + "</w:txbxContent></mc:Fallback></mc:AlternateContent><w:t>outside</w:t></w:r></w:p>"
        + "<w:p><w:pPr><w:pStyle w:val='T'/></w:pPr><w:r><w:t>Contents 12</w:t></w:r></w:p>"
    )
    style = '<w:style w:styleId="T"><w:name w:val="toc 1"/></w:style>'
    styles = f'<w:styles xmlns:w="{W}">{style}</w:styles>'
    found = sections(word_of(body, styles=styles), "a.docx")
    assert text_of(found) == "new\ttext\nline\n\nin a box\n\noutside"
    document = word()
    document.add_paragraph("body")
    document.sections[0].header.paragraphs[0].text = "running header"
    assert text_of(sections(saved(document), "a.docx")) == "body"


def test_styles_inherit_their_level() -> None:
    """By what they are based on, and by a level of their own; loops end."""
    style = '<w:style w:styleId="{}"><w:name w:val="{}"/><w:basedOn w:val="{}"/>{}</w:style>'
    styles = f'<w:styles xmlns:w="{W}">' + "".join(
        [
            style.format("1", "heading 1", "", ""),
            style.format("M", "mine", "1", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>'),
            style.format("N", "other", "M", ""),
            style.format("L", "loop", "L", ""),
        ]
    )
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{name}"/></w:pPr><w:r><w:t>{name}</w:t></w:r></w:p>'
        for name in "1MNL"
    )
    found = sections(word_of(body, styles=f"{styles}</w:styles>"), "a.docx")
    assert [(text, level) for text, level, *_ in blocks(found)] == [
        ("1", 1),
        ("M", 2),
        ("N", 2),
        ("L", 0),
    ]


@pytest.mark.parametrize("level", ["\u00b2", "9" * 6_000, "", "two"])
def test_a_style_may_have_any_name(level: str) -> None:
    """Also one that looks like a heading's, and is none."""
    styles = f'<w:styles xmlns:w="{W}"><w:style w:styleId="a"><w:name w:val="heading {level}"/>'
    body = '<w:p><w:pPr><w:pStyle w:val="a"/></w:pPr><w:r><w:t>text</w:t></w:r></w:p>'
    found = sections(word_of(body, styles=f"{styles}</w:style></w:styles>"), "a.docx")
    assert blocks(found) == [("text", 0, (), None)]


def test_a_direct_level_makes_a_heading() -> None:
    """As the paragraph's own property says."""
    document = word()
    one = document.add_paragraph("A heading")
    level = OxmlElement("w:outlineLvl")
    level.set(qn("w:val"), "2")
    one._p.get_or_add_pPr().append(level)  # noqa: SLF001 - the library has no other way
    assert blocks(sections(saved(document), "a.docx")) == [("A heading", 3, ("A heading",), None)]


def test_a_long_word_document_comes_in_sections() -> None:
    """Headings go on from one to the next."""
    body = '<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>Top</w:t></w:r></w:p>'
    found = sections(word_of(body + paragraph("words " * 50) * 5_000), "a.docx")
    assert len(found) > 1
    assert all(isinstance(one, Extracted) and len(one.text) < 600_000 for one in found)
    assert {headings for _, _, headings, _ in blocks(found)} == {("Top",)}


# Presentations


def test_slides_come_with_numbers_titles_and_notes() -> None:
    """In the order in which they are shown, the title first, tables as rows."""
    deck = pptx.Presentation()
    for number in (1, 2):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number} title"
        slide.placeholders[1].text = f"point {number}\n둘째 점"
        slide.notes_slide.notes_text_frame.text = f"say {number}"
    table = deck.slides[1].shapes.add_table(2, 2, 0, 0, 99, 99).table
    for place in range(4):
        table.cell(place // 2, place % 2).text = f"c{place}"
    deck.slides.add_slide(deck.slide_layouts[6])  # without anything
    box = deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_textbox(0, 0, 9, 9)
    box.text_frame.text = "no title here"
    found = sections(saved(deck), "a.pptx")
    assert blocks(found) == [
        ("Slide 1 title", 1, ("Slide 1 title",), 1),
        ("point 1", 0, ("Slide 1 title",), 1),
        ("둘째 점", 0, ("Slide 1 title",), 1),
        ("say 1", 0, ("Slide 1 title",), 1),
        ("Slide 2 title", 1, ("Slide 2 title",), 2),
        ("point 2", 0, ("Slide 2 title",), 2),
        ("둘째 점", 0, ("Slide 2 title",), 2),
        ("c0 | c1\nc2 | c3", 0, ("Slide 2 title",), 2),
        ("say 2", 0, ("Slide 2 title",), 2),
        ("no title here", 0, (), 4),
    ]
    assert found[0].title == "Slide 1 title"


def test_a_slide_is_read_once() -> None:
    """However often it is listed: a small file could hold a million."""
    made = pptx.Presentation()
    made.slides.add_slide(made.slide_layouts[5]).shapes.title.text = "Only"
    parts = unpacked(saved(made))
    main = parts["ppt/presentation.xml"].decode()
    [slide] = re.findall(r"<p:sldId [^>]*>", main)
    parts["ppt/presentation.xml"] = main.replace(slide, slide * 1_000).encode()
    assert text_of(sections(packed(dict(parts)), "a.pptx")) == "Only"


# Workbooks


def workbook(**options: Any) -> bytes:
    """A workbook with two sheets, of which the second has numbers of each kind."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    book.set_properties({"title": "Figures"})
    book.add_worksheet("빈 시트")
    sheet = book.add_worksheet("매출")
    sheet.write(1, 2, "2024년 매출 현황")
    for place, name in enumerate(["품목", "수량", "날짜", "비율"]):
        sheet.write(3, 2 + place, name)
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    clock = book.add_format({"num_format": "hh:mm:ss"})
    share = book.add_format({"num_format": "0.0%"})
    sheet.write(4, 2, "사과")
    sheet.write_number(4, 3, 1200)
    sheet.write_datetime(4, 4, dt.datetime.fromisoformat("2024-03-01"), day)
    sheet.write_number(4, 5, 0.125, share)
    sheet.write_rich_string(5, 2, "배", book.add_format({"bold": True}), "나무")
    sheet.write_number(5, 3, 0.1 + 0.2)
    sheet.write_datetime(5, 4, dt.datetime.fromisoformat("2024-03-01T13:30"), clock)
    sheet.write_formula(5, 5, "=A1", None, "formula's text")
    sheet.write_boolean(6, 2, True)
    sheet.write_string(6, 5, "last\nline")
    book.close()
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"constant_memory": True}, {"date_1904": True}])
def test_sheets_come_with_header_name_and_number(options: dict[str, bool]) -> None:
    """What stands above the header is part of it; numbers are as people see them."""
    [sheet] = sections(workbook(**options), "a.xlsx")
    assert isinstance(sheet, Table)
    assert (sheet.title, sheet.headings, sheet.page) == ("Figures", ("매출",), 2)
    assert sheet.header == "2024년 매출 현황\n품목 | 수량 | 날짜 | 비율"
    rows = [row.split(" | ") for row in sheet.rows]
    assert rows[0] == ["사과", "1200", "2024-03-01", "12.5%"]
    assert rows[1] == ["배나무", "0.3", "13:30", "formula's text"]
    assert rows[2] == ["TRUE", "", "", "last line"]


def test_a_sparse_sheet_is_two_rows() -> None:
    """However far apart its cells are."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "first")
        sheet.write(1_048_575, 16_383, "last")
    [table] = sections(out.getvalue(), "a.xlsx")
    assert text_of([table]).split("\n") == ["", "first", " | last"]


def test_cells_that_are_strange_take_no_others_with_them() -> None:
    """Numbers of texts that are no numbers, too long, or out of reach; columns without end."""
    cells = "".join(
        f'<c r="{place}" t="s"><v>{number}</v></c>'
        for place, number in (("A1", "-1"), ("B1", "9" * 6_000), ("C1", "\u00b2"), ("D1", "99"))
    )
    cells += '<c r="E1" s="-1"><v>1</v></c><c r="F1" s="\u00b2"><v>2</v></c>'
    cells += f'<c r="{"Z" * 100_000}1" t="inlineStr"><is><t>kept</t></is></c>'
    parts = unpacked(workbook())
    parts["xl/worksheets/sheet2.xml"] = (
        f"<worksheet><sheetData><row>{cells}</row></sheetData></worksheet>".encode()
    )
    assert text_of(sections(packed(dict(parts)), "a.xlsx")).split("\n")[1] == "1 | 2 | kept"


def test_a_long_text_in_many_cells_is_cut() -> None:
    """It is whole in the first of them; a short one always is."""
    out = io.BytesIO()
    long = "word " * 1_000
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        for number in range(200):
            sheet.write_row(number, 0, [long, "short text"])
    [table] = sections(out.getvalue(), "a.xlsx")
    assert isinstance(table, Table)
    rows = list(table.rows)
    assert rows[0] == rows[40] == f"{long.strip()} | short text"
    assert rows[-1] == f"{long[:300].strip()} | short text"
    assert len(rows) == 200


def test_a_sheet_is_read_once() -> None:
    """However many tabs lead to it."""
    parts = unpacked(workbook())
    main = parts["xl/workbook.xml"].decode()
    found = re.findall(r"<sheet [^>]*>", main)
    parts["xl/workbook.xml"] = main.replace(found[1], found[1] * 1_000).encode()
    assert len(sections(packed(dict(parts)), "a.xlsx")) == 1


def test_a_large_sheet_is_a_stream() -> None:
    """Rows are made as they are taken; all of them are there."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        for number in range(1, 5_000):
            sheet.write_row(number, 0, [f"text {number}", number])
    [table] = sections(out.getvalue(), "a.xlsx")
    assert isinstance(table, Table)
    assert table.header == "a | b"
    assert list(table.rows) == [f"text {number} | {number}" for number in range(1, 5_000)]


def test_old_workbooks_are_read() -> None:
    """Those of Excel 97, by the name or not."""
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("첫 시트")
    for place, name in enumerate(["이름", "값", "날"]):
        sheet.write(0, place, name)
    sheet.write(1, 0, "하나")
    sheet.write(1, 1, 2.5)
    sheet.write(1, 2, dt.date(2020, 5, 17), xlwt.easyxf(num_format_str="YYYY-MM-DD"))
    sheet.write(2, 0, "둘")
    sheet.write(2, 1, 3)
    data = saved(book)
    for name in ("a.xls", "a.xlsx", "a.txt"):
        [table] = sections(data, name)
        assert isinstance(table, Table)
        assert (table.headings, table.page, table.header) == (("첫 시트",), 1, "이름 | 값 | 날")
        assert list(table.rows) == ["하나 | 2.5 | 2020-05-17", "둘 | 3"]


@pytest.mark.parametrize(
    ("number", "code", "value", "text"),
    [
        (0, None, "45352", "45352"),
        (14, None, "45352", "2024-03-01"),
        (22, None, "45352.5", "2024-03-01 12:00"),
        (9, None, "0.07", "7%"),
        (46, None, "1.5", "36:00"),
        (164, '0.00 "days"', "1.5", "1.5"),
        (164, "[$-412]yyyy년 m월 d일", "45352", "2024-03-01"),
        (164, "[Red]0.0", "1.25", "1.25"),
        (164, "[h]:mm", "2", "48:00"),
        (164, "hh:mm", "45352.25", "06:00"),
        (164, "General", "45352", "45352"),
        (164, "mmm", "45352", "2024-03-01"),
        (14, None, "1", "1900-01-01"),
        (14, None, "59", "1900-02-28"),
        (14, None, "61", "1900-03-01"),
        (14, None, "1e300", f"{1e300:.15g}"),
        (14, None, "-5", "-5"),
        (0, None, "1e+20", "100000000000000000000"),
        (0, None, "nan", "nan"),
        (0, None, "12345678901234567", "12345678901234600"),
        (0, None, "words", "words"),
    ],
)
def test_numbers_are_as_people_see_them(
    number: int, code: str | None, value: str, text: str
) -> None:
    """By the format of the cell."""
    assert numbers.shown(value, numbers.kind_of(number, code)) == text


@pytest.mark.parametrize(
    ("rows", "header", "rest"),
    [
        ([["1", "2"], ["3", "4"]], "", ["1 | 2", "3 | 4"]),
        ([["only"]], "", ["only"]),
        ([["Name", "Age"]], "", ["Name | Age"]),
        ([["Title"], ["Name", "Age"], ["Kim", "30"]], "Title\nName | Age", ["Kim | 30"]),
        ([["note " * 99], ["Name", "Age"], ["Kim", "30"]], "Name | Age", ["Kim | 30"]),
        ([["", "", "A", "B"], ["", "", "x", "", "y"]], "A | B", ["x |  | y"]),
        ([["A", "B"], ["", "-5.0%"]], "A | B", [" | -5.0%"]),
        ([["x" * 500, "y"], ["1", "2"]], "", [f"{'x' * 500} | y", "1 | 2"]),
    ],
)
def test_where_the_header_of_a_sheet_is(
    rows: list[list[str]], header: str, rest: list[str]
) -> None:
    """The first row with words in most columns; what is above it belongs to it if it is short."""
    cells = [[(place, text) for place, text in enumerate(row) if text] for row in rows]
    *above, table = sheet("", "S", 1, cells)
    assert isinstance(table, Table)
    assert (table.header, list(table.rows)) == (header, rest)
    assert len(above) == (rows[0][0].startswith("note"))
