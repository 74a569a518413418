"""Text that could steer a terminal or a browser is shown, not obeyed."""

from __future__ import annotations

import pytest

from ingestd.visible import clean, masked, prose


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\x07", "\x1b", "\x00", "\ud800", "\u2028"])
def test_what_is_obeyed_is_escaped(char: str) -> None:
    """In names and in texts: controls, turns of direction, halves of characters."""
    for shown in (clean(f"a{char}b"), prose(f"a{char}b")):
        assert char not in shown
        assert shown == "a" + char.encode("unicode_escape").decode() + "b"
        shown.encode("utf-8")


def test_lines_stay_in_texts_only() -> None:
    """A name is one line."""
    assert clean("a\nb\tc") == "a\\nb\\tc"
    assert prose("a\nb\tc") == "a\nb\tc"


@pytest.mark.parametrize("text", ["한국어 문서", "naïve café", "日本語", "👍", "a b"])
def test_what_is_only_seen_stays(text: str) -> None:
    """Letters of every script, and pictures."""
    assert clean(text) == prose(text) == text


def test_texts_keep_what_joins_letters() -> None:
    """A space that does not break, and joiners that some scripts and pictures need."""
    text = "10\u00a0km \u200c 👩\u200d🔬"
    assert prose(text) == text


def test_a_password_in_an_address_is_masked() -> None:
    """The rest stays."""
    assert masked("http://me:secret@host:8000/x") == "http://me:***@host:8000/x"
    assert masked("http://host:8000/") == "http://host:8000/"
