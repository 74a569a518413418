"""Markdown to blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.extract.markdown import extract

if TYPE_CHECKING:
    from ingestd.ports import Extracted


def outline(extracted: Extracted) -> list[tuple[int, str]]:
    """Level and innermost title of each heading."""
    return [(b.heading, b.headings[-1]) for b in extracted.blocks if b.heading]


def texts(extracted: Extracted) -> list[str]:
    """Each block's text, without the newline at its end."""
    return [extracted.text[b.start : b.end].rstrip("\n") for b in extracted.blocks]


def test_headings_make_paths() -> None:
    """A block knows the titles around it; a heading's own title is the last of its path."""
    found = extract("# 소개\n\n문단.\n\n## 설치 방법\n\n하나.\n\n### Linux\n둘.\n\n## Use\nthree\n")
    assert [(b.heading, b.headings) for b in found.blocks] == [
        (1, ("소개",)),
        (0, ("소개",)),
        (2, ("소개", "설치 방법")),
        (0, ("소개", "설치 방법")),
        (3, ("소개", "설치 방법", "Linux")),
        (0, ("소개", "설치 방법", "Linux")),
        (2, ("소개", "Use")),
        (0, ("소개", "Use")),
    ]
    assert found.title == "소개"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# Plain", "Plain"),
        ("#\tTab", "Tab"),
        ("## Closed ##", "Closed"),
        ("# C#", "C#"),
        ("# 파이썬 타입 소개 { #python-types-intro }", "파이썬 타입 소개"),
        ("# Anchored ## {#id .class}", "Anchored"),
        ("# Path `/items/{item_id}`", "Path /items/{item_id}"),
        ("# **Bold** and _soft_ and `code_with_parts`", "Bold and soft and code_with_parts"),
        ("# snake_case_name stays", "snake_case_name stays"),
        ("# A [link](https://example.org/a) ![icon](b.png)", "A link icon"),
        ("# Sub<abbr title='x'>script</abbr>", "Subscript"),
        (r"# 1\. First \*star\*", "1. First *star*"),
    ],
)
def test_heading_text_is_cleaned(source: str, title: str) -> None:
    """Closing marks, attributes and inline markup are no part of a title."""
    assert extract(source + "\n").blocks[0].headings == (title,)


def test_setext_headings() -> None:
    """An underlined line is a heading; a rule below a list, a table or a blank line is not."""
    found = extract("제목\n====\n\nSecond\n---\ntext\n\n---\n\n- item\n---\n\n| a |\n|---|\n")
    assert outline(found) == [(1, "제목"), (2, "Second")]


def test_two_lines_over_a_rule_are_no_heading() -> None:
    """A paragraph that a rule follows stays a paragraph."""
    assert outline(extract("one\ntwo\n---\n")) == []


@pytest.mark.parametrize(
    "fence",
    [
        "```python\n# no heading\n\nx = 1\n```",
        "~~~\n# no\n\n```\n# no\n~~~",
        "````md\n```\n# no\n\n```\n# no\n````",
        "    ```Python\n# no\n\n    ```",
        "- ```sh\n  # no\n\n  ```",
        "```\n# never closed\n\n# to the end",
    ],
)
def test_fences_are_kept_whole(fence: str) -> None:
    """Code between fences is one block: no headings, no cuts at blank lines."""
    found = extract(f"# Title\n\n{fence}\n")
    assert texts(found) == ["# Title", fence]


def test_text_goes_on_after_a_fence() -> None:
    """What follows the closing fence is Markdown again."""
    found = extract("```\na\n```\n\n# After\n")
    assert outline(found) == [(1, "After")]


def test_inline_code_opens_no_fence() -> None:
    """Three backticks with more of them on the line are inline code."""
    assert outline(extract("```a``` b\n\n# After\n")) == [(1, "After")]


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ("---\ntitle: My page\nhide:\n  - toc\n---\n", "My page"),
        ('---\ntitle: "따옴표: 제목"\n---\n', "따옴표: 제목"),
        ("+++\ndate = 2024\ntitle = 'Toml'\n+++\n", "Toml"),
        ("---\nhide: toc\n...\n", "Heading"),
    ],
)
def test_front_matter(front: str, title: str) -> None:
    """Front matter is one block and gives the title; without one the first heading does."""
    found = extract(f"{front}\n# Heading\n")
    assert found.title == title
    assert texts(found) == [front.rstrip("\n"), "# Heading"]


def test_rule_at_the_top_is_no_front_matter() -> None:
    """Without a closing mark there is no front matter."""
    found = extract("---\n\ntext\n\n# Heading\n")
    assert found.title == "Heading"
    assert texts(found) == ["---", "text", "# Heading"]


def test_lists_and_tables_are_blocks() -> None:
    """Lines without a blank line between stand together."""
    assert texts(extract("- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")) == [
        "- a\n- b",
        "| x | y |\n|---|---|\n| 1 | 2 |",
    ]


@given(st.text(alphabet="#`~-=+ \t\nab*_[](){}<>가.|1", max_size=300))
def test_blocks_cover_the_text_in_order(text: str) -> None:
    """Whatever the text: blocks do not overlap, and nothing but white space is between them."""
    place = 0
    found = extract(text)
    assert found.text == text
    for block in found.blocks:
        assert place <= block.start < block.end
        assert not text[place : block.start].strip()
        place = block.end
    assert not text[place:].strip()


@pytest.mark.parametrize(
    "text",
    [
        "# " + "[" * 500_000,
        "# " + " " * 500_000 + "x",
        "# " + "{" * 500_000,
        "# " + "*a " * 200_000,
        "#" * 500_000,
        ("# " + "`" * 298 + "\n") * 2_000,
        "---\n" + "title" * 100_000,
        "```a\n" * 100_000,
        "a\n==\n" * 100_000,
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    """Half a million characters of unclosed marks take a few seconds at most."""
    begin = time.process_time()
    extract(text)
    assert time.process_time() - begin < 5
