"""Mutations of files, each decided by a seed and a number alone: any of them can be made again."""

from __future__ import annotations

import io
import random
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], bytearray]

MAX_BYTES = 4 << 20
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_TOKENS = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n" * 99, b"\xed\xa0\x80", b"\xe2\x80\xae"),
    *(b"<", b"<!--", b"]]>", b"&#0;", b"<![CDATA[", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"</"),
    *(
        b"# ",
        b"```",
        b"> > > ",
        b"---\n",
        b"\\",
        b"[](",
        b"*" * 64,
        b"{" * 64,
        b"[" * 64,
        b"(" * 64,
    ),
    *(b"1e999", b"-1", b"999999999999999999999", b'"', b"'", b"%n%n", b"\t" * 64),
    *(
        b"\\bin999999999 ",
        b"\\u-1",
        b"{\\*\\",
        b"{\\pict",
        b"\\row",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ),
    *(b"<w:p>", b"</w:p>", b"<w:tbl>", b"<v>", b't="s"', b'r="XFD1048576"', b"<!ENTITY a 'b'>"),
    *(b"/Next 6 0 R", b"/Filter/FlateDecode", b"/Parent 2 0 R", b"/Count 99999", b"BT ", b"Do\n"),
    *(b"/Length 999999999", b"endobj", b"/Kids[1 0 R]", b"stream\n", b"PK\x03\x04", b"xref\n"),
)


def mutated(files: Sequence[tuple[str, bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """A mutation: the name that it has, and its bytes."""
    chance = random.Random(f"{seed}-{number}")
    name, original = chance.choice(files)
    others = [content for _, content in files]
    content = bytearray(original)
    if original[:4] == b"PK\x03\x04" and chance.random() < 0.6:
        content = _within_archive(chance, original, others)
    else:
        content = _several(chance, content, others)
    if chance.random() < 0.05:
        name = chance.choice(files)[0]
    return name, bytes(content[:MAX_BYTES])


def _several(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytearray:
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        content = chance.choice(_MUTATIONS)(chance, content, others)
    return content


def _within_archive(chance: random.Random, original: bytes, others: Sequence[bytes]) -> bytearray:
    """Change a part of an archive, and pack it again: else only the checksum is tested."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        names = archive.namelist()
        chosen = chance.choice(names)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in names:
                part = archive.read(name)
                if name == chosen:
                    part = bytes(_several(chance, bytearray(part), others))[:MAX_BYTES]
                packed.writestr(name, part)
    return bytearray(out.getvalue())


def _place(chance: random.Random, content: bytearray) -> int:
    return chance.randrange(len(content) + 1)


def _flip_bits(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    for _ in range(chance.choice((1, 4, 64)) if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


def _overwrite(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    at = _place(chance, content)
    noise = chance.randbytes(chance.choice((1, 4, 64, 1_024)))
    content[at : at + len(noise)] = noise
    return content


def _cut_off(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    return content[: _place(chance, content)]


def _cut_out(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    start, end = sorted((_place(chance, content), _place(chance, content)))
    del content[start:end]
    return content


def _repeat(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    start, end = sorted((_place(chance, content), _place(chance, content)))
    part = bytes(content[start : min(end, start + 10_000)])
    times = min(chance.choice((2, 16, 1_000)), 1 + MAX_BYTES // 4 // max(1, len(part)))
    content[start:start] = part * times
    return content


def _splice(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytearray:
    other = chance.choice(others)
    start = chance.randrange(len(other) + 1)
    at = _place(chance, content)
    content[at : at + chance.choice((0, 500))] = other[
        start : start + chance.choice((16, 500, 9_999))
    ]
    return content


def _length(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    """Put a number at the border of what fits where a length might be."""
    width = chance.choice((1, 2, 4, 8))
    number = chance.choice(_INTERESTING) & ((1 << 8 * width) - 1)
    at = _place(chance, content)
    content[at : at + width] = number.to_bytes(width, chance.choice(("big", "little")))
    return content


def _insert(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    at = _place(chance, content)
    content[at:at] = chance.choice(_TOKENS) * chance.choice((1, 1, 3, 1_000))
    return content


def _digits(chance: random.Random, content: bytearray, _others: Sequence[bytes]) -> bytearray:
    """Make a number in the text another one."""
    at = next(
        (at for at in range(_place(chance, content), len(content)) if 48 <= content[at] < 58), -1
    )
    if at >= 0:
        content[at : at + 1] = chance.choice((b"0", b"-1", b"99999999999999999999", b"1e9", b""))
    return content


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _overwrite,
    _cut_off,
    _cut_out,
    _repeat,
    _splice,
    _length,
    _insert,
    _digits,
)
