"""Pictures of text: whether they are read, with which languages, and how much of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from ingestd.embed.extract.extras import needs
from ingestd.embed.extract.skip import SkipDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.embed.extract.tesseract import Tesseract

EXTRA = "ocr"
HOW = 'pip install "ingestd[ocr]"` and `apt-get install tesseract-ocr tesseract-ocr-kor'
"""What has them read."""
MAY_BE_SCANNED = "application/pdf"
"""The media type of documents some of whose pages may be pictures of text."""
LATER = "waits for OCR"
"""The reason of a document that is read when nothing else is to do."""
_LETTER = re.compile(r"[^\W\d_]")


def lacking(reason: str) -> bool:
    """Whether a document was skipped for want of what reads pictures of text."""
    return needs(EXTRA) in reason


class Reading(Enum):
    """What becomes of a picture of text."""

    NO = "no"
    """It is left out."""
    LATER = "later"
    """The document is put off."""
    NOW = "now"
    """It is read."""


@dataclass(frozen=True, slots=True)
class Scans:
    """How pictures of text are read.

    Attributes:
        reading: whether they are.
        languages: of their text, as tesseract takes them: ``kor+eng``.
        pixels: a larger picture is refused.
        pages: so many are read of one document; those beyond are left out.
        missing: why they are not read; empty where they are, and where nobody asks for it.
    """

    reading: Reading = Reading.NO
    languages: str = ""
    pixels: int = 50_000_000
    pages: int = 500
    missing: str = ""

    def now(self) -> Scans:
        """The same, for who reads them at once; nothing is read where nothing would be later."""
        return replace(self, reading=Reading.NOW) if self.reading is Reading.LATER else self

    @property
    def pages_now(self) -> int:
        """How many pictures of a document are read now."""
        return self.pages if self.reading is Reading.NOW else 0

    @property
    def lack(self) -> str:
        """What is said of a document that has pictures instead of text."""
        if self.reading is Reading.NOW:
            return "too large, or beyond `extract.ocr_pages`"
        return f"{needs(EXTRA)}: {self.missing}" if self.missing else "OCR is off"


class PutOffError(SkipDocument):
    """The document has pictures of text, which are read later: reason `LATER`."""

    def __init__(self) -> None:
        super().__init__(LATER)

    def __reduce__(self) -> tuple[type[PutOffError], tuple[()]]:
        """Rebuild without arguments: the exception crosses a process boundary."""
        return type(self), ()


class Scribe:
    """Reads pictures of text, one after the other.

    Args:
        scans: whether, and how.
        progress: called after each picture.
    """

    def __init__(
        self, scans: Scans | None = None, progress: Callable[[], None] = lambda: None
    ) -> None:
        self.scans = scans or Scans()
        self._progress = progress
        self._tesseract: Tesseract | None = None
        self._left = self.scans.pages

    def begun(self) -> Scribe:
        """The same, at the beginning of a document."""
        self._left = self.scans.pages
        return self

    def wants(self) -> bool:
        """Whether the next picture of text is to be read.

        Raises:
            PutOffError: it is, but later.
        """
        if self.scans.reading is Reading.LATER:
            raise PutOffError
        return self.scans.reading is Reading.NOW and self._left > 0

    def read(self, grey: bytes, width: int, height: int, dpi: int) -> list[str]:
        """The paragraphs of a picture, in reading order; without those that are a guess.

        Args:
            grey: a byte for each pixel, row by row, 255 for white.
            width: pixels of a row.
            height: rows.
            dpi: pixels in an inch.

        Raises:
            ExtractionError: tesseract cannot be used.
        """
        from ingestd.embed.extract.tesseract import Tesseract  # noqa: PLC0415 - seldom needed

        if self._tesseract is None:
            self._tesseract = Tesseract(self.scans.languages)
        self._left -= 1
        paragraphs = self._tesseract.read(grey, width, height, dpi)
        self._progress()
        return [text for text in paragraphs if _LETTER.search(text)]
