"""Texts of OpenDocument, books and rich text: what their own structure can be made to do."""

from __future__ import annotations

from kinds import DEAD, INDEXED, SKIPPED, Hostile, data
from packing import MIB, changed, noise, replaced

DEEP = 100_000
_LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
)
_DEEPER = f"{DEAD}: .*nested deeper than"
_ENTITIES = f"{DEAD}: .*declares entities"
_ENCRYPTED = f"{SKIPPED}: encrypted"

ENTRIES = [
    # Texts of OpenDocument, and books
    Hostile(
        b"blanks.odt",
        replaced("a.odt", "content.xml", b"text:c='3'", b"text:c='2147483647'"),
        INDEXED,
        "2,147,483,647 blanks",
    ),
    Hostile(
        b"deep.odt",
        replaced("a.odt", "content.xml", b"<text:list>", b"<text:list>" * 5_000 + noise(MIB)),
        _DEEPER,
        "lists in lists, 5,000 deep",
    ),
    Hostile(
        b"locked.odt",
        changed(
            "a.odt", "META-INF/manifest.xml", lambda _: b"<manifest><encryption-data/></manifest>"
        ),
        _ENCRYPTED,
        "encrypted",
    ),
    Hostile(
        b"laughs.odt",
        changed("a.odt", "content.xml", lambda content: _LAUGHS + content.partition(b"?>")[2]),
        _ENTITIES,
        "entities",
    ),
    Hostile(
        b"spine.epub",
        replaced("a.epub", "O/p.opf", b"<spine>", b"<spine>" + b'<itemref idref="c0"/>' * 40_000),
        INDEXED,
        "one chapter 40,000 times",
    ),
    Hostile(
        b"itself.epub",
        replaced("a.epub", "META-INF/container.xml", b"O/p.opf", b"META-INF/container.xml"),
        f"{SKIPPED}: no text",
        "a book that lists itself",
    ),
    Hostile(
        b"locked.epub",
        changed(
            "a.epub",
            "META-INF/encryption.xml",
            lambda _: b'<e><CipherReference URI="O/c1.xhtml"/></e>',
        ),
        _ENCRYPTED,
        "locked",
    ),
    Hostile(
        b"laughs.epub",
        changed("a.epub", "O/p.opf", lambda content: _LAUGHS + content),
        _ENTITIES,
        "entities",
    ),
    Hostile(
        b"deep.epub",
        changed("a.epub", "O/c0.xhtml", lambda _: b"<div>" * DEEP + noise(MIB)),
        INDEXED,
        "a chapter 100,000 deep",
    ),
    # Rich text
    Hostile(
        b"rows.rtf",
        data(rb"{\rtf1 " + rb"\trowd\intbl a\cell\row" * 100_000 + b"}"),
        INDEXED,
        "a table that never ends",
    ),
    Hostile(
        b"cells.rtf",
        data(rb"{\rtf1 \intbl " + rb"a\cell " * 200_000 + b"}"),
        f"{SKIPPED}: no text",
        "one row",
    ),
    Hostile(
        b"letters.rtf",
        data(rb"{\rtf1 " + rb"\u-99999 ?\u99999999?\'zz\u54620" * 20_000 + b"}"),
        INDEXED,
        "letters that are none",
    ),
    Hostile(
        b"fonts.rtf",
        data(
            rb"{\rtf1{\fonttbl"
            + b"".join(rb"{\f%d\fcharset129 x;}" % n for n in range(50_000))
            + rb"}\ansicpg99999\f49999 words}"
        ),
        INDEXED,
        "50,000 fonts",
    ),
    Hostile(
        b"picture.rtf",
        data(rb"{\rtf1 words{\pict " + noise(8 * MIB) + b"}}"),
        INDEXED,
        "a picture of 4 MB",
    ),
    Hostile(
        b"bin-back.rtf",
        data(rb"{\rtf1 \bin-5 words\bin-999999999 more}"),
        INDEXED,
        "binary data that leads back",
    ),
]
