"""Jupyter notebooks to blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestd.embed.extract import NoTextError, extract
from ingestd.embed.extract.notebook import OUTPUT_CHARS
from ingestd.errors import ExtractionError


def notebook(*cells: dict[str, Any]) -> bytes:
    """A notebook of these cells."""
    return json.dumps({"nbformat": 4, "cells": cells}).encode()


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    """A cell of code."""
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_are_text_under_the_headings_of_markdown() -> None:
    """Markdown, code and what it printed, in order; pictures and pages are left out."""
    picture = {"data": {"image/png": "iVBORw0KGgo=" * 100, "text/plain": ["<Figure>"]}}
    found = extract(
        notebook(
            {"cell_type": "markdown", "source": ["# 분석\n", "\n", "소개."]},
            code(
                ["def f():\n", "    return 1\n"],
                {"output_type": "stream", "text": ["\x1b[31m빨강\x1b[0m\n"]},
                {"output_type": "display_data", **picture},
                {"output_type": "display_data", "data": {"text/html": "<table>"}},
                {"output_type": "error", "ename": "E", "evalue": "bad", "traceback": ["x" * 999]},
            ),
            {"cell_type": "markdown", "source": "## 결과"},
            {"cell_type": "raw", "source": "끝"},
        ),
        b"a.ipynb",
    )
    assert found.title == "분석"
    assert [(found.text[b.start : b.end].strip(), b.headings) for b in found.blocks] == [
        ("# 분석", ("분석",)),
        ("소개.", ("분석",)),
        ("def f():\n    return 1", ("분석",)),
        ("빨강", ("분석",)),
        ("<Figure>", ("분석",)),
        ("E: bad", ("분석",)),
        ("## 결과", ("분석", "결과")),
        ("끝", ("분석", "결과")),
    ]


def test_a_fence_ends_with_its_cell() -> None:
    """An open code block in one cell does not swallow the headings of the next."""
    cells = ({"cell_type": "markdown", "source": text} for text in ("```\nx", "# A"))
    assert extract(notebook(*cells), b"a.ipynb").blocks[-1].heading == 1


def test_decomposed_letters_in_escapes_are_composed() -> None:
    """What a Mac typed into a cell is syllables in the text."""
    found = extract(notebook(code("x = '\u1112\u1161\u11ab'")), b"a.ipynb")
    assert found.text.startswith("x = '한'")


def test_long_outputs_are_cut_short() -> None:
    """The log of a training is not the notebook."""
    found = extract(notebook(code("x", {"text": "word " * 100_000})), b"a.ipynb")
    assert len(found.text) < OUTPUT_CHARS + 100


def test_the_third_version_has_worksheets() -> None:
    """Old notebooks are read too."""
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Title"},
        {"cell_type": "code", "input": "1 + 1", "outputs": [{"text": "2"}]},
    ]
    found = extract(json.dumps({"worksheets": [{"cells": cells}]}).encode(), b"a.ipynb")
    assert [block.headings for block in found.blocks] == [("Title",)] * 3


@pytest.mark.parametrize("data", [b"{", b"[]", b"[" * 100_000, b'{"cells": ' * 100_000])
def test_what_is_no_notebook_fails(data: bytes) -> None:
    """The error says so, at any depth."""
    with pytest.raises(ExtractionError, match="no notebook"):
        extract(data, b"a.ipynb")


@pytest.mark.parametrize("cells", [None, 3, [3, None], [{"source": {"a": 1}}], [{"outputs": 3}]])
def test_cells_of_any_shape_do_no_harm(cells: object) -> None:
    """What is not as it should be is passed over."""
    with pytest.raises(NoTextError):
        extract(json.dumps({"cells": cells}).encode(), b"a.ipynb")


def test_letters_that_no_store_takes() -> None:
    """Lone surrogates and NULs in escapes become harmless."""
    found = extract(b'{"cells": [{"cell_type": "raw", "source": "a\\ud800\\u0000b"}]}', b"a.ipynb")
    assert found.text.startswith("a\ufffd b")


def test_outputs_of_any_shape_do_no_harm() -> None:
    """Not even one whose kind is a list."""
    outputs: list[Any] = [{"output_type": [], "data": {"text/plain": {}}}, {"ename": {}}]
    found = extract(notebook(code("x = 1", *outputs)), b"a.ipynb")
    assert found.text.strip() == "x = 1"
