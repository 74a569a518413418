"""JSON and JSON lines to blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.extract import extract
from ingestd.embed.extract.json import clean

if TYPE_CHECKING:
    from ingestd.ports import Extracted

LONG = "some words " * 50


def sections(found: Extracted) -> list[tuple[str, ...]]:
    """The paths of the sections."""
    return [block.headings for block in found.blocks if block.heading]


def texts(found: Extracted) -> list[str]:
    """The text of each block."""
    return [found.text[block.start : block.end] for block in found.blocks]


@pytest.mark.parametrize("indent", [None, 2])
def test_keys_are_headings(indent: int | None) -> None:
    """The keys that lead to a long value are its headings, on one line or many."""
    data = {"paths": {"/users": {"get": {"a": LONG, "b": LONG}}, "small": {"x": 1}}, "v": 1}
    found = extract(json.dumps(data, indent=indent).encode(), b"a.json")
    assert sections(found)[:3] == [("paths",), ("paths", "/users"), ("paths", "/users", "get")]
    assert any("small" in text for text in texts(found))
    assert ("paths", "small") not in sections(found)


def test_elements_have_no_numbers() -> None:
    """An element put in front of others must not change what they are embedded under."""
    data = [{"name": LONG, "tags": ["a"]} for _ in range(3)]
    found = extract(json.dumps(data).encode(), b"a.json")
    assert {block.headings for block in found.blocks} == {()}


def test_records_are_not_torn() -> None:
    """A short record is one block, whatever is nested in it."""
    data = [{"id": i, "tags": ["x", "y"], "more": {"k": [i]}} for i in range(100)]
    found = extract(json.dumps(data).encode(), b"a.json")
    assert len(found.blocks) <= 101
    assert all('"id"' in text and '"more"' in text for text in texts(found)[1:])


def test_escaped_letters_become_letters() -> None:
    """Korean that a program wrote as escapes can be read; other escapes stay as they are."""
    data = {"이름": "김철수 😀", "path": "C:\\users\\n", "quote": '"\x01'}
    found = extract(json.dumps(data).encode(), b"a.json")
    assert "이름" in found.text
    assert "김철수 😀" in found.text
    assert json.loads(found.text) == data


@given(st.text(max_size=40), st.integers(1, 10))
def test_unescaping_keeps_the_meaning(text: str, size: int) -> None:
    """What is read is what was written, wherever the pieces are cut."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    written = json.dumps([text, "x, y"])
    pieces = (written[i : i + size] for i in range(0, len(written), size))
    assert json.loads("".join(clean(pieces))) == [text, "x, y"]


@pytest.mark.parametrize(
    "source",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        '{"a": [1, 2, {"b": "never closed',
        "// it's a comment\n{ 'single': /* } */ 1, unquoted: 2, }",
        "]]}} not json at all {",
        '"' + "\\" * 10_001,
    ],
)
def test_whatever_it_is_nothing_is_lost(source: str) -> None:
    """Any depth, comments, and what is no JSON: all of it is in the blocks."""
    found = extract(source.encode(), b"a.json")
    place = 0
    for block in found.blocks:
        assert not found.text[place : block.start].strip()
        assert block.start >= place
        assert len(block.headings) <= 6
        place = block.end
    assert not found.text[place:].strip()


def test_a_line_of_json_is_a_record() -> None:
    """Each short line is a block; a line that is broken does not spoil the next."""
    lines = ['{"a": 1, "b": [2]}', '{"broken": [[[ "', '{"c": 3}']
    found = extract("\n".join(lines).encode(), b"a.jsonl")
    assert [text.strip() for text in texts(found)] == lines


def test_a_long_record_is_cut_at_its_members() -> None:
    """Keys are headings there too."""
    line = json.dumps({"id": 7, "body": {"one": LONG, "two": LONG}})
    found = extract(f"{line}\n{line}\n".encode(), b"a.ndjson")
    assert sections(found) == [("body",), ("body",)]
    assert [block.heading for block in found.blocks] == [1, 0, 1, 0]
