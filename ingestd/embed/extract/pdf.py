"""PDF, page by page, by PDFium: lines in reading order, headings from the outline.

What stands at the top or bottom of many pages is taken once. PDFium tells no paragraphs: a line
that is clearly shorter than the others ends one, and a bullet begins one.
"""

from __future__ import annotations

import io
import re
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import pypdfium2

from ingestd.embed.extract.compose import Composer, clean
from ingestd.embed.extract.pdfblanks import without_unseen
from ingestd.embed.extract.pdfscan import is_scan, pixels
from ingestd.embed.extract.skip import EncryptedError, NoTextError
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.scans import Scribe
    from ingestd.ports import Extracted

    Entry = tuple[int, str]
    """Level, from 1, and title of an entry of the outline."""

_SAMPLED_PAGES = 24
_LEAST_PAGES = 4
_RUNNING_SHARE = 0.25
_EDGE_LINES = 2
_SHORT_SHARE = 0.75
_MOST_ENTRIES = 20_000
_MOST_DEPTH = 6
_MOST_ON_PAGE = 100
_MOST_LINES = 2_000
_TITLE_LINES = 3
_BULLET = re.compile(
    r"[\u2022\u2023\u25aa\u25ab\u25a0\u25a1\u25cb\u25cf\u25e6\u203b\u3147\u2219\u00b7*\u2013-]\s"
    r"|(?:\d{1,3}|[A-Za-z\uac00-\ud7a3])[.)]\s|\(\d{1,3}\)\s|[\u2460-\u2473]"
)
_NUMBER = re.compile(r"(?<!\d)\d{1,5}(?!\d)")
_NUMBERING = re.compile(r"^[\W\d_]+")
_NO_WORD = re.compile(r"[\W_]+")


def read(file: BinaryIO, scribe: Scribe) -> Iterator[Extracted]:
    """Yield the sections of a PDF.

    Args:
        file: the whole of it.
        scribe: reads the pages that are pictures of text.

    Raises:
        EncryptedError: a password is needed.
        NoTextError: no page has text.
        PutOffError: there are pictures of text, which are read later.
        ExtractionError: it is damaged.
    """
    document = _opened(file)
    try:
        yield from _Reader(document, scribe).read()
    finally:
        document.close()


def _opened(file: BinaryIO) -> Any:
    try:
        source = file.getvalue() if isinstance(file, io.BytesIO) else file
        return pypdfium2.PdfDocument(source)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise EncryptedError("a password is needed") from error
        raise ExtractionError(f"damaged PDF: {error}") from error


class _Reader:
    """One pass over the pages of a document."""

    def __init__(self, document: Any, scribe: Scribe) -> None:
        self._document = document
        self._scribe = scribe
        self._count = len(document)
        self._text = Composer(_title(document))
        self._outline = _outline(document)
        self._seen: set[str] = set()
        self._broken = 0
        self._pictures = 0

    def read(self) -> Iterator[Extracted]:
        """Yield sections of many pages each."""
        running = self._running()
        empty = 0
        for number in range(self._count):
            lines, scanned = self._looked_at(number)
            lines = self._without(number, lines, running)
            empty += not lines and not scanned
            self._page(number, lines, scanned)
            yield from self._text.full()
        if self._broken == self._count > 0:
            raise ExtractionError("damaged PDF: no page can be read")
        if empty == self._count:
            pages = f"its {empty:,} pages have" if empty > 1 else "its page has"
            shown = f"; {self._pictures:,} with pictures: {self._scribe.scans.lack}"
            raise NoTextError(f"{pages} no text{shown if self._pictures else ''}")
        yield from self._text.rest()

    def _looked_at(self, number: int) -> tuple[list[str], list[str]]:
        """The lines of a page, or else the paragraphs in its picture."""
        try:
            with closing(self._document[number]) as page:
                lines = _lines(page)
                if not is_scan(page, lines):
                    return lines, []
                if self._scribe.wants() and (found := pixels(page, self._scribe.scans.pixels)):
                    return [], self._scribe.read(*found)
        except pypdfium2.PdfiumError:
            self._broken += 1
            return [], []
        self._pictures += 1
        return lines, []

    def _lines(self, number: int) -> list[str]:
        """The lines of a page; none of one that cannot be read."""
        try:
            with closing(self._document[number]) as page:
                return _lines(page)
        except pypdfium2.PdfiumError:
            return []

    def _running(self) -> frozenset[str]:
        """What stands at the top or bottom of many pages, by a look at some of them."""
        if self._count < _LEAST_PAGES:
            return frozenset()
        sampled = range(0, self._count, max(1, self._count // _SAMPLED_PAGES))
        counts: dict[str, int] = {}
        for number in sampled:
            lines = self._lines(number)
            at_edges = [line for place, line in enumerate(lines) if _is_edge(place, len(lines))]
            for key in {key for line in at_edges for key in _keys(line, number)}:
                counts[key] = counts.get(key, 0) + 1
        least = max(_LEAST_PAGES, _RUNNING_SHARE * len(sampled))
        return frozenset(key for key, count in counts.items() if count >= least)

    def _without(self, number: int, lines: list[str], running: frozenset[str]) -> list[str]:
        """The lines of a page without what was taken with an earlier one."""
        kept = []
        for place, line in enumerate(lines):
            found = _keys(line, number) & running if _is_edge(place, len(lines)) else None
            if found and found & self._seen:
                continue
            self._seen |= found or set()
            kept.append(line)
        return kept

    def _page(self, number: int, lines: list[str], scanned: list[str]) -> None:
        text = self._text
        text.page = number + 1
        entries = self._outline.get(number, [])
        places = _places(entries, lines)
        begin = 0
        for (level, title), (start, end) in zip(entries, places, strict=True):
            self._paragraphs(lines[begin:start])
            if end > start:
                text.heading(level, " ".join(lines[start:end]))
            else:
                text.enter(level, title)
            begin = end
        self._paragraphs(lines[begin:])
        for paragraph in scanned:
            text.paragraph(paragraph)

    def _paragraphs(self, lines: list[str]) -> None:
        if not lines:
            return
        lengths = sorted(map(len, lines))
        short = _SHORT_SHARE * lengths[len(lengths) * 9 // 10]
        held: list[str] = []
        for line in lines:
            if held and _BULLET.match(line):
                self._add(held)
                held = []
            held.append(line)
            if len(line) < short:
                self._add(held)
                held = []
        self._add(held)

    def _add(self, lines: list[str]) -> None:
        if lines:
            self._text.paragraph("\n".join(lines), close=bool(_BULLET.match(lines[0])))


def _lines(page: Any) -> list[str]:
    """The lines of a page that are not blank."""
    with closing(page.get_textpage()) as textpage:
        text = clean(without_unseen(textpage, textpage.get_text_bounded()))
    return [line.strip() for line in text.split("\n") if line and not line.isspace()]


def _is_edge(place: int, count: int) -> bool:
    """Whether a line is at the top or bottom of a page of so many lines."""
    edge = max(1, min(_EDGE_LINES, count // 4))
    return place < edge or place >= count - edge


def _keys(line: str, number: int) -> set[str]:
    """A line as it would be on other pages: the same, or with another number of the page."""
    text = " ".join(line.split())
    digits = list(_NUMBER.finditer(text))
    keys = {text}
    for found in (*digits[:1], *digits[-1:]):
        keys.add(f"{text[: found.start()]}\0{int(found[0]) - number}\0{text[found.end() :]}")
    return keys


def _title(document: Any) -> str:
    try:
        title: str = document.get_metadata_value("Title")
    except (pypdfium2.PdfiumError, ValueError):
        return ""
    # What some programs put there is the name of a file.
    is_name = re.search(r"\.(?:\w{2,4})$", title) or title.startswith("Microsoft ")
    return "" if is_name else title


def _outline(document: Any) -> dict[int, list[Entry]]:
    """The entries of the outline by the page that they lead to."""
    found: dict[int, list[Entry]] = {}
    try:
        for entry in islice(document.get_toc(max_depth=_MOST_DEPTH), _MOST_ENTRIES):
            goal = entry.get_dest()
            page = goal.get_index() if goal is not None else None
            title = " ".join(clean(entry.get_title()).split())
            entries = found.setdefault(page, []) if page is not None else []
            if title and len(entries) < _MOST_ON_PAGE:
                entries.append((entry.level + 1, title))
    except (pypdfium2.PdfiumError, ValueError, RecursionError):
        pass  # a damaged outline: the text is there without it
    return found


def _places(entries: list[Entry], lines: list[str]) -> list[tuple[int, int]]:
    """The lines that are the titles of entries, in order; an empty range for one without."""
    bare = [_bare(line) for line in lines[:_MOST_LINES]]
    found = []
    begin = 0
    for _, title in entries:
        found.append(_place(_bare(title), bare, begin) or (begin, begin))
        begin = found[-1][1]
    return found


def _place(title: str, lines: list[str], begin: int) -> tuple[int, int] | None:
    """Where a title stands, on one line or a few."""
    for start in range(begin, len(lines)):
        rest = title
        for end in range(start, min(start + _TITLE_LINES, len(lines))):
            if not lines[end] or not rest.startswith(lines[end]):
                break
            rest = rest[len(lines[end]) :]
            if not rest:
                return start, end + 1
    return None


def _bare(text: str) -> str:
    """A title without numbering, punctuation and case."""
    return _NO_WORD.sub("", _NUMBERING.sub("", text)).casefold()
