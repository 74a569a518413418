"""Pictures: the text in them, where it is read at all; those of several pages, page by page."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.compose import Composer
from ingestd.embed.extract.skip import NoTextError
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.scans import Scribe
    from ingestd.ports import Extracted

    Pixels = tuple[bytes, int, int, int]
    """What `Scribe.read` takes: grey pixels, width, height, and pixels in an inch."""

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
_PAPER_DPI = 300
_SCREEN_DPI = 150
"""What says that it has fewer pixels in an inch, or nothing, is taken for a screen's."""
_LARGE_PIXELS = 8_000_000
"""A picture of a screen that has more is large enough as it is."""
_LEAST_SIDE = 40
"""Pixels: what is smaller has no text, and icons are many."""


def read(file: BinaryIO, scribe: Scribe) -> Iterator[Extracted]:
    """Yield the text of a picture.

    Raises:
        NoTextError: there is none, or nobody reads it.
        PutOffError: it is read later.
        ExtractionError: it is damaged, or too large.
    """
    if not scribe.wants():
        raise NoTextError(f"a picture; {scribe.scans.lack}")
    text = Composer()
    found = False
    for page, pixels in _pages(file, scribe.scans.pixels):
        text.page = page
        for paragraph in scribe.read(*pixels):
            text.paragraph(paragraph)
            found = True
        yield from text.full()
        if not scribe.wants():
            break
    if not found:
        raise NoTextError("a picture without text")
    yield from text.rest()


def _pages(file: BinaryIO, most_pixels: int) -> Iterator[tuple[int | None, Pixels]]:
    """Yield the number of each page, where there are several, and its pixels."""
    from PIL import Image, ImageSequence, UnidentifiedImageError  # noqa: PLC0415 - an extra

    Image.MAX_IMAGE_PIXELS = None  # ours is the bound, and it is asked before anything is decoded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=_FORMATS) as picture:
                refuse_large(*picture.size, most_pixels)
                # What moves is no document of several pages: its first picture is taken.
                paged = picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1
                frames = ImageSequence.Iterator(picture) if paged else [picture]
                for number, frame in enumerate(frames, 1):
                    refuse_large(*frame.size, most_pixels)
                    if min(frame.size) >= _LEAST_SIDE:
                        yield number if paged else None, _grey(frame, most_pixels)
        except UnidentifiedImageError as error:
            raise ExtractionError("damaged picture: its beginning makes no sense") from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise ExtractionError(f"damaged picture: {error}") from error


def refuse_large(width: int, height: int, most_pixels: int) -> None:
    """Refuse a picture with too many pixels.

    Raises:
        ExtractionError: it has.
    """
    if width * height > most_pixels:
        raise ExtractionError(
            f"a picture of {width:,} x {height:,} pixels; `extract.ocr_pixels` allows "
            f"{most_pixels:,}"
        )


def _grey(frame: Any, most_pixels: int) -> Pixels:
    """A page in grey on white, that of a screen at twice its size."""
    from PIL import Image  # noqa: PLC0415

    dpi = _dpi(frame)
    if "transparency" in frame.info or frame.mode in {"RGBA", "LA", "PA"}:
        seen = frame.convert("RGBA")
        frame = Image.new("RGBA", seen.size, "white")
        frame.alpha_composite(seen)
    grey = frame.convert("L")
    if dpi < _SCREEN_DPI:
        dpi = _PAPER_DPI
        width, height = grey.size
        if 4 * width * height <= min(_LARGE_PIXELS, most_pixels):
            grey = grey.resize((2 * width, 2 * height), Image.Resampling.LANCZOS)
    return grey.tobytes(), *grey.size, dpi


def _dpi(frame: Any) -> int:
    """Pixels in an inch, as it says; 0 where it does not."""
    try:
        return min(round(float(frame.info.get("dpi", (0, 0))[0])), 1_200)
    except (TypeError, ValueError, OverflowError, IndexError, ZeroDivisionError):
        return 0
