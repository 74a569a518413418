"""What the log looks like, what is kept out of it, and what is not told a hundred times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.repeats import FIRST, KINDS, WINDOW_S, Repeats

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys, structlog
from ingestd import logs
logs.configure("info", sys.argv[1], ["hush-hush", None, ""])
log = structlog.get_logger("ingestd.test")
"""
NASTY = 'a\\x1b[31m\\nb = \\u202e\\"c'


def told(code: str, form: str = "json", **environment: str) -> list[str]:
    """The lines that a program logs."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + code, form],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_the_journal_gets_priorities() -> None:
    """Each line begins with its priority, then the event, then what belongs to it."""
    code = 'log.info("ready", n=3, ok=True); log.warning("slow", path="a b.md"); log.error("bad")'
    assert told(code, "journal") == [
        "<6>ready n=3 ok=true",
        '<4>slow path="a b.md"',
        "<3>bad",
    ]


def test_each_line_of_a_traceback_has_its_priority() -> None:
    """The journal splits a message at its lines."""
    code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('died')"
    lines = told(code, "journal")
    assert lines[0] == "<3>died"
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


def test_the_journal_is_found_by_itself(tmp_path: Path) -> None:
    """Where standard error is the stream that systemd names, its form is taken."""
    file = tmp_path / "journal"
    with file.open("w") as stream:
        found = os.fstat(stream.fileno())
        place = f"{found.st_dev}:{found.st_ino}"
        subprocess.run(
            [sys.executable, "-c", PROGRAM + 'log.info("ready")', "auto"],
            env={**os.environ, "JOURNAL_STREAM": place},
            stderr=stream,
            check=True,
        )
    assert file.read_text("utf-8") == "<6>ready\n"
    assert told('log.info("ready")', "auto", JOURNAL_STREAM=place)[0].startswith("{")


@pytest.mark.parametrize("form", ["journal", "json", "pretty"])
def test_one_event_is_one_line_whatever_is_in_it(form: str) -> None:
    """Nothing in a path or an error ends the line, or steers a terminal."""
    lines = told(f'log.warning("odd", path="{NASTY}")', form)
    assert len(lines) == 1
    assert "\x1b[31m\n" not in lines[0]
    assert "\u202e" not in lines[0]
    assert form == "pretty" or "\x1b" not in lines[0]
    if form == "json":
        assert json.loads(lines[0])["path"] == 'a\x1b[31m\nb = \u202e"c'


@pytest.mark.parametrize("form", ["journal", "json", "pretty"])
def test_secrets_are_masked(form: str) -> None:
    """Tokens that are configured, and passwords in addresses, are nowhere, not in tracebacks."""
    code = (
        'log.info("x", url="http://me:swordfish@host/a", header="Bearer hush-hush")\n'
        "try:\n    raise ValueError('postgresql://u:swordfish@h/d hush-hush')\n"
        "except ValueError:\n    log.exception('died', error='hush-hush')"
    )
    text = "\n".join(told(code, form))
    assert "swordfish" not in text
    assert "hush-hush" not in text
    assert "***@host" in text


@pytest.mark.parametrize("form", ["journal", "json", "pretty"])
def test_tracebacks_tell_no_values(form: str) -> None:
    """The variables of a function that failed may hold the text of a document."""
    code = (
        "def fail(text):\n    raise ValueError('no')\n"
        "try:\n    fail('the text ' + 'of a document')\n"
        "except ValueError:\n    log.exception('died')"
    )
    text = "\n".join(told(code, form))
    assert "ValueError" in text
    assert "the text of a document" not in text


def events(code: str) -> list[dict[str, Any]]:
    """What is logged, as JSON tells it."""
    return [json.loads(line) for line in told(code)]


def test_what_repeats_itself_is_counted() -> None:
    """The first ones are told, the others counted by kind, and the counts told at the end."""
    code = (
        f"for number in range({FIRST} + 30):\n"
        '    log.warning("document_failed", path=str(number), code="unreadable")\n'
        '    log.info("document_indexed", path=str(number))\n'
        'log.warning("document_failed", path="last", code="extraction")\n'
    )
    found = events(code)
    failed = [one for one in found if one["event"] == "document_failed"]
    assert len(failed) == FIRST + 1
    assert sum(one["event"] == "document_indexed" for one in found) == FIRST + 30
    [repeated] = [one for one in found if one["event"] == "repeated"]
    assert (repeated["of"], repeated["code"], repeated["times"]) == (
        "document_failed",
        "unreadable",
        30,
    )
    assert repeated["level"] == "warning"


def test_debugging_tells_everything() -> None:
    """Who looks for something gets all lines."""
    code = f'logs.set_level("debug")\nfor n in range({FIRST} + 30): log.error("bad", n=n)'
    assert len(events(code)) == FIRST + 30


def test_a_window_ends() -> None:
    """After a minute a kind begins anew; its count is told once."""
    now = 0.0
    repeats = Repeats(lambda: now)
    event = {"event": "bad", "level": "error"}
    assert sum(repeats.take(event) for _ in range(FIRST + 5)) == FIRST
    assert repeats.over() == []
    now = WINDOW_S
    assert [one["times"] for one in repeats.over()] == [5]
    assert repeats.over() == []
    assert repeats.take(event)


def test_kinds_are_bounded() -> None:
    """Where there are too many kinds, none is left out, and none is remembered."""
    repeats = Repeats(lambda: 0.0)
    for number in range(2 * KINDS):
        for _ in range(2):
            assert repeats.take({"event": f"e{number}", "level": "error"})
    assert all(repeats.take({"event": "another", "level": "error"}) for _ in range(2 * FIRST))
