"""HTML: text of the block elements, headings, verbatim ``pre``; no scripts, no styles.

The parser of the standard library is linear also for 200,000 nested or attribute-laden elements,
once the few constructs that it searches for to the end of the file again and again are cut off.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from ingestd.embed.extract.normal import normal
from ingestd.embed.extract.outline import MAX_TITLE_CHARS, Outline
from ingestd.ports import Block, Extracted

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_HEADING_CHARS = 1000
_SKIPPED = frozenset({"script", "style", "template", "noscript"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BREAK_NAMES = """
    address article aside blockquote body caption center dd details dialog dir div dl dt
    fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html
    legend li main menu nav ol optgroup option p pre search section select summary table
    tbody textarea tfoot thead title tr ul
"""
_BREAKS = frozenset(_BREAK_NAMES.split())
_CELLS = frozenset({"td", "th"})
# Items and rows stand on lines of their own, not in paragraphs of their own.
_LINES = frozenset({"li", "dt", "dd", "tr", "option"})


def extract(text: str) -> Extracted:
    """Extract the visible text, its blocks, and the title (``<title>``, else the first ``h1``)."""
    reader = _Reader()
    reader.feed(_closed(text))
    reader.close()
    return reader.extracted()


def _closed(text: str) -> str:
    """Markup without an unclosed comment or tag at its end, which browsers drop too.

    The parser would look for their ends from each of their beginnings: quadratic time.
    """
    comment = text.find("<!--", text.rfind("-->") + 1)
    if comment >= 0:
        text = text[:comment]
    last = text.rfind(">")
    opening = text.find("<", last + 1)
    while 0 <= opening < len(text) - 1 and not _begins_markup(text[opening + 1]):
        opening = text.find("<", opening + 1)
    return text if opening < 0 else text[:opening]


def _begins_markup(char: str) -> bool:
    """Whether a ``<`` before this character opens markup."""
    return char.isalpha() or char in "/!?"


class _Reader(HTMLParser):
    """Gathers text as the elements go by; holds no tree, so depth costs nothing."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._outline = Outline()
        self._buffer: list[str] = []
        self._skipped = ""  # the skipped element that we are in
        self._skip_depth = 0
        self._heading = 0
        self._pre = 0
        self._in_title = False
        self._title: list[str] = []
        self._first_h1 = ""
        self._gap = "\n\n"

    def extracted(self) -> Extracted:
        """What was gathered; call once, after `close`."""
        self._flush()
        title = " ".join("".join(self._title).split())[:MAX_TITLE_CHARS]
        return Extracted("".join(self._out), title or self._first_h1, "text/html", self._blocks)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Open an element; what its attributes say is no text."""
        del attrs
        if self._skipped:
            self._skip_depth += tag == self._skipped
        elif tag in _SKIPPED:
            self._skipped, self._skip_depth = tag, 1
        elif tag in _BREAKS:
            self._flush()
            self._gap = "\n" if tag in _LINES and self._gap == "\n" else "\n\n"
            self._heading = _HEADINGS.get(tag, self._heading)
            self._pre += tag == "pre"
            self._in_title = tag == "title" and not self._title and not self._out
        elif tag == "br":
            self._buffer.append("\n" if self._pre else "\0")
        elif tag in _CELLS and self._buffer:
            self._buffer.append(" | ")

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Treat ``<div/>`` as HTML does: as an opening tag; but nothing can be skipped by it."""
        if tag not in _SKIPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if self._skipped:
            self._skip_depth -= tag == self._skipped
            if not self._skip_depth:
                self._skipped = ""
        elif tag in _BREAKS:
            self._flush()
            self._gap = "\n" if tag in _LINES else "\n\n"
            if tag in _HEADINGS:
                self._heading = 0
            self._pre = max(0, self._pre - (tag == "pre"))
            self._in_title = False

    def handle_data(self, data: str) -> None:
        """Take text."""
        if self._in_title:
            self._title.append(data)
        elif not self._skipped:
            self._buffer.append(data)

    def parse_html_declaration(self, i: int) -> int:
        """Take ``<![...`` as a comment that ends at ``>``: as a section it may raise."""
        if self.rawdata.startswith("<![", i):
            return self.parse_bogus_comment(i)
        return super().parse_html_declaration(i)

    def _flush(self) -> None:
        """End the block that is open."""
        source = "".join(self._buffer)
        self._buffer.clear()
        if self._pre:
            block = source.replace("\0", "\n").strip("\n").rstrip()
        else:
            rows = (" ".join(row.split()) for row in source.split("\0"))
            block = "\n".join(row for row in rows if row)
        if not block.strip():
            return
        block = normal(block)  # an element may spell a letter in parts, by their numbers
        start = self._append(block)
        # A heading that is never closed would take in the whole page.
        level = self._heading if len(block) <= _MAX_HEADING_CHARS else 0
        if level:
            title = " ".join(block.split())[:MAX_TITLE_CHARS]
            self._outline.enter(level, title)
            if level == 1:
                self._first_h1 = self._first_h1 or title
        self._blocks.append(Block(start, self._length, self._outline.path, level))

    def _append(self, block: str) -> int:
        """Put a block behind the text so far; its offset."""
        if self._out:
            self._out.append(self._gap)
            self._length += len(self._gap)
        start = self._length
        self._out.append(block)
        self._length += len(block)
        self._gap = "\n\n"
        return start
