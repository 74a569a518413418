"""Secrets through the whole program: never indexed, never silent, and never told."""

from __future__ import annotations

import json
import random
import string
from typing import TYPE_CHECKING, Any

import pytest
from daemon import contents, ingestd

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "gh" + "p_" + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=36))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents, a file of credentials, and a page with a token on it."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "guide.md").write_text("# Guide\n\nHow to store passwords.\n", "utf-8")
    (docs / "page.md").write_text("# Page\n\nThe plan of the week.\n", "utf-8")
    (docs / ".env").write_text(f"PASSWORD={TOKEN[4:]}\n", "utf-8")
    (docs / "leak.md").write_text(f"# Leak\n\nUse {TOKEN} here.\n", "utf-8")
    return docs


class Instance:
    """An instance that is run again and again."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        self.state = state
        self.said = ""

    def run(self, *options: str | Path) -> dict[str, Any]:
        """Index, and return the report."""
        done = ingestd("run", self.folder, "--once", "--json", "--state-dir", self.state, *options)
        assert done.returncode == 0, done.stderr
        self.said += done.stdout + done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def ask(self, verb: str, *rest: str | Path) -> str:
        """What a verb says."""
        done = ingestd(verb, *rest, "--state-dir", self.state)
        assert done.returncode == 0, done.stderr
        self.said += done.stdout + done.stderr
        return done.stdout

    def texts(self) -> dict[str, str]:
        """What is in the collection, by path."""
        return {metadata["path"]: text for text, metadata, _ in contents(self.state).values()}


@pytest.fixture
def instance(folder: Path, tmp_path: Path) -> Instance:
    """One that has indexed the folder."""
    one = Instance(folder, tmp_path / "state")
    report = one.run()
    assert (report["documents"]["indexed"], report["documents"]["skipped"]) == (2, 2)
    return one


def test_secrets_are_listed_and_never_told(instance: Instance, folder: Path) -> None:
    """`status`, `ls` and `why` say which files they are in, and why; no byte of them is kept."""
    assert set(instance.texts()) == {"guide.md", "page.md"}
    assert json.loads(instance.ask("status", "--json"))["skipped"] == {"secret": 2}
    assert "2 secret" in instance.ask("status")
    lines = instance.ask("ls", "--reason", "secret").splitlines()
    assert len(lines) == 2
    assert "by its name, *.env (built-in)" in lines[0]
    assert "GitHub token at character" in lines[1]
    assert "extract.secret_rules" in instance.ask("why", folder / "leak.md")
    assert "by its name" in instance.ask("why", folder / ".env")
    secret = TOKEN[8:24]
    assert secret not in instance.said
    for path in instance.state.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_a_document_that_turns_into_a_secret_leaves(instance: Instance, folder: Path) -> None:
    """By what it holds, or by its name; and comes back when it is none any more."""
    (folder / "page.md").write_text(f"# Page\n\nThe token is {TOKEN}.\n", "utf-8")
    instance.run()
    assert set(instance.texts()) == {"guide.md"}
    (folder / "guide.md").rename(folder / "id_rsa")
    report = instance.run()
    assert report["chunks"]["live"] == 0
    assert instance.texts() == {}
    (folder / "id_rsa").rename(folder / "guide.md")
    (folder / "page.md").write_text("# Page\n\nThe token is gone.\n", "utf-8")
    instance.run()
    assert set(instance.texts()) == {"guide.md", "page.md"}


def test_one_line_of_configuration_takes_them_in(instance: Instance, tmp_path: Path) -> None:
    """All of them, or one by its name; and leaves them out again."""
    config = tmp_path / "config.toml"
    config.write_text('[extract]\nsecret_rules = ["!leak.md", "guide.*"]\n', "utf-8")
    instance.run("--config", config)
    assert set(instance.texts()) == {"leak.md", "page.md"}
    config.write_text('[extract]\nsecrets = "index"\n', "utf-8")
    instance.run("--config", config)
    assert set(instance.texts()) == {".env", "guide.md", "leak.md", "page.md"}
    instance.run()
    assert set(instance.texts()) == {"guide.md", "page.md"}


def test_a_rule_file_takes_a_name_in_and_out(instance: Instance, folder: Path) -> None:
    """Although the file itself did not change."""
    rules = folder / ".ingestignore"
    (folder / ".netrc").write_text("machine host login me\n", "utf-8")
    rules.write_text("!.netrc\n", "utf-8")
    instance.run()
    assert set(instance.texts()) == {".netrc", "guide.md", "page.md"}
    rules.unlink()
    instance.run()
    assert set(instance.texts()) == {"guide.md", "page.md"}
    assert ingestd("check", "--state-dir", instance.state).returncode == 0
