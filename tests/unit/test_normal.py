"""One form for characters that mean the same."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.extract import extract
from ingestd.embed.extract.normal import normal, normal_pieces

DECOMPOSED = unicodedata.normalize("NFD", "한글 문서, café")


def test_decomposed_text_is_composed() -> None:
    """Text from a Mac reads like any other, in every format."""
    assert normal(DECOMPOSED) == "한글 문서, café"
    for name in (b"a.txt", b"a.md", b"a.py", b"a.csv", b"a.html"):
        assert "한글 문서, café" in extract(DECOMPOSED.encode(), name).text


def test_references_in_pages_are_composed() -> None:
    """Letters that a page spells in parts, by their numbers, are one letter."""
    page = b"<p>&#x1112;&#x1161;&#x11ab;&#x1100;&#x1173;&#x11af;</p>"
    assert extract(page, b"a.html").text == "한글"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＡＢＣ１２３", "ABC123"),
        ("ｕｓｅｒ＠ｅｘ．ｃｏｍ 으로", "user@ex.com 으로"),
        ("１２，０００원", "12,000원"),
        ("정말！그래？（１）", "정말！그래？（1）"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("①㎡½²㈜Ⅳ", "①㎡½²㈜Ⅳ"),
        ("ㄱㄴㄷ", "ㄱㄴㄷ"),
        ("樂\uf914", "樂樂"),
    ],
)
def test_width_alone_is_folded(text: str, expected: str) -> None:
    """Letters and digits lose their width; what a compatibility form would change, stays."""
    assert normal(text) == expected


def test_source_code_keeps_its_characters() -> None:
    """A table of conversions would make no sense otherwise."""
    assert "Ａ" in extract('table = {"Ａ": "A"}\n'.encode(), b"a.py").text
    assert "Ａ" not in extract("Ａ\n".encode(), b"a.txt").text


@given(
    st.text(alphabet="ab \n,\\가각\u1112\u1161\u11ab\u0301\u0323ＡＢ！－ｶﾞ漢", max_size=60),
    st.integers(1, 7),
)
def test_pieces_change_nothing(text: str, size: int) -> None:
    """However a text comes in pieces, it becomes the same."""
    pieces = (text[i : i + size] for i in range(0, len(text), size))
    assert "".join(normal_pieces(pieces)) == normal(text)


@given(st.text(max_size=200))
def test_it_is_done_once(text: str) -> None:
    """What is normal stays as it is, and is in form C."""
    found = normal(text)
    assert normal(found) == found
    assert unicodedata.is_normalized("NFC", found)


@pytest.mark.parametrize(
    "text", ["a" + "\u0300\u0323" * 250_000, "\u0f73" * 300_000, "Ａ" + "－" * 300_000]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    """Marks without end are left as they are: sorting them would take for ever."""
    begin = time.process_time()
    normal(text)
    assert time.process_time() - begin < 2
