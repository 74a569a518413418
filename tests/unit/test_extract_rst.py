"""reStructuredText to blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.extract.rst import extract

if TYPE_CHECKING:
    from ingestd.ports import Extracted


def texts(extracted: Extracted) -> list[str]:
    """Each block's text, without the newline at its end."""
    return [extracted.text[b.start : b.end].rstrip("\n") for b in extracted.blocks]


def test_levels_follow_the_order_of_appearance() -> None:
    """The first style seen is level 1; an overline makes a style of its own."""
    found = extract(
        "=====\nGuide\n=====\n\nIntro.\n\nInstall\n=======\n\nOn ``Linux``\n------------\n\n"
        "Text.\n\n사용법\n======\n\n끝.\n"
    )
    assert [(b.heading, b.headings) for b in found.blocks] == [
        (1, ("Guide",)),
        (0, ("Guide",)),
        (2, ("Guide", "Install")),
        (3, ("Guide", "Install", "On Linux")),
        (0, ("Guide", "Install", "On Linux")),
        (2, ("Guide", "사용법")),
        (0, ("Guide", "사용법")),
    ]
    assert found.title == "Guide"


def test_directives_and_literal_blocks_are_kept_whole() -> None:
    """Indented text belongs to its directive or ``::`` paragraph across blank lines."""
    directive = ".. code-block:: python\n   :linenos:\n\n   a = 1\n\n   b = 2"
    literal = "As follows::\n\n    one\n\n    두 번째"
    found = extract(f"{directive}\n\nPlain.\n\n{literal}\n\nEnd.\n")
    assert texts(found) == [directive, "Plain.", literal, "End."]


def test_quotes_are_paragraphs() -> None:
    """Indented text after an ordinary paragraph is a block of its own."""
    assert texts(extract("Para.\n\n    Quote.\n\nMore.\n")) == ["Para.", "    Quote.", "More."]


def test_transitions_and_short_rules_are_no_titles() -> None:
    """A rule between blank lines, and one shorter than its title, make no section."""
    found = extract("One.\n\n----\n\nLong title\n--\n")
    assert not any(b.heading for b in found.blocks)


def test_roles_are_read_as_their_text() -> None:
    """A role or a reference in a title leaves its text."""
    found = extract("The :class:`Foo <pkg.Foo>` and `link <https://example.org>`_\n" + "=" * 60)
    assert found.title == "The Foo and link"


@given(st.text(alphabet="=-.: \n\tab가`*_", max_size=300))
def test_blocks_cover_the_text_in_order(text: str) -> None:
    """Whatever the text: blocks do not overlap, and nothing but white space is between them."""
    place = 0
    for block in extract(text).blocks:
        assert place <= block.start < block.end
        assert not text[place : block.start].strip()
        place = block.end
    assert not text[place:].strip()
