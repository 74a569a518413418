"""Jupyter notebooks: the cells in order, as text; outputs that are text, and no pictures."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract import indented, markdown
from ingestd.embed.extract.normal import normal
from ingestd.embed.extract.segment import Carried
from ingestd.errors import ExtractionError
from ingestd.ports import Block, Extracted

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT_CHARS = 10_000
"""What is taken of one output: the rest of a long one is more of the same."""
_GAP = "\n\n"
_COLOURS = re.compile(r"\x1b\[[\d;]{0,20}[A-Za-z]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def extract(text: str) -> Extracted:
    """Extract the cells: headings of Markdown, code, outputs.

    Raises:
        ExtractionError: it is no notebook.
    """
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExtractionError(f"no notebook: {error}") from error
    if not isinstance(notebook, dict):
        raise ExtractionError("no notebook: there is no object in it")
    joined = _Joined()
    for cell in _cells(notebook):
        joined.add(cell)
    return joined.extracted()


class _Joined:
    """The text of the cells one after the other."""

    def __init__(self) -> None:
        self._carried = Carried()
        self._out: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._title = ""

    def add(self, cell: dict[str, Any]) -> None:
        """Add a cell and its outputs."""
        source = _text(cell.get("source", cell.get("input")))
        kind = cell.get("cell_type")
        if kind == "markdown":
            self._markdown(source)
        elif kind == "heading":  # of the third version of the format
            level = cell.get("level")
            marks = "#" * min(level, 6) if isinstance(level, int) else "#"
            self._markdown(f"{marks} {source}")
        elif kind == "code":
            self._verbatim(source)
            for output in _items(cell.get("outputs")):
                self._verbatim(_output(output))
        else:
            self._verbatim(source)

    def extracted(self) -> Extracted:
        """What was gathered."""
        text = "".join(self._out)
        return Extracted(text, self._title, "application/x-ipynb+json", self._blocks)

    def _markdown(self, source: str) -> None:
        # A fence that one cell does not close is closed by its end.
        self._carried.fence = ""
        found = markdown.go_on(source, self._carried)
        self._carried.begun = True
        self._title = self._title or found.title
        self._append(found)

    def _verbatim(self, source: str) -> None:
        found = indented.extract(source)
        path = self._carried.outline.path
        blocks = [Block(block.start, block.end, path) for block in found.blocks]
        self._append(Extracted(source, "", "", blocks))

    def _append(self, found: Extracted) -> None:
        if not found.blocks:
            return
        at = self._length
        for block in found.blocks:
            self._blocks.append(
                Block(block.start + at, block.end + at, block.headings, block.heading)
            )
        self._out += (found.text, _GAP)
        self._length += len(found.text) + len(_GAP)


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cells; the third version of the format has them in worksheets."""
    yield from _items(notebook.get("cells"))
    for sheet in _items(notebook.get("worksheets")):
        yield from _items(sheet.get("cells"))


def _items(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def _output(output: dict[str, Any]) -> str:
    """The text of an output; empty for a picture, or for a page that has its text beside it."""
    data = output.get("data")
    found = _text(output.get("text"))
    if not found and isinstance(data, dict):
        found = _text(data.get("text/plain")) or _text(data.get("text/markdown"))
    if not found and output.get("output_type") in ("error", "pyerr"):
        found = f"{output.get('ename', '')}: {output.get('evalue', '')}"
    return _COLOURS.sub("", found)[:OUTPUT_CHARS]


def _text(value: object) -> str:
    """A text, which may be given line by line."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    text = _SURROGATE.sub("\ufffd", value).replace("\0", " ")
    return normal(text.replace("\r\n", "\n").replace("\r", "\n"), fold=False)
