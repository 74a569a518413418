"""PDF, OpenDocument, e-books and rich text; and files whose names lie."""

from __future__ import annotations

import io

import pypdf
import pytest
from officefiles import blocks, opendocument, packed, pdf, sections, text_of

from ingestd.embed.extract.skip import (
    EncryptedError,
    NoTextError,
    SkipDocument,
    UnsupportedError,
)
from ingestd.ports import Table

LINE = "some words of a line that is as long as the others on this page are"


def test_pages_of_a_pdf_have_numbers() -> None:
    """Each block has the page that it is on; short lines end a paragraph, bullets begin one."""
    found = sections(
        pdf([[LINE, LINE, "short end.", LINE, "- a bullet", "- another"], [], [LINE]]), "a.pdf"
    )
    assert [(text, page) for text, _, _, page in blocks(found)] == [
        (f"{LINE}\n{LINE}\nshort end.", 1),
        (LINE, 1),
        ("- a bullet", 1),
        ("- another", 1),
        (LINE, 3),
    ]


def test_the_outline_of_a_pdf_gives_headings() -> None:
    """Where a title stands on its page it is a heading; else the page begins its section."""
    data = pdf(
        [["Preface", LINE], ["2", "1. First part", LINE], [LINE]],
        [("Preface", 0), ("First part", 1), ("Not there", 2)],
    )
    assert [(text, level, path) for text, level, path, _ in blocks(sections(data, "a.pdf"))] == [
        ("Preface", 1, ("Preface",)),
        (LINE, 0, ("Preface",)),
        ("2", 0, ("Preface",)),
        ("1. First part", 1, ("1. First part",)),
        (LINE, 0, ("1. First part",)),
        (LINE, 0, ("Not there",)),
    ]


def test_what_runs_over_all_pages_of_a_pdf_is_taken_once() -> None:
    """Headers and footers, also with the number of the page."""
    pages = [
        ["Company report", f"body of page {n}", f"Total: {n * n}", f"Page {n + 4} of 13"]
        for n in range(1, 10)
    ]
    text = text_of(sections(pdf(pages), "a.pdf"))
    assert text.count("Company report") == 1
    assert text.count("Page ") == 1
    assert all(f"body of page {n}" in text and f"Total: {n * n}" in text for n in range(1, 10))


def test_a_pdf_without_text_says_how_many_pages_it_has() -> None:
    """As scanned ones have none."""
    with pytest.raises(NoTextError, match="its 3 pages have no text"):
        sections(pdf([[], [], []]), "a.pdf")
    with pytest.raises(NoTextError, match="its page has no text"):
        sections(pdf([[]]), "a.pdf")


def test_a_pdf_may_be_encrypted() -> None:
    """With a password to open it, it is skipped; with one for its owner, it is read."""
    for user, owner in (("secret", "owner"), ("", "owner")):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([["the text"]])))
        writer.encrypt(user, owner, algorithm="RC4-128")
        out = io.BytesIO()
        writer.write(out)
        if user:
            with pytest.raises(EncryptedError, match="a password is needed"):
                sections(out.getvalue(), "a.pdf")
        else:
            assert text_of(sections(out.getvalue(), "a.pdf")) == "the text"


def test_the_title_of_a_pdf() -> None:
    """What somebody wrote; the name of a file is none."""
    for title, taken in (("The guide", "The guide"), ("report-final.docx", "")):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([["text"]])))
        writer.add_metadata({"/Title": title})
        out = io.BytesIO()
        writer.write(out)
        assert sections(out.getvalue(), "a.pdf")[0].title == taken


# OpenDocument


def test_texts_of_opendocument() -> None:
    """Headings, lists, notes and tables; no comments, nothing deleted."""
    body = (
        "<office:text><text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h text:outline-level="1">첫째 장</text:h>'
        "<text:p>Some<text:s text:c='2'/>text<text:tab/>and<text:line-break/>line"
        "<text:note><text:note-citation>7</text:note-citation><text:note-body>"
        "<text:p>the note</text:p></text:note-body></text:note>"
        "<office:annotation><text:p>a comment</text:p></office:annotation>.</text:p>"
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item>"
        "<text:p>inner</text:p></text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
        '<text:h text:outline-level="2">Below</text:h><text:p>end</text:p></office:text>'
    )
    found = sections(opendocument("text", body, "My title"), "a.odt")
    assert found[0].title == "My title"
    assert [(text, path) for text, _, path, _ in blocks(found)] == [
        ("첫째 장", ("첫째 장",)),
        ("Some  text\tand\nline[1].", ("첫째 장",)),
        ("[1] the note", ("첫째 장",)),
        ("- one", ("첫째 장",)),
        ("  - inner", ("첫째 장",)),
        ("a | b", ("첫째 장",)),
        ("Below", ("첫째 장", "Below")),
        ("end", ("첫째 장", "Below")),
    ]


def test_sheets_of_opendocument() -> None:
    """Repeated rows come once, repeated cells a few times, empty ones not at all."""

    def cell(text: str, extra: str = "") -> str:
        return f"<table:table-cell {extra}><text:p>{text}</text:p></table:table-cell>"

    body = (
        '<office:spreadsheet><table:table table:name="매출"><table:table-row>'
        + cell("Name")
        + cell("Amount")
        + '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
        + '<table:table-row table:number-rows-repeated="1000000">'
        + cell("kim")
        + cell("5", 'table:number-columns-repeated="2"')
        + '</table:table-row><table:table-row table:number-rows-repeated="1048000">'
        + '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        + '</table:table><table:table table:name="둘"><table:table-row>'
        + cell("only")
        + "</table:table-row></table:table></office:spreadsheet>"
    )
    first, second = sections(opendocument("spreadsheet", body, "Book"), "a.ods")
    assert isinstance(first, Table)
    assert isinstance(second, Table)
    assert (first.header, list(first.rows)) == ("Name | Amount", ["kim | 5 | 5"])
    assert (first.title, first.headings, first.page) == ("Book", ("매출",), 1)
    assert (second.headings, second.page, list(second.rows)) == (("둘",), 2, ["only"])


def test_slides_of_opendocument() -> None:
    """They have numbers, and their notes are part of them."""
    page = (
        "<draw:page><draw:frame><draw:text-box><text:p>Slide {0}</text:p><text:p>point</text:p>"
        "</draw:text-box></draw:frame><presentation:notes><draw:text-box><text:p>note {0}</text:p>"
        "</draw:text-box></presentation:notes></draw:page>"
    )
    body = f"<office:presentation>{page.format(1)}{page.format(2)}</office:presentation>"
    found = sections(opendocument("presentation", body), "a.odp")
    assert [(text, number) for text, _, _, number in blocks(found)] == [
        ("Slide 1", 1),
        ("point", 1),
        ("note 1", 1),
        ("Slide 2", 2),
        ("point", 2),
        ("note 2", 2),
    ]


def test_an_encrypted_opendocument_is_skipped() -> None:
    """Its manifest says so."""
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    data = opendocument("text", "<office:text/>", manifest=manifest)
    with pytest.raises(EncryptedError):
        sections(data, "a.odt")


# E-books


def book(*, encrypted: str = "") -> bytes:
    """A book of two chapters, whose files are in another order."""
    page = "<html><head><title>x</title></head><body><h1>{0}</h1><p>Text of {0}.</p></body></html>"
    package = (
        '<?xml version="1.0"?><package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>The Book</dc:title></metadata><manifest>"
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        '<item id="b" href="text/b%20b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="c" href="text/missing.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="i" href="i.png" media-type="image/png"/></manifest><spine>'
        '<itemref idref="nav"/><itemref idref="a"/><itemref idref="i"/><itemref idref="b"/>'
        '<itemref idref="c"/><itemref idref="a"/></spine></package>'
    )
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/p.opf"/>'
        "</rootfiles></container>",
        "OPS/p.opf": package,
        "OPS/nav.xhtml": page.format("Contents"),
        "OPS/text/b b.xhtml": page.format("둘째 장"),
        "OPS/text/a.xhtml": page.format("First"),
    }
    if encrypted:
        parts["META-INF/encryption.xml"] = (
            f'<encryption><CipherReference URI="{encrypted}"/></encryption>'
        )
    return packed(parts)


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    """Each chapter once, with its headings; the title is the book's."""
    found = sections(book(), "a.epub")
    assert [one.title for one in found] == ["The Book"] * 2
    assert [(text, path) for text, _, path, _ in blocks(found)] == [
        ("First", ("First",)),
        ("Text of First.", ("First",)),
        ("둘째 장", ("둘째 장",)),
        ("Text of 둘째 장.", ("둘째 장",)),
    ]


def test_a_locked_book_is_skipped() -> None:
    """Fonts may be locked; chapters may not."""
    assert len(sections(book(encrypted="OPS/font.ttf"), "a.epub")) == 2
    with pytest.raises(EncryptedError, match="digital rights"):
        sections(book(encrypted="OPS/text/a.xhtml"), "a.epub")


# Rich text


def test_rich_text_in_its_code_pages() -> None:
    """Bytes by the code page of their font, Unicode signs, headings, notes and tables."""
    data = (
        rb"{\rtf1\ansi\ansicpg949\deff0{\fonttbl{\f0\fcharset129 Batang;}{\f1\fcharset0 Arial;}}"
        rb"{\*\generator Some;}{\info{\title A title}{\author Nobody}}{\header running}"
        rb"\pard\outlinelevel0 \'c7\'d1\'b1\'db heading\par\pard {\f1 caf\'e9} and \u44032?\u-10179"
        rb"?\u-8704?\par{\b bold} text{\footnote a note}.{\v hidden}\line next\par"
        rb"\trowd\intbl a\cell b\cell\row\trowd\intbl c\cell d\cell\row\pard "
        rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt the link}}{\pict\bin5 }}}}}}end\{\}\par}"
    )
    found = sections(data, "a.rtf")
    assert found[0].title == "A title"
    assert [(text, level) for text, level, *_ in blocks(found)] == [
        ("한글 heading", 1),
        ("caf\u00e9 and 가\U0001f600", 0),
        ("bold text[1].\nnext", 0),
        ("[1] a note", 0),
        ("a | b\nc | d", 0),
        ("the linkend{}", 0),
    ]


def test_rich_text_that_ends_early_is_read_so_far() -> None:
    """Also one with more ends than beginnings."""
    assert text_of(sections(rb"{\rtf1 some {\b text", "a.rtf")) == "some text"
    assert text_of(sections(rb"{\rtf1 some}}}} text", "a.rtf")) == "some text"


# Names that lie


@pytest.mark.parametrize("name", ["a.txt", "a.pdf", "a", "a.md", "a.xlsx", "a.doc", "a.rtf"])
def test_the_content_decides_what_a_document_is(name: str) -> None:
    """Whatever the name says."""
    for data in (
        pdf([["the text"]]),
        book(),
        rb"{\rtf1 the text}",
        opendocument("text", "<office:text><text:p>the text</text:p></office:text>"),
    ):
        assert "ext" in text_of(sections(data, name))


def compound(*names: str) -> bytes:
    """A compound file with these streams, which are empty."""
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = (1).to_bytes(4, "little")
    header[76:] = b"\xff" * (512 - 76)
    header[76:80] = (0).to_bytes(4, "little")
    table = bytearray(b"\xff" * 512)
    entries = bytearray()
    for place, name in enumerate(["Root Entry", *names]):
        entry = bytearray(128)
        encoded = name.encode("utf-16-le") + b"\0\0"
        entry[: len(encoded)] = encoded
        entry[64:66] = len(encoded).to_bytes(2, "little")
        right = place + 1 if 0 < place < len(names) else 0xFFFFFFFF
        child = 1 if place == 0 and names else 0xFFFFFFFF
        for offset, number in ((68, 0xFFFFFFFF), (72, right), (76, child)):
            entry[offset : offset + 4] = number.to_bytes(4, "little")
        entries += entry
    sectors = -(-len(entries) // 512)
    for sector in range(1, sectors + 1):
        follows = sector + 1 if sector < sectors else 0xFFFFFFFE
        table[sector * 4 : sector * 4 + 4] = follows.to_bytes(4, "little")
    return bytes(header + table + entries.ljust(sectors * 512, b"\0"))


@pytest.mark.parametrize(
    ("names", "error", "text"),
    [
        (["WordDocument"], UnsupportedError, "save it as .docx"),
        (["a", "b", "c", "d", "e", "PowerPoint Document"], UnsupportedError, "save it as .pptx"),
        (["EncryptionInfo", "EncryptedPackage"], EncryptedError, "a password is needed"),
    ],
)
@pytest.mark.parametrize("name", ["a.docx", "a.doc", "a.txt"])
def test_older_documents_are_skipped_with_a_reason(
    names: list[str], error: type[SkipDocument], text: str, name: str
) -> None:
    """By what is in them, whatever their name says."""
    with pytest.raises(error, match=text):
        sections(compound(*names), name)
