"""Formats that somebody else's package reads: what is known of a plug-in, and its use in the child.

A plug-in is an entry point of the group ``ingestd.extractors`` that names a class with what
`DocumentReader` asks for.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.compose import label
from ingestd.embed.extract.lines import paragraphs
from ingestd.embed.extract.skip import SkipDocument
from ingestd.errors import DocumentError, ExtractionError
from ingestd.ports import Block, Extracted, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.ports import DocumentReader, Section

GROUP = "ingestd.extractors"
_SUFFIX = re.compile(r"[^\s./\0]{1,32}")
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MOST_HEADINGS = 12
_MOST_PAGES = 10_000_000


@dataclass(frozen=True, slots=True)
class Plugin:
    """What is known of a plug-in.

    Attributes:
        name: that of its entry point.
        target: its class, as ``module:name``.
        version: that of what it gives.
        suffixes: the ends of the names of its files.
        mime: their media type.
        problem: why it cannot be used now; empty when it can.
    """

    name: str
    target: str
    version: str = ""
    suffixes: tuple[str, ...] = ()
    mime: str = ""
    problem: str = ""


def described(name: str, target: str) -> Plugin:
    """Load a plug-in, and see what it says of itself.

    Raises:
        Exception: whatever its code raises, or that it does not say what it must.
    """
    reader = _loaded(target)
    suffixes, mime, version = reader.suffixes, reader.mime, str(reader.version)
    if isinstance(suffixes, str) or not suffixes:
        raise TypeError("`suffixes` is no list of texts")
    for suffix in suffixes:
        if not _SUFFIX.fullmatch(suffix) or suffix != suffix.lower():
            raise ValueError(f"`suffixes` has {suffix!r}: no dot, lower case")
    if not _MIME.fullmatch(mime):
        raise ValueError(f"`mime` is {mime!r}, which is no media type")
    if not version or len(version) > 100:  # noqa: PLR2004 - more is no version
        raise ValueError("`version` is empty or too long")
    if not callable(reader.read):
        raise TypeError("`read` is no method")
    return Plugin(name, target, version, tuple(suffixes), mime)


def sections(plugin: Plugin, file: BinaryIO, name: str) -> Iterator[Section]:
    """Yield what a plug-in makes of a file, as far as it makes sense.

    Raises:
        SkipDocument: it says that there is nothing to read.
        ExtractionError: it is broken, or failed, or gives what is no section.
    """
    if plugin.problem:
        raise ExtractionError(f"the plug-in {plugin.name} cannot be used: {plugin.problem}")
    try:
        for section in _loaded(plugin.target).read(file, name):
            yield checked(section)
    except (SkipDocument, DocumentError, MemoryError, GeneratorExit):
        raise
    except Exception as error:
        raise ExtractionError(
            f"the plug-in {plugin.name} failed: {type(error).__name__}: {error}"
        ) from error


def checked(section: object) -> Section:
    """A section as it may be, with blocks where it has none.

    Raises:
        TypeError: it is none.
        ValueError: its parts do not fit together.
    """
    if isinstance(section, Table):
        _see_text(section.header)
        _see_page(section.page)
        rows = (_see_text(row) for row in section.rows)
        headings = tuple(map(label, section.headings[:_MOST_HEADINGS]))
        return replace(section, rows=rows, headings=headings, title=label(section.title))
    if not isinstance(section, Extracted):
        raise TypeError(f"`read` gave a {type(section).__name__}, which is no section")
    text = _see_text(section.text)
    blocks = [_checked_block(block) for block in section.blocks]
    if not blocks:
        blocks = [Block(start, end) for start, end in paragraphs(text)]
    places = [place for block in blocks for place in (block.start, block.end)]
    if any(one > other for one, other in pairwise([0, *places, len(text)])):
        raise ValueError("blocks that overlap, or lie outside the text")
    return replace(section, blocks=blocks, title=label(section.title))


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


def _loaded(target: str) -> DocumentReader:
    module, _, name = target.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    reader: DocumentReader = found() if isinstance(found, type) else found
    return reader


def main() -> None:
    """Tell in JSON what a plug-in says of itself: its name and its class are the arguments."""
    plugin = described(sys.argv[1], sys.argv[2])
    said = json.dumps([plugin.version, plugin.suffixes, plugin.mime])
    sys.stdout.write(f"\n{said}\n")


if __name__ == "__main__":
    main()
