"""Picks the files that a comparison works on, and what is done to which of them."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECTORY_FILES = range(3, 9)
"""A directory with so many files is one to move."""
EDITED_BYTES = 10_000
"""The file to edit is the one nearest to this: some thirty chunks of 500 characters."""
DELETED = 10


@dataclass(frozen=True, slots=True)
class Roles:
    """What is done to which file; paths below the folder, with ``/``.

    Attributes:
        edited: gets a sentence at its top.
        renamed: gets another name.
        moved: a directory that moves.
        deleted: files that go.
        copied: gets a twin.
        disguised: is edited with size and time kept.
    """

    edited: str
    renamed: str
    moved: str
    deleted: tuple[str, ...]
    copied: str
    disguised: str


def sample(docs: Path, number: int) -> list[str]:
    """Choose Markdown files: one whole directory, and others from all over the tree.

    Raises:
        ValueError: the folder has no Markdown file in a directory.
    """
    files = sorted(file.relative_to(docs).as_posix() for file in docs.rglob("*.md"))
    sizes = {file: (docs / file).stat().st_size for file in files}
    group = _group(files, sizes, number)
    others = [file for file in files if file not in group]
    wanted = max(0, min(number, len(files)) - len(group))
    step = len(others) / wanted if wanted else 1.0
    return sorted(group + [others[int(place * step)] for place in range(wanted)])


def spread(docs: Path, number: int, first: Iterable[str] = ()) -> list[str]:
    """Choose Markdown files from all over the tree; those that are named first, where they are."""
    files = sorted(file.relative_to(docs).as_posix() for file in docs.rglob("*.md"))
    named = [file for file in dict.fromkeys(first) if file in files][:number]
    others = [file for file in files if file not in named]
    wanted = min(number, len(files)) - len(named)
    return sorted(named + [others[place * len(others) // wanted] for place in range(wanted)])


def nearest(docs: Path, size: int = EDITED_BYTES) -> str:
    """The file whose size is nearest to this one."""
    files = sorted(docs.rglob("*.md"))
    return min(files, key=lambda file: abs(file.stat().st_size - size)).relative_to(docs).as_posix()


def contents(docs: Path) -> dict[str, bytes | None]:
    """What each Markdown file holds, by path."""
    return {file.relative_to(docs).as_posix(): file.read_bytes() for file in docs.rglob("*.md")}


def copy(docs: Path, files: list[str], target: Path) -> None:
    """Copy files with their times."""
    for file in files:
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(docs / file, place)


def assign(docs: Path) -> Roles:
    """Give out the roles; where there are few files, one plays several."""
    files = sorted(file.relative_to(docs).as_posix() for file in docs.rglob("*.md"))
    sizes = {file: (docs / file).stat().st_size for file in files}
    group = _group(files, sizes, len(files))
    moved = PurePosixPath(group[0]).parent.as_posix()
    pool = [file for file in files if file not in group] or files
    by_fit = sorted(pool, key=lambda file: abs(sizes[file] - EDITED_BYTES))
    edited, renamed, copied, disguised = (by_fit[place % len(by_fit)] for place in range(4))
    rest = [file for file in pool if file not in {edited, renamed, copied, disguised}]
    return Roles(edited, renamed, moved, tuple(rest[:DELETED]), copied, disguised)


def _group(files: list[str], sizes: dict[str, int], number: int) -> list[str]:
    """The files of the directory to move: the one with most text among those of fair size."""
    directories: dict[str, list[str]] = defaultdict(list)
    for file in files:
        parent = PurePosixPath(file).parent.as_posix()
        if parent != ".":
            directories[parent].append(file)
    leaves = [
        group
        for parent, group in directories.items()
        if not any(other.startswith(f"{parent}/") for other in directories)
    ]
    fair = [group for group in leaves if len(group) in DIRECTORY_FILES and len(group) < number]
    choice = fair or leaves
    if not choice:
        raise ValueError("no Markdown file lies in a directory: there is nothing to move")
    return max(choice, key=lambda group: sum(sizes[file] for file in group))
