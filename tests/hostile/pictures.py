"""Pictures: too large, torn, in a circle, of very many; and pages of a PDF that are such.

Where tesseract is not installed, none of them is opened.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import TYPE_CHECKING

from kinds import ANY, DEAD, SKIPPED, Hostile, data
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NO_TEXT = f"{SKIPPED}: no text"
_LARGE = f"{_NO_TEXT}|{DEAD}: a picture of [0-9,]+ x [0-9,]+ pixels"
_TORN = f"{_NO_TEXT}|{DEAD}: damaged picture"
_NOT_READ = f"{SKIPPED}: unsupported"


def _png(width: int, height: int, rows: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A picture in grey that says that it is so large, whatever its rows are."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _noise(form: str) -> bytes:
    pixels = random.Random(1).randbytes(200 * 200)
    return _saved(Image.frombytes("L", (200, 200), pixels), form)


def _tiff(frames: int, *, circle: bool = False) -> bytes:
    """Pages of a few pixels, the last of which leads to the first."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    entries = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (278, 1), (279, 1)]
    size = 2 + 12 * len(entries) + 4
    for number in range(frames):
        last = number == frames - 1
        following = 8 if circle and last else 0 if last else 8 + (number + 1) * size
        out += struct.pack("<H", len(entries))
        for tag, value in entries:
            out += struct.pack("<HHII", tag, 4, 1, value)
        out += struct.pack("<I", following)
    return bytes(out)


def _large_page() -> bytes:
    """A page of five metres with a picture over all of it, which is large itself."""
    rows = zlib.compress(b"\0" * (30_000 // 8 * 30_000), 9)
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 14400 14400]/Contents 4 0 R"
            b"/Resources<</XObject<</I 5 0 R>>>>>>"
        ),
        b"<</Length 28>>stream\n14400 0 0 14400 0 0 cm /I Do\nendstream",
        b"<</Type/XObject/Subtype/Image/Width 30000/Height 30000/BitsPerComponent 1"
        b"/ColorSpace/DeviceGray/Filter/FlateDecode/Length %d>>stream\n%s\nendstream"
        % (len(rows), rows),
    ]
    out, places = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"), []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, part)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(parts) + 1, table)
    return bytes(out)


def _pages_of_noise(path: Path) -> None:
    picture = Image.frombytes("L", (400, 400), random.Random(2).randbytes(400 * 400))
    picture.save(path, "PDF", save_all=True, append_images=[picture] * 9)


def _half(content: bytes) -> Callable[[Path], object]:
    return data(content[: len(content) // 2])


ENTRIES = (
    Hostile(b"gigapixels.png", data(_png(128_000, 128_000, b"\0" * 9)), _LARGE, "16 gigapixels"),
    Hostile(
        b"bomb.png",
        data(_png(10_000, 10_000, b"\0" * 10_001 * 10_000)),
        _LARGE,
        "100 megapixels in 100 KB",
    ),
    Hostile(b"wide.png", data(_png(20_000_000, 3, b"\0" * 9)), _LARGE, "20 million pixels wide"),
    Hostile(b"empty.png", data(_png(0, 0, b"")), f"{_TORN}|{_NOT_READ}", "no pixels"),
    Hostile(
        b"text-bomb.png",
        data(_png(99, 99, b"\0" * 9_900, (b"zTXt", b"a\0\0" + zlib.compress(b"a" * (1 << 28), 9)))),
        _TORN,
        "a comment of 256 MB",
    ),
    Hostile(b"torn.png", _half(_noise("PNG")), _TORN, "the first half"),
    Hostile(b"torn.jpg", _half(_noise("JPEG")), _TORN, "the first half"),
    Hostile(b"torn.gif", _half(_noise("GIF")), _TORN, "the first half"),
    Hostile(b"torn.webp", _half(_noise("WEBP")), _TORN, "the first half"),
    Hostile(b"torn.bmp", _half(_noise("BMP")), f"{_TORN}|{_NOT_READ}", "the first half"),
    Hostile(b"noise.png", data(_noise("PNG")), _NO_TEXT, "noise, which is no text"),
    Hostile(b"circle.tif", data(_tiff(3, circle=True)), _TORN, "pages in a circle"),
    Hostile(b"many.tif", data(_tiff(20_000)), _TORN, "20,000 pages of one pixel"),
    Hostile(
        b"script.gif", data(b"GIF89a=1;alert('words')"), _TORN, "a script that begins as a GIF"
    ),
    Hostile(b"words.jpg", data(b"words, and no picture"), _NOT_READ, "a text"),
    Hostile(b"large-page.pdf", data(_large_page()), f"{_NO_TEXT}|{DEAD}", "a page of five metres"),
    Hostile(b"pages-of-noise.pdf", _pages_of_noise, ANY, "ten pages of noise", heavy=True),
)
