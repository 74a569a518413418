"""How verbs print."""

from __future__ import annotations

import pytest

from ingestd.cli import output
from ingestd.visible import clean, masked


def test_columns_are_aligned_by_what_is_seen() -> None:
    """Wide characters take two columns, combining ones none."""
    block = output.Block("", ("name", "n"), [("한글", "1"), ("abcde", "22")], frozenset({1}))
    assert block.plain().splitlines() == ["  NAME    N", "  한글    1", "  abcde  22"]
    assert output.width("e\u0301") == 1


def test_a_name_cannot_steer_the_terminal() -> None:
    """Escape sequences in file names and texts are shown, not obeyed."""
    hostile = "a\x1b[2J\nb\u202e"
    assert clean(hostile) == "a\\x1b[2J\\nb\\u202e"
    page = output.Page()
    page.fields("", [("path", hostile)])
    assert "\x1b" not in page.plain()


def test_markup_in_a_name_is_text() -> None:
    """A name such as [red] is printed as it is."""
    from rich.console import Console

    page = output.Page()
    page.table("", ("path",), [("[red]a[/red]",)])
    console = Console(width=40)
    with console.capture() as capture:
        console.print(page.rich())
    assert "[red]a[/red]" in capture.get()


def test_empty_parts_are_left_out() -> None:
    """A page shows only what there is."""
    page = output.Page()
    page.fields("", [("a", ""), ("b", "c")])
    page.table("Failed", ("path",), [])
    assert page.plain() == "  b  c"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h"), (90_000, "1 d")],
)
def test_durations(seconds: float, shown: str) -> None:
    """A duration has the largest unit that fits."""
    assert output.ago(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 B"), (1_536, "1.5 KiB"), (3 * 1024**4, "3072.0 GiB")]
)
def test_sizes(number: int, shown: str) -> None:
    """A size has the largest binary unit that fits."""
    assert output.size(number) == shown


def test_passwords_in_addresses_are_masked() -> None:
    """An address is shown without its password."""
    assert masked("postgresql://me:s3cret@db/x") == "postgresql://me:***@db/x"
    assert masked("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
