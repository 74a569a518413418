"""Text in pictures, by tesseract's own library: no program is started, and no file written.

The layout analysis of tesseract takes lines of Hangul for pictures now and then and leaves them
out. A page with Hangul is read once more as a single column of text, and the reading counts that
gives more letters of which tesseract is sure.
"""

from __future__ import annotations

import ctypes
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = ("libtesseract.so.5", "libtesseract.so.4")
_PAGE, _COLUMN = 3, 4
"""Page segmentation modes: all of the layout, and a single column of text of any size."""
_SURE = 50.0
"""Of a line, in percent: what tesseract is less sure of is mostly no text."""
_PARAGRAPH, _LINE = 1, 2
"""Levels of the page."""
_HANGUL = re.compile("[\uac00-\ud7a3]")
_LETTER = re.compile(r"[^\W\d_]")
_HANGUL_SHARE = 0.05


_THING, _TEXT, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_USED: tuple[tuple[str, list[Any], Any], ...] = (
    ("TessBaseAPICreate", [], _THING),
    ("TessBaseAPIDelete", [_THING], None),
    ("TessBaseAPIInit3", [_THING, _TEXT, _TEXT], _INT),
    ("TessBaseAPISetPageSegMode", [_THING, _INT], None),
    ("TessBaseAPISetImage", [_THING, _TEXT, _INT, _INT, _INT, _INT], None),
    ("TessBaseAPISetSourceResolution", [_THING, _INT], None),
    ("TessBaseAPIRecognize", [_THING, _THING], _INT),
    ("TessBaseAPIClear", [_THING], None),
    ("TessBaseAPIGetIterator", [_THING], _THING),
    ("TessPageIteratorIsAtBeginningOf", [_THING, _INT], _INT),
    ("TessResultIteratorConfidence", [_THING, _INT], ctypes.c_float),
    ("TessResultIteratorGetUTF8Text", [_THING, _INT], _THING),
    ("TessResultIteratorNext", [_THING, _INT], _INT),
    ("TessResultIteratorDelete", [_THING], None),
    ("TessDeleteText", [_THING], None),
)
"""The functions of its C interface that are called: arguments and result."""


class _Line(NamedTuple):
    """A line: whether a paragraph begins with it, and its text."""

    begins: bool
    text: str


class Tesseract:
    """Tesseract with some languages, as long-lived as the process.

    Args:
        languages: as tesseract takes them, the first one preferred: ``kor+eng``.

    Raises:
        ExtractionError: it, or a language, is not there.
    """

    def __init__(self, languages: str) -> None:
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        self._library = _loaded()
        self._handle = self._library.TessBaseAPICreate()
        if self._library.TessBaseAPIInit3(self._handle, None, languages.encode()):
            self.close()
            raise ExtractionError(f"tesseract has no data for {languages}")

    def close(self) -> None:
        """Give the languages' memory back."""
        self._library.TessBaseAPIDelete(self._handle)

    def read(self, grey: bytes, width: int, height: int, dpi: int) -> list[str]:
        """The paragraphs of a picture, in reading order: see `Scribe.read`."""
        library, handle = self._library, self._handle
        library.TessBaseAPISetImage(handle, grey, width, height, 1, width)
        library.TessBaseAPISetSourceResolution(handle, dpi)
        try:
            lines = self._lines(_PAGE)
            letters = _letters(lines)
            hangul = sum(len(_HANGUL.findall(line.text)) for line in lines)
            if hangul >= _HANGUL_SHARE * letters:
                others = self._lines(_COLUMN)
                if _letters(others) > letters:
                    lines = others
        finally:
            library.TessBaseAPIClear(handle)
        return list(_paragraphs(lines))

    def _lines(self, mode: int) -> list[_Line]:
        """The lines that it finds and is sure of."""
        library, handle = self._library, self._handle
        library.TessBaseAPISetPageSegMode(handle, mode)
        if library.TessBaseAPIRecognize(handle, None):
            raise ExtractionError("tesseract cannot read it")
        place = library.TessBaseAPIGetIterator(handle)
        if not place:
            return []
        try:
            return list(self._found(place))
        finally:
            library.TessResultIteratorDelete(place)

    def _found(self, place: int) -> Iterator[_Line]:
        library = self._library
        begins = False
        while True:
            begins |= bool(library.TessPageIteratorIsAtBeginningOf(place, _PARAGRAPH))
            if library.TessResultIteratorConfidence(place, _LINE) >= _SURE:
                pointer = library.TessResultIteratorGetUTF8Text(place, _LINE)
                text = ctypes.string_at(pointer).decode("utf-8", "replace") if pointer else ""
                library.TessDeleteText(pointer)
                if text and not text.isspace():
                    yield _Line(begins, text.strip())
                    begins = False
            if not library.TessResultIteratorNext(place, _LINE):
                return


def _loaded() -> Any:
    """The library, with the types of what is called.

    Raises:
        ExtractionError: it is not there.
    """
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        for used, types, result in _USED:
            function = getattr(library, used)
            function.argtypes, function.restype = types, result
        return library
    raise ExtractionError("libtesseract cannot be loaded")


def _letters(lines: list[_Line]) -> int:
    return sum(len(_LETTER.findall(line.text)) for line in lines)


def _paragraphs(lines: list[_Line]) -> Iterator[str]:
    """Lines as paragraphs."""
    held: list[str] = []
    for line in lines:
        if line.begins and held:
            yield "\n".join(held)
            held = []
        held.append(line.text)
    if held:
        yield "\n".join(held)
