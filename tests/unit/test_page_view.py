"""What the sections of the page say of the facts, and that nothing in them is taken for HTML."""

from __future__ import annotations

import copy
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from ingestd.health import Code, Health, Problem
from ingestd.history import Sample
from ingestd.page.facts import BLANK, Facts
from ingestd.page.language import LANGUAGES, language
from ingestd.page.render import section, sections
from ingestd.page.view import MOODS, SECTIONS, View

NOW = 1_800_000_000.0
HARM = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e\x00"


def facts(**changes: Any) -> Facts:
    """A daemon that is up to date, but for these changes of what its table tells."""
    table = copy.deepcopy(BLANK)
    table["sources"] = [
        {
            "name": "docs",
            "path": "/docs",
            "collection": "ingestd",
            "status": "online",
            "reason": "",
            "watching": "events",
            "last_scan_at": NOW - 5,
            "documents": {"indexed": 1_200, "failed": 0},
        }
    ]
    table["documents"]["indexed"] = 1_200
    table["chunks"]["live"] = 5_000
    table |= changes
    samples = [Sample(NOW - 60 * ago, 3, 9, 300 * 1024**2) for ago in range(5, 0, -1)]
    return Facts(NOW, table, Health(), samples, None, NOW - 3_600)


def shown(name: str, found: Facts, code: str = "en") -> str:
    """The HTML of a section."""
    return section(View(found, language(code)), name)


def waiting(number: int, **changes: Any) -> Facts:
    """So many documents wait."""
    return replace(facts(waiting={"documents": number, "oldest_s": 1.0}), **changes)


def mood(found: Facts) -> str:
    """How it is."""
    return View(found, language("en")).mood


def test_it_says_how_it_is_in_a_word() -> None:
    """Starting, working, up to date, empty, or in trouble: the first of these that is so."""
    problem = Health((Problem(Code.DISK_FULL, "full"),))
    starting = Health((Problem(Code.STARTING, "not yet"),))
    warned = Health((Problem(Code.SOURCE_OFFLINE, "docs: away"),))
    empty = facts(documents=BLANK["documents"])
    found = {
        "idle": [facts(), replace(facts(), health=warned)],
        "working": [waiting(3), replace(waiting(3), health=warned)],
        "trouble": [replace(facts(), health=problem), replace(waiting(3), health=problem)],
        "starting": [replace(facts(), health=starting)],
        "empty": [empty],
    }
    assert {name: {mood(one) for one in several} for name, several in found.items()} == {
        name: {name} for name in found
    }
    assert set(found) < set(MOODS)


def test_an_empty_one_says_what_to_do() -> None:
    """The command that adds a folder."""
    assert "ingestd run DIR" in shown("state", facts(documents=BLANK["documents"]))
    assert "ingestd run DIR" not in shown("state", facts())


@pytest.mark.parametrize("code", list(Code))
def test_each_problem_is_told_with_its_message_and_hint(code: Code) -> None:
    """In every language; the message is the daemon's own."""
    found = replace(facts(), health=Health((Problem(code, "so it is: 7"),)))
    for name in LANGUAGES:
        html = shown("state", found, name)
        if code in (Code.STARTING, Code.STOPPING):
            assert language(name)(f"state.{code}") in html
        else:
            assert "so it is: 7" in html
            assert language(name)(f"problem.{code}") in html


def test_the_estimate_is_honest() -> None:
    """When it is done, that this cannot be told, or that nothing goes on."""
    assert "done in about 2 min" in shown("figures", waiting(100, left_s=118.0))
    assert "too early to say" in shown("figures", waiting(100))
    assert "nothing waits" in shown("figures", facts())
    full = Health((Problem(Code.DISK_FULL, "full"),))
    halted = shown("figures", waiting(100, left_s=118.0, health=full))
    assert "nothing goes on" in halted
    assert "done in" not in halted


def test_the_estimate_does_not_change_each_second() -> None:
    """It is rounded: to minutes where it takes long, to seconds where it does not."""
    made = {shown("figures", waiting(100, left_s=1_000.0 + second)) for second in range(10)}
    assert len(made) == 1
    assert "done in about 5 s" in shown("figures", waiting(100, left_s=0.4))


def failed(status: str, retry_at: float | None) -> Facts:
    """One document failed."""
    entry = {
        "source": "docs",
        "path": "/docs/a.docx",
        "status": status,
        "code": "extraction",
        "error": "damaged archive",
        "attempts": 3,
        "retry_at": retry_at,
    }
    return facts(failed=[entry], documents={**BLANK["documents"], status: 40})


def test_a_failure_is_told_with_its_reason_and_what_comes_next() -> None:
    """Another try at a time, soon, or none until a person asks; and how to see the rest."""
    later = shown("failed", failed("failed", NOW + 60))
    assert "damaged archive" in later
    assert "/docs/a.docx" in later
    assert "Tried again at" in later
    assert "Tried again soon" in shown("failed", failed("failed", NOW - 1))
    dead = shown("failed", failed("dead", None))
    assert "<code>ingestd retry</code>" in dead
    assert "<code>ingestd ls --status failed --status dead</code>" in dead
    assert "The first 1 of 40" in dead


def test_a_source_that_is_away_says_why() -> None:
    """With its state in words and its reason; one that is polled says so."""
    away = facts()
    away.table["sources"][0] |= {"status": "offline", "reason": "not mounted"}
    html = shown("sources", away)
    assert "offline" in html
    assert "not mounted" in html
    polled = facts()
    polled.table["sources"][0]["watching"] = "polling: network file system"
    assert "network file system" in shown("sources", polled)


class Tags(HTMLParser):
    """Notes the elements and attributes of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def harmful() -> Facts:
    """Facts in which every text means harm."""
    found = failed("failed", None)
    found.table["failed"][0] |= {"path": HARM, "error": HARM, "code": HARM}
    found.table["sources"][0] |= {"name": HARM, "path": HARM, "reason": HARM, "watching": HARM}
    found.table["in_hand"] = [{"source": HARM, "path": HARM, "progress": HARM}]
    found.table["skipped"] = {HARM: 2}
    found.table["paused"] = {"code": HARM, "error": HARM, "hint": HARM, "since": NOW}
    found.table["runs"] = [
        {"kind": HARM, "started_at": NOW, "seconds": 1.0, "outcome": HARM, "counts": {HARM: HARM}}
    ]
    return replace(found, health=Health((Problem(Code.PAUSED, HARM, HARM),)))


@pytest.mark.parametrize("code", LANGUAGES)
def test_nothing_that_comes_from_files_is_taken_for_html(code: str) -> None:
    """No element and no attribute but those of the templates; nothing turns the text around."""
    view = View(harmful(), language(code))
    for name in SECTIONS:
        found = section(view, name)
        seen = Tags()
        seen.feed(found)
        assert not seen.tags & {"script", "img", "a", "iframe", "style"}, name
        assert not {one for one in seen.attributes if one.startswith("on") or one == "style"}
        assert "\u202e" not in found
        assert "\x00" not in found
    assert sum("&lt;script&gt;" in section(view, name) for name in SECTIONS) == 5


def test_the_same_facts_make_the_same_html() -> None:
    """So nothing is sent while nothing changes: no clock runs in it, but for the whole minute."""
    one = sections(View(waiting(5), language("en")))
    later = replace(waiting(5), at=NOW + 7)
    assert sections(View(later, language("en"))) == one
