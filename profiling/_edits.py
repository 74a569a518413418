"""A folder in which somebody works: random edits of every kind, the same from the same seed.

Each edit tells which paths it leaves how, so that whoever watches can be asked whether it has
noticed. The number of documents and their lengths wander about where they began.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

from _daemon import Content
from _texts import TOPICS, document, section

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

FOLDERS = 12
BREAK = "\n## "
LEAST, MOST = 4, 20
"""Sections of a document; beyond these, deletions become insertions and the other way round."""
SLACK = 0.1
"""Share by which the number of documents may leave where it began."""
SUFFIXES = (".md", ".md", ".txt")
Expected = dict[bytes, Content | None]


class Tree:
    """The folder.

    Args:
        folder: where; it is made.
        documents: how many there are, on the average.
        seed: what decides everything.
    """

    def __init__(self, folder: Path, documents: int, seed: int) -> None:
        self.folder = folder
        self.made: Counter[str] = Counter()
        self._chance = random.Random(seed)  # noqa: S311 - repeatable
        self._about = documents
        self._number = 0
        self._files: list[Path] = []
        self._kinds: dict[str, Callable[[Path], Expected]] = {
            "change": self._change,
            "insert": self._insert,
            "delete": self._delete,
            "append": self._append,
            "atomic save": self._save,
            "rename": self._rename,
            "new": self._new,
            "remove": self._remove,
            "copy": self._copy,
            "touch": self._touch,
        }
        self._weights = (25, 12, 12, 8, 15, 8, 7, 9, 2, 2)
        for _ in range(documents):
            self._new(self.folder)
        self.made.clear()

    def __len__(self) -> int:
        """Documents that are there."""
        return len(self._files)

    def expected(self) -> Expected:
        """Everything, as it is."""
        return {self._key(file): Content.of(file) for file in self._files}

    def edit(self, busy: Collection[bytes]) -> Expected:
        """Make one edit, of a document that is not busy; tells how it leaves things."""
        [kind] = self._chance.choices(list(self._kinds), self._weights)
        kind = self._kept_in_bounds(kind)
        while True:
            file = self._chance.choice(self._files)
            if self._key(file) not in busy:
                break
        left = self._kinds[kind](file)
        self.made[kind] += 1
        return left

    def _kept_in_bounds(self, kind: str) -> str:
        if kind in {"new", "copy"} and len(self._files) > self._about * (1 + SLACK):
            return "remove"
        if kind == "remove" and len(self._files) < self._about * (1 - SLACK):
            return "new"
        return kind

    def _change(self, file: Path) -> Expected:
        """Write other words into one section, in place."""
        parts = self._parts(file)
        parts[self._chance.randrange(len(parts))] = self._section()
        return self._written(file, parts)

    def _insert(self, file: Path) -> Expected:
        parts = self._parts(file)
        if len(parts) >= MOST:
            return self._delete(file)
        parts.insert(self._chance.randrange(len(parts) + 1), self._section())
        return self._written(file, parts)

    def _delete(self, file: Path) -> Expected:
        parts = self._parts(file)
        if len(parts) <= LEAST:
            return self._insert(file)
        del parts[self._chance.randrange(len(parts))]
        return self._written(file, parts)

    def _append(self, file: Path) -> Expected:
        """Add a section at the end, as a log grows."""
        if len(self._parts(file)) >= MOST:
            return self._delete(file)
        with file.open("a", encoding="utf-8") as end:
            end.write(BREAK + self._section())
        return self._as_is(file)

    def _save(self, file: Path) -> Expected:
        """Change a section as most editors do: a temporary file that takes the old one's place."""
        parts = self._parts(file)
        parts[self._chance.randrange(len(parts))] = self._section()
        temporary = file.with_name(f".{file.name}.tmp")
        temporary.write_text(BREAK.join(parts), encoding="utf-8")
        temporary.replace(file)
        return self._as_is(file)

    def _rename(self, file: Path) -> Expected:
        """Another name, often in another folder; the suffix stays."""
        target = self._fresh(file.suffix)
        file.rename(target)
        self._files[self._files.index(file)] = target
        return {self._key(file): None, **self._as_is(target)}

    def _new(self, _file: Path) -> Expected:
        file = self._fresh(self._chance.choice(SUFFIXES))
        sections = self._chance.randint(LEAST, MOST)
        file.write_text(document(self._number, 0, sections), encoding="utf-8")
        self._files.append(file)
        return self._as_is(file)

    def _remove(self, file: Path) -> Expected:
        file.unlink()
        self._files.remove(file)
        return {self._key(file): None}

    def _copy(self, file: Path) -> Expected:
        target = self._fresh(file.suffix)
        shutil.copyfile(file, target)
        self._files.append(target)
        return self._as_is(target)

    def _touch(self, file: Path) -> Expected:
        os.utime(file)
        return self._as_is(file)

    def _parts(self, file: Path) -> list[str]:
        return file.read_text(encoding="utf-8").split(BREAK)

    def _section(self) -> str:
        self._number += 1
        text = section(self._chance.randrange(TOPICS), f"Section {self._number}", self._chance)
        return text.removeprefix("## ")

    def _written(self, file: Path, parts: list[str]) -> Expected:
        file.write_text(BREAK.join(parts), encoding="utf-8")
        return self._as_is(file)

    def _fresh(self, suffix: str) -> Path:
        self._number += 1
        folder = self.folder / f"folder{self._chance.randrange(FOLDERS)}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"document{self._number}{suffix}"

    def _as_is(self, file: Path) -> Expected:
        return {self._key(file): Content.of(file)}

    def _key(self, file: Path) -> bytes:
        return os.fsencode(file.relative_to(self.folder))
