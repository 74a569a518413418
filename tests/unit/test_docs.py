"""What the documents say is so: links lead somewhere, code parses, commands and keys exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from ingestd.cli import application
from ingestd.config import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "systemd/*.md", "profiling/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [code for name, code in FENCE.findall(page.read_text("utf-8")) if name == language]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the checkout."""
    prose = FENCE.sub("", page.read_text("utf-8"))
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)]
    local = [link for link in links if link and not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_in_documents_parses(page: Path) -> None:
    """Code in a document is code."""
    for code in blocks(page, "python"):
        compile(code, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_in_documents_exist(page: Path) -> None:
    """A document names only targets that the Makefile has."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = page.read_text("utf-8")
    named = re.findall(r"`make ([a-z-]+)", text) + re.findall(
        r"^make ([a-z-]+)", text, re.MULTILINE
    )
    assert set(named) <= targets


def test_every_target_is_in_the_help() -> None:
    """`make` alone lists every target that is meant for people."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)", makefile, re.MULTILINE)) - {"need-docs"}
    answer = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split()[1] for line in answer.stdout.splitlines()} == phony


def test_run_without_a_folder_says_what_is_missing() -> None:
    """`make run` alone sets nothing up, and shows how it is meant."""
    environment = {key: value for key, value in os.environ.items() if key != "DOCS"}
    answer = subprocess.run(
        ["make", "run"], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert answer.returncode == 2
    assert "make run DOCS=" in answer.stderr


def test_configuration_in_the_readme_is_valid(tmp_path: Path) -> None:
    """The sample can be copied as it is, its commented lines as well."""
    [sample] = blocks(ROOT / "README.md", "toml")
    for number, text in enumerate(
        (sample, re.sub(r"^# (?=\w+ = )", "", sample, flags=re.MULTILINE))
    ):
        config = tmp_path / f"{number}.toml"
        config.write_text(text, "utf-8")
        settings, _ = load(config=config, state_dir=tmp_path)
        assert [source.collection for source in settings.sources] == [None, "wiki"]


def test_readme_lists_every_verb() -> None:
    """The table of commands and the command line have the same verbs."""
    table = (ROOT / "README.md").read_text("utf-8").split("## Commands", 1)[1].split("\n## ", 1)[0]
    listed = {row.split()[0] for row in re.findall(r"^\| `ingestd ([^`]+)`", table, re.MULTILINE)}
    assert listed == set(getattr(get_command(application()), "commands", {}))


def test_every_decision_is_listed() -> None:
    """The index of decisions names each page, by its own title."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for page in folder.glob("[0-9]*.md"):
        title = page.read_text("utf-8").splitlines()[0].removeprefix(f"# {page.name[:4]}: ")
        assert f"[{page.name[:4]}]({page.name}) | {title} |" in index
