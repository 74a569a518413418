"""The page of a chunk, from the reader of a document to the collection, and when it moves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_documents import Stub
from test_long import LongLine
from test_write import Collection, Line

from ingestd.embed import model
from ingestd.embed.chunk import Chunker
from ingestd.embed.extract.compose import Composer
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.tokenize import open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from ingestd.ports import Extracted
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database


def read_pages(file: BinaryIO) -> Iterator[Extracted]:
    """A heading a page, so that no chunk spans two."""
    for number, page in enumerate(file.read().decode().split("\f"), 1):
        text = Composer()
        text.page = number
        text.paragraph(page)
        yield from text.rest()


@pytest.fixture(params=[Line, LongLine])
def line(
    request: pytest.FixtureRequest,
    database: Database,
    cache: Database,
    source: Callable[..., WatchedSource],
) -> Line:
    """A line for short and one for long documents, over a format that has pages."""
    made: Line = request.param(database, cache, source(), Collection())
    read_by(made, read_pages)
    return made


def read_by(line: Line, read: Callable[[BinaryIO], Iterator[Extracted]]) -> None:
    """Have documents read so from now on."""
    cutter = Cutter(Chunker(open_tokenizer(model.locate("hash"))), documents=Stub(read))
    line.preparer._cutter = cutter  # noqa: SLF001 - the rest of the preparer stays as it is


def write(line: Line, *pages: str) -> None:
    """Write the document."""
    path = Path(os.fsdecode(line.source.root)) / "a.paged"
    path.write_text("\f".join(pages))
    os.utime(path, (1e9, 1e9))


def pages(line: Line) -> dict[str, object]:
    """The page of each text in the collection."""
    return {str(values["text"]): values.get("page") for values in line.view().values()}


def test_a_chunk_whose_page_moved_keeps_its_embedding_and_gets_its_page(line: Line) -> None:
    """Text and digest are the same: only the label is written."""
    texts = [f"content of page {letter}" for letter in "abcdefghij"]
    write(line, *texts)
    line.run()
    assert pages(line) == {text: number for number, text in enumerate(texts, 1)}
    embedded = line.totals.chunks["embedded"]
    line.collection.calls.clear()
    write(line, "a new page", *texts)
    line.run()
    line.assert_tidy()
    assert pages(line) == {"a new page": 1} | {text: n for n, text in enumerate(texts, 2)}
    assert line.totals.chunks["embedded"] == embedded + 1
    assert sum(len(ids) for kind, ids in line.collection.calls if kind == "upsert") == 1


def test_a_page_goes_when_there_are_none_any_more(line: Line) -> None:
    """The same text read as a format without pages has no page."""
    write(line, "one", "two")
    line.run()

    def without(file: BinaryIO) -> Iterator[Extracted]:
        for section in read_pages(file):
            yield replace(section, blocks=[replace(block, page=None) for block in section.blocks])

    read_by(line, without)
    write(line, "one", "two", "three")
    line.run()
    assert pages(line) == {"one": None, "two": None, "three": None}
    assert all("page" not in record.metadata for record in line.collection.page(0, 10))
