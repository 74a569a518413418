"""A plan of edits to a folder: what people do to files, decided by a seed, made one at a time.

The plan is decided from the names of the files alone; to carry it out, an `Editor` makes one edit
after the other, and tells how each leaves things, so that whoever watches can be asked about it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchmarks.chance import Chance
from benchmarks.documents import Corpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WEIGHTS = {
    "change": 30,
    "insert": 12,
    "append": 12,
    "rename": 8,
    "new": 10,
    "copy": 6,
    "delete": 8,
    "restore": 5,
    "touch": 6,
    "move directory": 3,
}
"""Kinds of edits, and how often each is made."""
SAMPLE_AN_EDIT = 4
LEAST_SAMPLE = 200
NEW_FROM = 50_000_000
"""New documents are numbered from here: no corpus has as many."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit.

    Attributes:
        number: in its plan, from 0; decides the words that it writes.
        kind: one of `WEIGHTS`.
        path: what it is done to, below the folder.
        target: where that is afterwards, or its twin; empty where nothing moves.
    """

    number: int
    kind: str
    path: str
    target: str = ""


def sample(folder: Path, edits: int, seed: int) -> list[str]:
    """Files of a folder for so many edits: bounded, and from all over it.

    Raises:
        ValueError: the folder has no Markdown file.
    """
    wanted, chance = max(LEAST_SAMPLE, SAMPLE_AN_EDIT * edits), Chance(f"sample {seed}")
    kept: list[str] = []
    for seen, path in enumerate(_files(folder)):
        if len(kept) < wanted:
            kept.append(path)
        elif (place := chance.below(seen + 1)) < wanted:
            kept[place] = path
    if not kept:
        raise ValueError(f"no Markdown file in {folder}: there is nothing to edit")
    return sorted(kept)


def plan(files: Sequence[str], edits: int, seed: int) -> Iterator[Edit]:
    """Decide edits, each of which can be made after those before it."""
    return _Planner(files, seed).edits(edits)


class Editor:
    """Makes edits in a folder.

    Args:
        folder: where the files are.
        seed: of the words that are written.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._words = Corpus(seed)
        self._kept: dict[str, bytes] = {}

    def make(self, edit: Edit) -> dict[str, bytes | None]:
        """Make one edit.

        Returns:
            The content of each path that it touched; None: there is nothing any more.
        """
        file = self._folder / edit.path
        if edit.kind == "move directory":
            return self._move(file, self._folder / edit.target)
        if edit.kind == "touch":
            os.utime(file)
        elif edit.kind == "delete":
            self._kept[edit.path] = file.read_bytes()
            file.unlink()
            return {edit.path: None}
        elif edit.kind in {"rename", "copy"}:
            return self._elsewhere(edit)
        else:
            file.write_bytes(self._written(edit, file))
        return {edit.path: file.read_bytes()}

    def _elsewhere(self, edit: Edit) -> dict[str, bytes | None]:
        """A rename, or a copy."""
        file, target = self._folder / edit.path, self._folder / edit.target
        if edit.kind == "copy":
            shutil.copyfile(file, target)
            return {edit.target: target.read_bytes()}
        file.rename(target)
        return {edit.path: None, edit.target: target.read_bytes()}

    def _move(self, source: Path, target: Path) -> dict[str, bytes | None]:
        source.rename(target)
        old, new = (PurePosixPath(each.relative_to(self._folder)) for each in (source, target))
        self._kept = {_below(path, old, new): data for path, data in self._kept.items()}
        left: dict[str, bytes | None] = {}
        for path in _files(target):
            left[(source / path).relative_to(self._folder).as_posix()] = None
            moved = target / path
            left[moved.relative_to(self._folder).as_posix()] = moved.read_bytes()
        return left

    def _written(self, edit: Edit, file: Path) -> bytes:
        """What a file holds after an edit of its content."""
        if edit.kind == "restore":
            return self._kept.pop(edit.path)
        document = self._words.document(NEW_FROM + edit.number)
        if edit.kind == "new":
            return document.text.encode()
        text, new = file.read_text(encoding="utf-8"), document.text.split("\n\n")[2]
        if edit.kind == "insert":
            return f"{new}\n\n{text}".encode()
        if edit.kind == "append":
            return f"{text}\n{new}\n".encode()
        blocks = text.split("\n\n")
        blocks[len(blocks) // 2] = new
        return "\n\n".join(blocks).encode()


class _Planner:
    """Knows which files there are while the plan grows."""

    def __init__(self, files: Sequence[str], seed: int) -> None:
        self._chance = Chance(f"edits {seed}")
        self._files = list(files)
        self._gone: list[str] = []

    def edits(self, count: int) -> Iterator[Edit]:
        kinds = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
        for number in range(count):
            yield self._edit(number, self._possible(self._chance.of(kinds)))

    def _possible(self, kind: str) -> str:
        """The kind, or another one where it cannot be."""
        if kind == "restore" and not self._gone:
            return "change"
        return "new" if kind == "delete" and len(self._files) == 1 else kind

    def _edit(self, number: int, kind: str) -> Edit:
        place = self._chance.below(len(self._files))
        path = self._files[place]
        beside = str(PurePosixPath(path).with_name(f"{kind}-{number:05}.md"))
        if kind == "move directory":
            return self._move_directory(number, place)
        if kind == "restore":
            path = self._gone.pop(self._chance.below(len(self._gone)))
            self._files.append(path)
        elif kind == "delete":
            self._gone.append(self._files.pop(place))
        elif kind == "rename":
            self._files[place] = beside
        elif kind in {"new", "copy"}:
            self._files.append(beside)
        if kind == "new":
            return Edit(number, kind, beside)
        return Edit(number, kind, path, beside if kind in {"rename", "copy"} else "")

    def _move_directory(self, number: int, place: int) -> Edit:
        """Give the directory of a file another name; in the root, which stays, the file itself."""
        directory = PurePosixPath(self._files[place]).parent
        if str(directory) == ".":
            return self._edit(number, "rename")
        target = directory.with_name(f"moved-{number:05}")
        for paths in (self._files, self._gone):
            paths[:] = [_below(path, directory, target) for path in paths]
        return Edit(number, "move directory", str(directory), str(target))


def _below(path: str, directory: PurePosixPath, target: PurePosixPath) -> str:
    """A path after a directory moved."""
    return f"{target}{path[len(str(directory)) :]}" if path.startswith(f"{directory}/") else path


def _files(folder: Path) -> Iterator[str]:
    """The Markdown files below a folder, in an order that does not depend on the file system."""
    for place, directories, names in os.walk(folder):
        directories.sort()
        for name in sorted(names):
            if name.endswith(".md"):
                yield (Path(place) / name).relative_to(folder).as_posix()
