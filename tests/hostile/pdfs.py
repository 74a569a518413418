"""PDFs: loops in every structure that refers to itself, bombs, lies, encryption."""

from __future__ import annotations

import random
import struct
import zlib

from good import encrypted_pdf
from kinds import DEAD, ENDED, INDEXED, SKIPPED, Hostile, data
from packing import MIB, PAGE, deflated, page, pdf

DEEP = 100_000
_RNG = random.Random(8)
_CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
_PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
_FONT = b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
_WORDS = b"BT /F 12 Tf 10 50 Td (words) Tj ET"
_LEAF = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Contents %d 0 R" + _FONT + b">>"
_NO_TEXT = f"{SKIPPED}: no text"
_DAMAGED = f"{DEAD}: damaged PDF"
_BOMB = f"{DEAD}: the extraction child|{ENDED}"


def _stream(content: bytes, extra: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n" % (len(content), extra) + content + b"\nendstream"


def _flate(levels: int) -> bytes:
    stream = deflated(b"q Q\n" * (MIB // 4), 256)
    for _ in range(levels - 1):
        stream = zlib.compress(stream, 9)
    return page(stream, b"/Filter[%s]" % (b"/FlateDecode" * levels))


def _locked_wrongly() -> bytes:
    values = (b"41" * 32, b"42" * 32)
    lock = b"<</Filter/Standard/V 2/R 3/Length 128/P -4/O<%s>/U<%s>>>" % values
    leaf = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"
    return pdf(_CATALOG, _PAGES, leaf, lock, trailer=b"/Encrypt 4 0 R/ID[<00><00>]")


def _outline(entry: bytes) -> bytes:
    """A page with an outline of one entry, object 6, which may refer to itself and to 5."""
    return pdf(
        _CATALOG[:-2] + b"/Outlines 5 0 R>>",
        _PAGES,
        _LEAF % 4,
        _stream(_WORDS),
        b"<</Type/Outlines/First 6 0 R/Last 6 0 R/Count 1>>",
        b"<</Title(One)/Parent 5 0 R/Dest[3 0 R/Fit]" + entry + b">>",
    )


def _laughing_forms(levels: int = 12) -> bytes:
    """Forms that each draw the next one ten times: 10 to the power of 12 words."""
    forms = []
    for level in range(levels):
        inner = b"/X Do\n" * 10 if level < levels - 1 else _WORDS
        following = b"/Resources<</XObject<</X %d 0 R>>>>" % (6 + level)
        resources = following if level < levels - 1 else _FONT
        form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]" + resources
        forms.append(_stream(inner, form))
    leaf = (_LEAF % 4).replace(b"/Resources<<", b"/Resources<</XObject<</X 5 0 R>>")
    return pdf(_CATALOG, _PAGES, leaf, _stream(b"/X Do"), *forms)


def _previous(offset: bytes) -> bytes:
    """A table of objects whose predecessor is at this place."""
    return PAGE.replace(b"/Root 1 0 R>>", b"/Root 1 0 R/Prev %s>>" % offset)


def _packed_objects() -> bytes:
    """Objects in a stream that says that it continues itself, and lies about how many it has."""
    packed = zlib.compress(b"4 0 5 20 " + b"<</Type/Font>> " * 9)
    head = b"/Type/ObjStm/N 99999999/First 10/Extends 5 0 R/Filter/FlateDecode"
    return pdf(_CATALOG, _PAGES, _LEAF % 4, _stream(_WORDS), _stream(packed, head))


def _glyphs() -> bytes:
    """A font whose each letter stands for 250 others."""
    pairs = b"".join(b"<%02x> <%s>\n" % (code, b"0041" * 250) for code in range(32, 127))
    letters = _stream(
        b"1 begincodespacerange <00> <ff> endcodespacerange 95 beginbfchar\n" + pairs + b"endbfchar"
    )
    font = b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 5 0 R"
    leaf = _LEAF[: _LEAF.index(b"/Resources")] % 4 + font + b">>>>>>>>"
    shown = b"BT /F 12 Tf 10 50 Td (" + b"words and more " * 20_000 + b") Tj ET"
    return pdf(_CATALOG, _PAGES, leaf, _stream(shown), letters)


def _picture() -> bytes:
    image = (
        b"/Type/XObject/Subtype/Image/Width 65535/Height 65535/BitsPerComponent 16"
        b"/ColorSpace/DeviceCMYK/Filter/FlateDecode"
    )
    leaf = (_LEAF % 4).replace(b"/Resources<<", b"/Resources<</XObject<</X 5 0 R>>")
    return pdf(
        _CATALOG, _PAGES, leaf, _stream(b"/X Do " + _WORDS), _stream(deflated(b"0", 9), image)
    )


def _many_pages(count: int) -> bytes:
    kids = b"3 0 R " * count
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count)
    return pdf(_CATALOG, tree, _LEAF % 4, _stream(_WORDS))


def _nested_pages(depth: int) -> bytes:
    """A tree of pages that is a long branch."""
    nodes = [
        b"<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>" % (place + 1, place - 1)
        for place in range(3, 3 + depth)
    ]
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return pdf(_CATALOG, tree, *nodes, _LEAF % (4 + depth), _stream(_WORDS))


_ITSELF = b"/Resources<</XObject<</X 4 0 R>>>>"
_SELF = (
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R" + _ITSELF + b">>",
    _stream(b"/X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]" + _ITSELF),
)
_LOOP = (
    b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 100000000>>",
    b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>",
)
_ACTIONS = (
    b"/OpenAction<</S/JavaScript/JS(app.launchURL\\('http://x.invalid'\\))>>"
    b"/AA<</WC<</S/Launch/F(/bin/sh)>>>>>>"
)

ENTRIES = [
    Hostile(b"wrong-lock.pdf", data(_locked_wrongly()), f"{SKIPPED}: encrypted", "encrypted"),
    Hostile(
        b"password.pdf", data(encrypted_pdf("reader", "owner")), f"{SKIPPED}: encrypted", "the same"
    ),
    Hostile(
        b"no-password.pdf", data(encrypted_pdf("", "owner")), INDEXED, "encrypted, for everybody"
    ),
    Hostile(b"half.pdf", data(PAGE[: len(PAGE) // 2]), f"{_DAMAGED}|{INDEXED}", "half of it"),
    Hostile(b"empty.pdf", data(b""), _NO_TEXT, "empty"),
    Hostile(b"noise.pdf", data(b"%PDF-1.7\n" + _RNG.randbytes(200_000)), _DAMAGED, "noise"),
    Hostile(b"flate.pdf", data(_flate(1)), _BOMB, "256 MB in one stream"),
    Hostile(b"flate-thrice.pdf", data(_flate(3)), _BOMB, "the same, compressed thrice"),
    Hostile(b"loop.pdf", data(pdf(_CATALOG, *_LOOP)), ENDED, "pages that hold themselves"),
    Hostile(
        b"parent.pdf",
        data(
            pdf(_CATALOG, _PAGES, (_LEAF % 4).replace(b"/Parent 2", b"/Parent 3"), _stream(_WORDS))
        ),
        INDEXED,
        "a page that is its own parent",
    ),
    Hostile(
        b"length.pdf",
        data(PAGE.replace(b"/Length 34", b"/Length 999999999999")),
        f"{INDEXED}|{_NO_TEXT}|{_DAMAGED}",
        "a stream that is longer than the file",
    ),
    Hostile(
        b"length-self.pdf",
        data(PAGE.replace(b"/Length 34", b"/Length 4 0 R")),
        f"{INDEXED}|{_NO_TEXT}|{_DAMAGED}",
        "a stream whose length is the stream",
    ),
    Hostile(b"self.pdf", data(pdf(_CATALOG, _PAGES, *_SELF)), _NO_TEXT, "a form that draws itself"),
    Hostile(b"forms.pdf", data(_laughing_forms()), _BOMB, "billion laughs by forms", heavy=True),
    Hostile(b"deep.pdf", data(page(b"[" * 200_000)), _NO_TEXT, "arrays, 200,000 deep"),
    Hostile(
        b"deep-objects.pdf",
        data(pdf(b"<</Type/Catalog/Pages 2 0 R/X " + b"[" * DEEP + b"]" * DEEP + b">>", _PAGES)),
        ENDED,
        "arrays in an object, 100,000 deep",
    ),
    Hostile(b"same-table.pdf", data(_previous(b"9")), INDEXED, "a table of objects behind itself"),
    Hostile(
        b"prev-loop.pdf", data(_previous(b"%d" % PAGE.rindex(b"xref\n0"))), INDEXED, "a circle"
    ),
    Hostile(b"outline-next.pdf", data(_outline(b"/Next 6 0 R")), INDEXED, "an outline in a circle"),
    Hostile(b"outline-first.pdf", data(_outline(b"/First 5 0 R")), INDEXED, "the same, downwards"),
    Hostile(
        b"object-stream.pdf", data(_packed_objects()), INDEXED, "a stream that continues itself"
    ),
    Hostile(
        b"glyphs.pdf",
        data(_glyphs()),
        f"{INDEXED}|{DEAD}: the extraction child",
        "letters that stand for 250 each",
    ),
    Hostile(b"picture.pdf", data(_picture()), INDEXED, "a picture of 34 GB"),
    Hostile(b"pages.pdf", data(_many_pages(2_000)), INDEXED, "one page 2,000 times"),
    Hostile(
        b"more-pages.pdf", data(_many_pages(100_000)), INDEXED, "one page 100,000 times", heavy=True
    ),
    Hostile(
        b"branch.pdf",
        data(_nested_pages(5_000)),
        f"{DEAD}: damaged PDF: no page",
        "a tree of pages 5,000 deep",
    ),
    Hostile(
        b"actions.pdf", data(PAGE.replace(b"2 0 R>>", b"2 0 R" + _ACTIONS, 1)), INDEXED, "actions"
    ),
    Hostile(b"late.pdf", data(_RNG.randbytes(900) + PAGE), INDEXED, "900 bytes of noise before it"),
    Hostile(b"numbers.txt", data(b"%PDF-1.4\n" + b"9" * 300_000), INDEXED, "begins as a PDF would"),
    Hostile(
        b"sizes.pdf",
        data(PAGE.replace(b"12 Tf 10 50 Td", b"1e38 Tf 1e38 -1e38 Td")),
        f"{SKIPPED}: no text",
        "letters larger than the world",
    ),
    Hostile(
        b"table.pdf", data(PAGE.replace(b"0 5\n", b"0 99999999\n")), INDEXED, "99,999,999 objects"
    ),
    Hostile(
        b"offsets.pdf",
        data(PAGE.replace(b"startxref\n", b"startxref\n9" + struct.pack("<Q", 0).hex().encode())),
        INDEXED,
        "a table that is not there",
    ),
]
