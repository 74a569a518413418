"""Documents of Hangul whose content is known: HWPX as a package of XML, HWP 5 record by record."""

from __future__ import annotations

import struct
import zlib
from itertools import count

from officefiles import packed

COMPRESSED, PASSWORD, DISTRIBUTION = 1, 2, 4
SECTOR = 512
_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_HP = "http://www.hancom.co.kr/hwpml/2011/paragraph"
_HS = "http://www.hancom.co.kr/hwpml/2011/section"
_HH = "http://www.hancom.co.kr/hwpml/2011/head"


def hwpx(*sections: str, title: str = "", parts: dict[str, str] | None = None) -> bytes:
    """A document of these sections; paragraphs of shape 1 and 2 are headings, of 3 items."""
    shapes = "".join(
        f'<hh:paraPr id="{number}"><hh:heading type="{kind}" level="{level}"/></hh:paraPr>'
        for number, (kind, level) in enumerate(
            [("NONE", 0), ("OUTLINE", 0), ("OUTLINE", 1), ("BULLET", 0)]
        )
    )
    package = (
        '<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:metadata>'
        f"<opf:title>{title}</opf:title></opf:metadata></opf:package>"
    )
    return packed(
        {
            "mimetype": "application/hwp+zip",
            "version.xml": "<version/>",
            "META-INF/container.xml": "<container/>",
            "META-INF/manifest.xml": "<manifest/>",
            "Contents/content.hpf": package,
            "Contents/header.xml": f'<hh:head xmlns:hh="{_HH}">{shapes}</hh:head>',
            **{
                f"Contents/section{number}.xml": f'<hs:sec xmlns:hs="{_HS}" xmlns:hp="{_HP}">'
                f"{body}</hs:sec>"
                for number, body in enumerate(sections)
            },
            **(parts or {}),
        }
    )


def paragraph(content: str, shape: int = 0) -> str:
    """A paragraph; what is no element is its text."""
    run = content if content.startswith("<") else f"<hp:t>{content}</hp:t>"
    return (
        f'<hp:p id="0" paraPrIDRef="{shape}" styleIDRef="0"><hp:run charPrIDRef="0">{run}</hp:run>'
        '<hp:linesegarray><hp:lineseg textpos="0"/></hp:linesegarray></hp:p>'
    )


def table(rows: list[list[tuple[int, str]]], caption: str = "") -> str:
    """A table; each cell with its column."""
    body = "".join(
        "<hp:tr>"
        + "".join(
            f'<hp:tc name=""><hp:subList>{paragraph(text)}</hp:subList><hp:cellAddr '
            f'colAddr="{column}" rowAddr="{number}"/><hp:cellSpan colSpan="1" rowSpan="1"/></hp:tc>'
            for column, text in row
        )
        + "</hp:tr>"
        for number, row in enumerate(rows)
    )
    above = f"<hp:caption><hp:subList>{paragraph(caption)}</hp:subList></hp:caption>"
    return f"<hp:tbl>{above if caption else ''}{body}</hp:tbl>"


def record(tag: int, level: int, data: bytes) -> bytes:
    """A record of HWP 5."""
    size = min(len(data), 0xFFF)
    head = struct.pack("<I", tag | level << 10 | size << 20)
    return head + (struct.pack("<I", len(data)) if size == 0xFFF else b"") + data


def line(text: str, shape: int = 0, level: int = 0, *, controls: bytes = b"") -> bytes:
    """A paragraph of HWP 5, controls first."""
    data = controls + text.encode("utf-16-le") + b"\r\0"
    head = struct.pack("<IIHBBHHHI", len(data) // 2, 0, shape, 0, 0, 1, 0, 1, 0)
    return record(66, level, head) + record(67, level + 1, data)


def grid(rows: list[list[str]]) -> bytes:
    """A paragraph of HWP 5 that holds a table."""
    control = struct.pack("<H4s8xH", 11, b" lbt", 11)
    width, height = len(rows[0]), len(rows)
    body = record(71, 1, b" lbt" + bytes(42))
    shape = struct.pack("<3I", 0, height | width << 16, 0) + bytes(6)
    body += record(77, 2, shape + struct.pack("<H", width) * height + b"\1\0")
    for y, cells in enumerate(rows):
        for x, text in enumerate(cells):
            place = struct.pack("<HHHH2I4HH", x, y, 1, 1, 100, 100, 0, 0, 0, 0, 1)
            body += record(72, 2, struct.pack("<HIH", 1, 0, 0) + place) + line(text, 0, 2)
    return line("", 0, 0, controls=control) + body


def hwp(*sections: bytes, flags: int = COMPRESSED, info: bytes | None = None) -> bytes:
    """A document of HWP 5 of these sections; paragraphs of shape 1 and 2 are headings."""
    header = b"HWP Document File".ljust(32, b"\0") + struct.pack("<II", 0x05010000, flags)
    if info is None:
        info = b"".join(
            record(25, 1, struct.pack("<I", kind << 23 | level << 25) + bytes(50))
            for kind, level in [(0, 0), (1, 0), (1, 1)]
        )

    def stored(data: bytes) -> bytes:
        if not flags & COMPRESSED:
            return data
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush()

    return compound(
        {
            "FileHeader": header.ljust(256, b"\0"),
            "DocInfo": stored(info),
            "BodyText": {f"Section{n}": stored(one) for n, one in enumerate(sections)},
        }
    )


Tree = dict[str, "bytes | Tree"]


def compound(tree: Tree) -> bytes:
    """A compound file of these streams and storages, all in ordinary sectors."""
    sectors: list[bytes] = []
    chains: list[int] = []
    entries: list[bytes] = []

    def put(data: bytes) -> int:
        start, pieces = len(sectors), -(-len(data) // SECTOR)
        for number in range(pieces):
            sectors.append(data[number * SECTOR :][:SECTOR].ljust(SECTOR, b"\0"))
            chains.append(start + number + 1 if number + 1 < pieces else _END)
        return start if pieces else _END

    numbers = count(1)

    def add(name: str, kind: int, child: int, right: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        return struct.pack(
            "<64sHBB3I16xI16xIQ", raw, len(raw), kind, 1, _FREE, right, child, 0, start, size
        )

    def branch(names: Tree) -> int:
        """Siblings as a list to the right, in the order that searching asks for."""
        ordered = sorted(names, key=lambda name: (len(name), name.upper()))
        places = [next(numbers) for _ in ordered]
        for place, name, right in zip(places, ordered, [*places[1:], _FREE], strict=False):
            content = names[name]
            while len(entries) <= place:
                entries.append(b"")
            if isinstance(content, dict):
                entries[place] = add(name, 1, branch(content), right, 0, 0)
            else:
                data = content.ljust(4096, b"\0")  # shorter ones would stand elsewhere
                entries[place] = add(name, 2, _FREE, right, put(data), max(len(content), 4096))
        return places[0] if places else _FREE

    entries.append(b"")
    entries[0] = add("Root Entry", 5, branch(tree), _FREE, _END, 0)
    directory = put(b"".join(entries))
    tables = 1
    while tables * SECTOR // 4 < len(sectors) + tables:
        tables += 1
    first = len(sectors)
    fat = [*chains, *[_FAT] * tables]
    fat += [_FREE] * (tables * SECTOR // 4 - len(fat))
    numbers_of_it = (0, tables, directory, 0, 4096, _END, 0, _END, 0)
    header = struct.pack("<8s16x5H6x9I", _MAGIC, 0x3E, 3, 0xFFFE, 9, 6, *numbers_of_it)
    listed = struct.pack("<109I", *range(first, first + tables), *[_FREE] * (109 - tables))
    return header + listed + b"".join(sectors) + struct.pack(f"<{len(fat)}I", *fat)
