"""The completion of the shell, as bash, zsh and fish ask for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon import environment, ingestd

from ingestd.embed.models import note

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with two sources."""
    place = tmp_path_factory.mktemp("completion")
    for name in ("handbook", "hall"):
        (place / name).mkdir()
        (place / name / "a.md").write_text(f"# {name}\n", "utf-8")
    folders = (place / "handbook", place / "hall")
    done = ingestd("run", *folders, "--once", "--collection", "texts", "--state-dir", place / "s")
    assert done.returncode == 0, done.stderr
    (place / "s" / "models" / "mine").mkdir(parents=True)
    (place / "s" / "models" / "mine" / note.NAME).touch()
    return place / "s"


def ask(instruction: str, **variables: str) -> str:
    """Run the program as the shell does; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ingestd"],
        env={**environment("hash"), "_INGESTD_COMPLETE": instruction, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def bash(*words: str) -> list[str]:
    """What bash offers for the last word."""
    found = ask("complete_bash", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1))
    return found.split()


def test_verbs_and_options() -> None:
    """Verbs, those below them, and options."""
    assert bash("ingestd", "re") == [
        *("reindex", "reconcile", "retry", "repair", "rebuild", "restore")
    ]
    assert bash("ingestd", "model", "re") == ["remove"]
    assert "--keep" in bash("ingestd", "backup", "--")
    assert bash("ingestd", "check", "--store", "em") == ["embedded"]


@pytest.mark.parametrize("verb", ["check", "reconcile", "repair"])
def test_sources(state: Path, verb: str) -> None:
    """Names of sources, less those that are named already."""
    words = ("ingestd", verb, "--state-dir", str(state))
    assert bash(*words, "h") == ["hall", "handbook"]
    assert bash(*words, "hall", "h") == ["handbook"]


def test_other_names(state: Path) -> None:
    """Collections, sources as the value of an option, and added models."""
    where = ("--state-dir", str(state))
    assert bash("ingestd", "query", *where, "--collection", "") == ["texts"]
    assert bash("ingestd", "query", *where, "--source", "hand") == ["handbook"]
    assert bash("ingestd", "model", "remove", *where, "m") == ["mine"]


def test_where_nothing_is_known(tmp_path: Path) -> None:
    """No state, a broken table or a broken configuration: nothing is offered, nothing is said."""
    (tmp_path / "state.db").write_bytes(b"broken" * 1_000)
    (tmp_path / "c.toml").write_text("[", "utf-8")
    assert bash("ingestd", "check", "--state-dir", str(tmp_path / "none"), "") == []
    assert bash("ingestd", "check", "--state-dir", str(tmp_path), "") == []
    assert bash("ingestd", "check", "--config", str(tmp_path / "c.toml"), "") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    """The script names the program, and asks it the way of that shell."""
    script = ask(f"source_{shell}")
    assert f"complete_{shell}" in script
    assert "ingestd" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_zsh_and_fish(state: Path) -> None:
    """The answers in the form of these shells."""
    line = f"ingestd check --state-dir {state} hand"
    assert '"handbook"' in ask("complete_zsh", _TYPER_COMPLETE_ARGS=line)
    fish = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_WORD_TO_COMPLETE": "hand"}
    assert ask("complete_fish", **fish, _TYPER_COMPLETE_FISH_ACTION="get-args").split() == [
        "handbook"
    ]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_in_bash_itself(state: Path, tmp_path: Path) -> None:
    """Bash with the script offers what the program answers, and paths where it has no answer."""
    program = tmp_path / "ingestd"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ingestd "$@"\n', "utf-8")
    program.chmod(0o755)
    script = ask("source_bash") + (
        f'\nCOMP_WORDS=(ingestd check --state-dir {state} "hand"); COMP_CWORD=4\n'
        '_ingestd_completion ingestd; echo "${COMPREPLY[@]}"\ncomplete -p ingestd\n'
    )
    done = subprocess.run(
        ["bash", "--norc"],
        input=script,
        env={**environment("hash"), "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    offered, how = done.stdout.splitlines()
    assert offered == "handbook"
    assert "-o default" in how
