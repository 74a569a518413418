"""The page for ``man``: as the commands are, and sound."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingestd.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "ingestd.1"


@pytest.mark.parametrize("columns", ["40", "300"])
def test_it_is_as_the_commands_are(columns: str) -> None:
    """A change of a command, without `make man`, is found; the terminal's width changes nothing."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "state")])
    done = subprocess.run(
        [sys.executable, "-m", "scripts.manpage", "--check"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": columns, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_verb_is_in_it() -> None:
    """No verb is left out, and no exit code."""
    text = PAGE.read_text("utf-8")
    assert [verb for verb in VERBS if f".SS ingestd {verb}" not in text] == []
    assert [code for code in range(21) if f"\n.B {code}\n" not in text] == []


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_has_nothing_to_say_of_it() -> None:
    """It is set without a warning."""
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Tutf8", str(PAGE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
