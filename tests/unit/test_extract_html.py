"""HTML to text and blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.extract.html import extract

if TYPE_CHECKING:
    from ingestd.ports import Extracted


def texts(extracted: Extracted) -> list[str]:
    """Each block's text."""
    return [extracted.text[b.start : b.end] for b in extracted.blocks]


def test_page() -> None:
    """Title, headings, paragraphs and list items come out; scripts and styles do not."""
    found = extract(
        "<!doctype html><html><head><title> My\n page </title><style>p{}</style></head><body>"
        "<script>if (a < b) { x('<p>no</p>') }</script><h1>문서 <em>제목</em></h1>"
        "<p>First &amp; <b>bold</b>\n  text.<p>Second&nbsp;one<br>new line</p>"
        "<h2>Section</h2><ul><li>a</li><li>b</li></ul><template>no</template>"
        "<noscript>no</noscript><nav>menu</nav></body></html>"
    )
    assert found.title == "My page"
    assert texts(found) == [
        "문서 제목",
        "First & bold text.",
        "Second one\nnew line",
        "Section",
        "a",
        "b",
        "menu",
    ]
    assert [b.heading for b in found.blocks] == [1, 0, 0, 2, 0, 0, 0]
    assert found.blocks[4].headings == ("문서 제목", "Section")
    assert "a\nb\n\nmenu" in found.text


def test_title_falls_back_to_the_first_heading() -> None:
    """Without a title element the first level-1 heading names the page."""
    assert extract("<h2>x</h2><h1>Name</h1><h1>Other</h1>").title == "Name"


def test_title_of_a_drawing_is_not_the_pages() -> None:
    """Only a title before all text is the page's."""
    found = extract("<p>text</p><svg><title>icon</title></svg>")
    assert found.title == ""


def test_pre_is_verbatim() -> None:
    """White space inside ``pre`` stays, tags inside go."""
    found = extract("<p>a</p><pre>\ndef f():\n    <b>return</b>  1\n\nf()</pre><p>b</p>")
    assert texts(found) == ["a", "def f():\n    return  1\n\nf()", "b"]


def test_table_rows_are_lines() -> None:
    """Cells stand beside each other, rows below each other."""
    found = extract("<table><tr><th>이름</th><th>값</th></tr><tr><td>a</td><td>1</td></tr></table>")
    assert texts(found) == ["이름 | 값", "a | 1"]


@pytest.mark.parametrize(
    "markup",
    ["<![foo <p>", "<![CDATA[x]]>y", "<?php <p>", "</>", "<p", "&#xD800;&#0;", "<!", "<!-", "a<b"],
)
def test_broken_markup_raises_nothing(markup: str) -> None:
    """Broken constructs are dropped or read as text."""
    found = extract(f"<p>before</p>{markup}<p>after</p>")
    assert "before" in found.text
    found.text.encode()


def test_unclosed_comment_hides_the_rest() -> None:
    """As in browsers, a comment without an end goes to the end of the page."""
    assert extract("<p>a</p><!-- b --><p>c</p><!-- <p>d</p>").text == "a\n\nc"


def test_unclosed_heading_does_not_swallow_the_page() -> None:
    """Very long heading text is text."""
    found = extract("<h1>Oops " + "word " * 2000)
    assert [b.heading for b in found.blocks] == [0]


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * 200_000 + "deep" + "</div>" * 200_000,
        "<p " + " ".join(f"a{i}=1" for i in range(200_000)) + ">deep</p>",
        "deep" + "<!--" * 200_000,
        "deep" + "<a " * 200_000,
        "deep" + "<![" * 200_000,
        "deep" + "</" * 200_000 + ">",
        "deep" + "<?" * 200_000,
        "deep<script>" + "</" * 200_000,
        "deep" + "<a href='" * 100_000,
        "deep" + "&" * 500_000,
        "deep" + "< " * 200_000,
        "<b>" * 200_000 + "deep",
    ],
)
def test_hostile_markup_takes_linear_time(markup: str) -> None:
    """Hundreds of thousands of nested or unclosed constructs take seconds, not minutes."""
    begin = time.process_time()
    assert "deep" in extract(markup).text
    assert time.process_time() - begin < 8


@given(st.text(alphabet="<>/!-[]pbreh1 \nab가&;#x\"'=?", max_size=300))
def test_blocks_cover_the_text_in_order(markup: str) -> None:
    """Whatever the markup: blocks do not overlap, and only white space is between them."""
    found = extract(markup)
    place = 0
    for block in found.blocks:
        assert place <= block.start < block.end
        assert not found.text[place : block.start].strip()
        place = block.end
    assert not found.text[place:].strip()
