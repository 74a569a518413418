"""What people and programs do to files: each function makes one kind of change."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SENTENCE = "Read this sentence first, because yesterday it was not here.\n\n"
MARKER = "zqxjkvwzqxjkvwzqxjkvwzqxjkvw"
_WORD = re.compile(r"(?m)^[A-Z][a-z]+ [^`<{\[\n]*?\b([a-z]{6,20})\b")
_ANY_WORD = re.compile(r"\b([A-Za-z]{4,20})\b")


def touch_all(docs: Path) -> None:
    """Give every file a new time, and nothing else."""
    for file in docs.rglob("*.md"):
        os.utime(file)


def insert_at_top(file: Path) -> None:
    """Put a sentence before everything else."""
    file.write_text(SENTENCE + file.read_text(encoding="utf-8"), encoding="utf-8")


def insert_below_title(file: Path) -> None:
    """Put a sentence after the first line, where a document has its title."""
    title, _, rest = file.read_text(encoding="utf-8").partition("\n")
    file.write_text(f"{title}\n\n{SENTENCE}{rest.lstrip()}", encoding="utf-8")


def disguise(file: Path) -> str:
    """Edit a file in place, and put its time back: size and mtime say that nothing happened.

    Returns:
        The word that is new in it.

    Raises:
        ValueError: the file has no word to replace.
    """
    before = file.stat()
    text = file.read_text(encoding="utf-8")
    found = _WORD.search(text) or _ANY_WORD.search(text)
    if found is None:
        raise ValueError(f"{file} has no word to replace")
    word = MARKER[: len(found[1])]
    changed = text[: found.start(1)] + word + text[found.end(1) :]
    with file.open("r+", encoding="utf-8") as handle:
        handle.write(changed)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return word


def switch_branch(docs: Path) -> None:
    """Do what changing to another branch does: files are replaced, one goes, one comes."""
    files = sorted(docs.rglob("*.md"))
    gone, *others = files
    gone.unlink()
    for number, file in enumerate(others[::3]):
        paragraphs = file.read_text(encoding="utf-8").split("\n\n")
        paragraphs[1::3] = [
            f"{text}\n\nThis branch says it in other words, {number}." for text in paragraphs[1::3]
        ]
        replace(file, "\n\n".join(paragraphs))
    (docs / "branch.md").write_text("# A page of this branch\n\nIt says little.\n", "utf-8")


def replace(file: Path, text: str) -> None:
    """Write a file anew under its name, as version control and many editors do."""
    file.unlink()
    file.write_text(text, encoding="utf-8")


def put_back(docs: Path, kept: Path) -> None:
    """Make the files what a copy of them was, replacing only those that differ."""
    for file in sorted(docs.rglob("*.md")):
        if not (kept / file.relative_to(docs)).exists():
            file.unlink()
    for file in sorted(kept.rglob("*.md")):
        place = docs / file.relative_to(kept)
        text = file.read_text(encoding="utf-8")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        elif place.read_text(encoding="utf-8") != text:
            replace(place, text)


def keep(docs: Path, target: Path) -> None:
    """Keep a copy of the files as they are."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(docs, target)
