"""The words of the page: complete in every language, and nowhere else."""

from __future__ import annotations

import re
import string
from importlib.resources import files
from pathlib import Path

import pytest

from ingestd.health import Code
from ingestd.page.language import LANGUAGES, accepted, catalogue, language
from ingestd.page.view import MOODS, SECTIONS
from ingestd_state.status import DocumentStatus, SourceStatus

TEMPLATES = sorted(
    Path(str(files("ingestd.page").joinpath("templates"))).glob("*.html"),
    key=lambda file: file.name,
)
NAMES = [file.name for file in TEMPLATES]
CODE = re.compile(r"<code[^>]*>.*?</code>|{[%#].*?[%#]}|{{.*?}}", re.DOTALL)
"""Commands are the same in all languages; the rest is for jinja."""
PATHS = re.compile(r">/[a-z0-9/]+<")
"""Addresses are, too."""


def fields(text: str) -> set[str | None]:
    """The values that are put into a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_language_has_the_same_keys_with_the_same_values() -> None:
    """Nothing is missing in one of them, or left over; a value that is put in is put in by all."""
    first = catalogue(LANGUAGES[0])
    for code in LANGUAGES[1:]:
        other = catalogue(code)
        assert other.keys() == first.keys()
        assert {key for key in first if fields(first[key]) != fields(other[key])} == set()


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_programs_name_has_words(code: str) -> None:
    """Each problem with its hint, each state of a document and of a source, each section."""
    words = catalogue(code)
    wanted = [f"{group}.{one.value}" for one in Code for group in ("problem", "hint")]
    wanted += [f"status.{one.value}" for one in DocumentStatus]
    wanted += [f"sources.{one.value}" for one in SourceStatus]
    wanted += [f"{name}.heading" for name in SECTIONS]
    wanted += [f"state.{mood}" for mood in MOODS]
    assert [key for key in wanted if key not in words] == []


def test_korean_is_korean() -> None:
    """Nearly every text has Korean letters; what has none are names and signs."""
    foreign = {key for key, text in catalogue("ko").items() if not re.search("[가-힣]", text)}
    assert foreign <= {"page.title", "hint.stopping"}


@pytest.mark.parametrize("template", TEMPLATES, ids=NAMES)
def test_templates_hold_no_words_of_their_own(template: Path) -> None:
    """What is left without tags and values has no letter, in text and in what is read out."""
    markup = CODE.sub("", template.read_text("utf-8"))
    markup = PATHS.sub("><", markup)
    text = re.sub(r"<[^>]*>", "", markup)
    assert re.findall(r"[^\W\d]+", text) == []
    spoken = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', markup)
    assert [one for one in spoken if re.search(r"\w", one)] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=NAMES)
def test_templates_ask_for_words_that_there_are(template: Path) -> None:
    """Each key that is written out is in the catalogue."""
    found = re.findall(r'say\("([a-z_.]+)"[,)]', template.read_text("utf-8"))
    assert [key for key in found if key not in catalogue("en")] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=NAMES)
def test_only_words_of_ours_are_not_escaped(template: Path) -> None:
    """`safe` stands behind sections that were rendered, and words with a command in them."""
    for place in re.findall(r"{{([^}]*)\|\s*safe\s*}}", template.read_text("utf-8")):
        assert re.match(r'\s*(sections\[name\]|say\("failed\.)', place), place
        assert "entry" not in place


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-GB,ko;q=0.5", "en"),
        ("de,fr;q=0.8", "en"),
        ("de,ko;q=0.1", "ko"),
        ("ko;q=0", "en"),
        ("ko;q=often,en;q=0.1", "en"),
        (",,;;==" * 1000, "en"),
    ],
)
def test_the_language_is_what_the_browser_wants_most(header: str, code: str) -> None:
    """Of those that there are; nonsense counts as no wish."""
    assert accepted(header) == code


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (-1, "0 s", "0초"),
        (0.26, "0.3 s", "0.3초"),
        (59.4, "59 s", "59초"),
        (60, "1 min", "1분"),
        (125, "2 min 5 s", "2분 5초"),
        (725, "12 min", "12분"),
        (7_260, "2 h 1 min", "2시간 1분"),
        (90_000, "1 d 1 h", "1일 1시간"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, english: str, korean: str) -> None:
    """In the language's own units."""
    assert language("en").duration(seconds) == english
    assert language("ko").duration(seconds) == korean


def test_sizes_and_numbers_can_be_read() -> None:
    """Binary units; thousands set apart."""
    say = language("en")
    assert [say.size(1), say.size(2_048), say.size(700 * 1024**2)] == ["1 B", "2 KiB", "700 MiB"]
    assert [say.size(5 * 1024**3), say.number(1_234_567)] == ["5.0 GiB", "1,234,567"]


def test_a_time_of_another_day_has_its_date() -> None:
    """In the order of the language."""
    now = 1_800_000_000.0
    assert re.fullmatch(r"\d\d:\d\d:\d\d", language("ko").moment(now, now))
    assert language("en").moment(now - 3 * 86_400, now).startswith("2027-01-")
    assert language("ko").moment(now - 3 * 86_400, now).startswith("2027. 1. ")
