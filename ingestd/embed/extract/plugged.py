"""What a plug-in makes of a file, in the child, as far as it makes sense."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ingestd.embed.extract.compose import clean, label
from ingestd.embed.extract.lines import paragraphs
from ingestd.embed.extract.plugin import loaded
from ingestd.embed.extract.skip import SkipDocument
from ingestd.errors import DocumentError, ExtractionError
from ingestd.ports import Block, Extracted, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.plugin import Plugin
    from ingestd.ports import Section

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MOST_HEADINGS = 12
_MOST_PAGES = 10_000_000


def sections(plugin: Plugin, file: BinaryIO, name: str) -> Iterator[Section]:
    """Yield what a plug-in makes of a file, as far as it makes sense.

    Raises:
        SkipDocument: it says that there is nothing to read.
        ExtractionError: it is broken, or failed, or gives what is no section.
    """
    if plugin.problem:
        raise ExtractionError(f"the plug-in {plugin.name} cannot be used: {plugin.problem}")
    try:
        for section in loaded(plugin.target).read(file, name):
            yield checked(section)
    except (SkipDocument, DocumentError, MemoryError, GeneratorExit):
        raise
    except Exception as error:
        raise ExtractionError(
            f"the plug-in {plugin.name} failed: {type(error).__name__}: {error}"
        ) from error


def checked(section: object) -> Section:
    """A section as it may be, in its normal form, with blocks where it has none.

    Raises:
        TypeError: it is none.
        ValueError: its parts do not fit together.
    """
    if isinstance(section, Table):
        header = clean(_see_text(section.header))
        _see_page(section.page)
        rows = (clean(_see_text(row)) for row in section.rows)
        headings = tuple(map(label, section.headings[:_MOST_HEADINGS]))
        return Table(header, rows, label(section.title), headings, section.page)
    if not isinstance(section, Extracted):
        raise TypeError(f"`read` gave a {type(section).__name__}, which is no section")
    text = _see_text(section.text)
    blocks = [_checked_block(block) for block in section.blocks]
    if not blocks:
        blocks = [Block(start, end) for start, end in paragraphs(text)]
    places = [place for block in blocks for place in (block.start, block.end)]
    if any(one > other for one, other in pairwise([0, *places, len(text)])):
        raise ValueError("blocks that overlap, or lie outside the text")
    text, blocks = _normal(text, blocks)
    return replace(section, text=text, blocks=blocks, title=label(section.title))


def _normal(text: str, blocks: list[Block]) -> tuple[str, list[Block]]:
    """A text in its normal form, with the places of its blocks there."""
    if clean(text) == text:
        return text, blocks
    pieces: list[str] = []
    moved: list[Block] = []
    read = length = 0
    for block in blocks:
        between, inside = clean(text[read : block.start]), clean(text[block.start : block.end])
        start = length + len(between)
        length = start + len(inside)
        pieces += between, inside
        moved.append(replace(block, start=start, end=length))
        read = block.end
    return "".join([*pieces, clean(text[read:])]), moved


def _checked_block(block: Block) -> Block:
    _see_page(block.page)
    return replace(block, headings=tuple(map(label, block.headings[:_MOST_HEADINGS])))


def _see_text(text: str) -> str:
    if _NO_TEXT.search(text):
        raise ValueError("text with NUL or a lone surrogate, which no store takes")
    return text


def _see_page(page: object) -> None:
    if page is not None and (type(page) is not int or not 0 < page <= _MOST_PAGES):
        raise ValueError(f"{page!r} is no number of a page")
