"""Rows of a table become chunks that each begin with the table's header."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ingestd.embed.chunk import Chunker
from ingestd.embed.tokenize import WordTokenizer
from ingestd.ports import Table

if TYPE_CHECKING:
    from ingestd.ports import Chunk

HEADER = "Name | Amount | 비고"
TOKENIZER = WordTokenizer()
CHUNKER = Chunker(TOKENIZER)


def rows(number: int, seed: int = 1) -> list[str]:
    """Rows that are all different."""
    rng = random.Random(seed)
    return [f"item {n} | {rng.randrange(10**6)} | 값 {rng.random()}" for n in range(number)]


def cut(
    lines: list[str], header: str = HEADER, chunker: Chunker = CHUNKER, title: str = "Book"
) -> list[Chunk]:
    """The chunks of a table on the third sheet."""
    table = Table(header, iter(lines), title, ("Sheet",), 3)
    return list(chunker.table_chunks(table))


def test_each_chunk_begins_with_the_header() -> None:
    """And has whole rows, in order, each once; prefix, headings and page are the table's."""
    lines = rows(1_000)
    chunks = cut(lines)
    assert len(chunks) > 10
    found = []
    for chunk in chunks:
        first, *rest = chunk.text.split("\n")
        assert first == HEADER
        found += rest
        assert (chunk.prefix, chunk.headings, chunk.page) == ("Book > Sheet", ("Sheet",), 3)
        assert TOKENIZER.count([chunk.embedded_text])[0] <= TOKENIZER.max_tokens - 2
    assert found == lines


def test_places_are_those_in_the_text_that_the_chunks_make_up() -> None:
    """A chunk ends where its text does, and the next begins behind a blank line."""
    chunks = cut(rows(300))
    text = "\n\n".join(chunk.text for chunk in chunks)
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))


def test_a_row_more_changes_few_chunks() -> None:
    """Wherever it is put in."""
    lines = rows(2_000)
    before = {chunk.digest for chunk in cut(lines)}
    for place in (0, 777, 2_000):
        after = {chunk.digest for chunk in cut([*lines[:place], "one | more", *lines[place:]])}
        assert len(after - before) <= 4


def test_a_row_that_does_not_fit_is_cut() -> None:
    """It loses nothing, and its neighbours stay whole."""
    long = " ".join(f"word{n}" for n in range(2_000))
    chunks = cut(["a | b", long, "c | d"])
    words = " ".join(chunk.text for chunk in chunks).replace(HEADER, "").split()
    assert words == ["a", "|", "b", *long.split(), "c", "|", "d"]
    assert any(chunk.text.endswith("c | d") for chunk in chunks)


def test_a_header_that_is_too_long_is_a_row() -> None:
    """It stands at the beginning only."""
    header = " | ".join(f"column{n}" for n in range(200))
    chunks = cut(rows(100), header)
    assert sum("column0 " in chunk.text for chunk in chunks) == 1
    assert "item 99 " in chunks[-1].text


def test_windows_begin_with_the_header_too() -> None:
    """They have so many characters at most, and do not overlap."""
    lines = rows(200)
    chunks = cut(lines, chunker=Chunker(TOKENIZER, size=500, overlap=100))
    assert all(chunk.text.startswith(HEADER) and len(chunk.text) <= 500 for chunk in chunks)
    assert [line for chunk in chunks for line in chunk.text.split("\n")[1:]] == lines


def test_a_table_may_be_without_header_or_rows() -> None:
    """Blank rows are left out; a header alone is nothing to find."""
    assert [chunk.text for chunk in cut(["a", " ", "b\nc"], "")] == ["a\nb c"]
    assert cut([]) == []
