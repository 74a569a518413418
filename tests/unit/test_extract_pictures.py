"""Pictures, and pages that are pictures: what is handed to who reads them, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from drawn import ENGLISH, KOREAN, needs_tesseract, page, words_found
from PIL import Image

from ingestd.embed.extract import pdf, picture
from ingestd.embed.extract.documents import Documents
from ingestd.embed.extract.formats import format_of
from ingestd.embed.extract.scans import LATER, PutOffError, Reading, Scans, Scribe
from ingestd.embed.extract.skip import NoTextError
from ingestd.embed.extract.tesseract import Tesseract
from ingestd.errors import ExtractionError
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from typing import BinaryIO

NOW = Scans(Reading.NOW, "kor+eng", pixels=4_000_000, pages=3)


class Heard(Scribe):
    """Notes what it is given, and reads the same in everything."""

    def __init__(self, scans: Scans = NOW, said: str = "words") -> None:
        super().__init__(scans)
        self.seen: list[tuple[int, int, int, int]] = []
        self._said = said

    def read(self, grey: bytes, width: int, height: int, dpi: int) -> list[str]:
        """Note size, resolution and the first pixel."""
        assert len(grey) == width * height
        self.seen.append((width, height, dpi, grey[0]))
        self._left -= 1
        return [self._said] if self._said else []


def saved(image: Image.Image, form: str = "PNG", **options: object) -> io.BytesIO:
    """A picture as a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out


def texts(sections: object) -> str:
    """What was read, sections and all."""
    assert hasattr(sections, "__iter__")
    found = [*sections]
    assert all(isinstance(one, Extracted) for one in found)
    return "\n".join(one.text for one in found)


def test_a_picture_is_read_at_its_resolution() -> None:
    """A scan as it is; what says nothing is a screen's, and comes twice as large."""
    scribe = Heard()
    scan = saved(Image.new("L", (600, 400), 255), dpi=(300, 300))
    screen = saved(Image.new("RGB", (300, 200), "black"))
    assert texts(picture.read(scan, scribe)) == "words"
    assert texts(picture.read(screen, scribe.begun())) == "words"
    assert scribe.seen == [(600, 400, 300, 255), (600, 400, 300, 0)]


def test_what_is_transparent_is_white() -> None:
    """Black letters on nothing are not black on black."""
    scribe = Heard()
    assert texts(picture.read(saved(Image.new("RGBA", (100, 100), (0, 0, 0, 0))), scribe))
    assert scribe.seen[0][3] == 255


def test_pages_of_a_tiff_have_numbers_up_to_a_bound() -> None:
    """And what moves is no document of pages."""
    pages = [Image.new("L", (100, 100), 255) for _ in range(5)]
    scribe = Heard()
    many = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], dpi=(300, 300))
    [section] = picture.read(many, scribe)
    assert [block.page for block in section.blocks] == [1, 2, 3]
    film = saved(pages[0], "GIF", save_all=True, append_images=pages[1:], dpi=(300, 300))
    [section] = picture.read(film, scribe.begun())
    assert [block.page for block in section.blocks] == [None]


def test_icons_are_not_read() -> None:
    """They have no text, and are many."""
    scribe = Heard()
    with pytest.raises(NoTextError, match="a picture without text"):
        texts(picture.read(saved(Image.new("L", (16, 16))), scribe))
    assert scribe.seen == []


def bomb(width: int, height: int) -> io.BytesIO:
    """A picture that says that it is large, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = (
        chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + content)


def test_a_large_picture_is_refused_before_it_is_decoded() -> None:
    """By what its head says: 100 megapixels, and 16 gigapixels."""
    for width, height in ((10_000, 10_000), (128_000, 128_000)):
        with pytest.raises(ExtractionError, match=r"`extract\.ocr_pixels` allows 4,000,000"):
            texts(picture.read(bomb(width, height), Heard()))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_torn_picture_is_damaged(form: str) -> None:
    """It fails, whatever its format; or what is there of it is read."""
    data = saved(page(ENGLISH), form).getvalue()
    for size in (20, len(data) // 2):
        told = ""
        try:
            told = texts(picture.read(io.BytesIO(data[:size]), Heard()))
        except ExtractionError as error:
            told = error.message.partition(":")[0]
        assert told in {"damaged picture", "words"}


def scanned(*pages: Image.Image) -> BinaryIO:
    """A PDF of pictures."""
    return saved(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=300)


def test_pages_of_a_pdf_that_are_pictures_are_read() -> None:
    """At 300 pixels in an inch, or what `pixels` allows; their number goes with the text."""
    scribe = Heard()
    [section] = pdf.read(scanned(page(ENGLISH), page(ENGLISH)), scribe)
    assert [(block.page, section.text[block.start : block.end]) for block in section.blocks] == [
        (1, "words"),
        (2, "words"),
    ]
    assert [one[:3] for one in scribe.seen] == [(2001, 700, 300)] * 2
    small = Heard(Scans(Reading.NOW, "kor+eng", pixels=200_000))
    assert texts(pdf.read(scanned(page(ENGLISH)), small)) == "words"
    assert 100 < small.seen[0][2] < 150


def test_what_is_not_read_is_counted() -> None:
    """A document without text says how many pictures it has, and what reads them."""
    missing = Scribe(Scans(missing="tesseract is not installed"))
    told = r"its 2 pages have no text; 2 with pictures: needs ingestd\[ocr\]: tesseract is not"
    with pytest.raises(NoTextError, match=told):
        texts(pdf.read(scanned(page(ENGLISH), page(ENGLISH)), missing))
    with pytest.raises(NoTextError, match=r"a picture; needs ingestd\[ocr\]"):
        texts(picture.read(saved(page(ENGLISH)), missing))
    with pytest.raises(NoTextError, match="OCR is off"):
        texts(picture.read(saved(page(ENGLISH)), Scribe()))


def test_a_document_is_put_off_where_its_pictures_are_read_later() -> None:
    """As a whole, before anything is decoded."""
    later = Scribe(Scans(Reading.LATER, "eng"))
    with pytest.raises(PutOffError, match=LATER):
        texts(pdf.read(scanned(page(ENGLISH)), later))
    with pytest.raises(PutOffError):
        texts(picture.read(bomb(128_000, 128_000), later))


@pytest.mark.parametrize(
    ("form", "mime"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("TIFF", "image/tiff"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
    ],
)
def test_pictures_are_told_by_their_content(form: str, mime: str) -> None:
    """Whatever they are called; a text that begins like one stays a text."""
    data = saved(Image.new("RGB", (60, 60)), form).getvalue()
    suffix = b"x.bmp" if form == "BMP" else b"x.docx"
    found = Documents().recognised(data, lambda: io.BytesIO(data), format_of(suffix))
    assert found is not None
    assert found.mime == mime
    for text in (b"BMW built a car", b"II*", b"RIFF is a word", b"GIF pictures"):
        assert Documents().recognised(text, lambda: io.BytesIO(b""), None) is None


@needs_tesseract
def test_tesseract_reads_korean_and_english() -> None:
    """Nearly all of the words, in their order, line by line."""
    with closing(Tesseract("kor+eng")) as tesseract:
        for lines, least in ((KOREAN, 0.9), (ENGLISH, 0.95)):
            image = page(lines)
            found = tesseract.read(image.tobytes(), *image.size, 300)
            assert words_found(lines, " ".join(found)) >= least


@needs_tesseract
def test_tesseract_finds_no_words_in_noise() -> None:
    """What is no text is not made up."""
    noise = Image.effect_noise((900, 700), 90)
    with closing(Tesseract("kor+eng")) as tesseract:
        found = tesseract.read(noise.tobytes(), *noise.size, 300)
    assert sum(map(len, found)) < 20


@needs_tesseract
def test_a_language_that_is_not_there_is_told() -> None:
    """A failure of the document, with its reason."""
    with pytest.raises(ExtractionError, match="no data for xyz"):
        Tesseract("xyz")
