"""The tasks of the comparison: each changes the files, has the system run, and counts.

They follow one another on one store, as the days of a folder do. Only the tasks about kills start
from nothing.
"""

from __future__ import annotations

import math
import shutil
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from benchmarks import changes, systems
from benchmarks.compared import Row, compare, of_path, stale
from benchmarks.corpus import assign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.systems import System

Values = dict[str, Any]
KILLED_AT = {"T9a": 0.3, "T9b": 0.7}


class Scenario:
    """One system on its own copy of the files.

    Args:
        system: which.
        docs: a copy of the files that is the scenario's own.
        work: an empty folder for stores.
    """

    def __init__(self, system: System, docs: Path, work: Path) -> None:
        self._system = system
        self._docs = docs
        self._work = work
        self._roles = assign(docs)
        self._rows: list[Row] = []
        self._cold: list[Row] = []
        self._cold_embedded = 0

    @property
    def tasks(self) -> dict[str, Callable[[], Values]]:
        """The tasks in their order."""
        return {
            "T1": self.cold,
            **{task: partial(self.killed, share) for task, share in KILLED_AT.items()},
            "T2": lambda: self._run(lambda: None),
            "T3": lambda: self._run(lambda: changes.touch_all(self._docs)),
            "T4a": lambda: self.inserted(changes.insert_at_top),
            "T4b": lambda: self.inserted(changes.insert_below_title),
            "T5a": lambda: self.moved(self._roles.renamed, _renamed(self._roles.renamed)),
            "T5b": lambda: self.moved(self._roles.moved, f"{self._roles.moved}-moved"),
            "T6": self.deleted,
            "T7": self.copied,
            "T8": self.disguised,
            "T2-T8": self.against_fresh,
            "T12a": self.directory_gone,
            "T12b": self.directory_back,
            "T13a": self.branch,
            "T13b": self.branch_back,
            "T14": self.root_missing,
            "T15": self.root_empty,
        }

    def cold(self) -> Values:
        """The first ingest."""
        values = self._run(lambda: None)
        self._cold, self._cold_embedded = self._rows, values["embedded"]
        return values

    def inserted(self, insert: Callable[[Path], None]) -> Values:
        """A sentence at the top of a file."""
        file = self._roles.edited
        values = self._run(lambda: insert(self._docs / file))
        return {**values, "of": of_path(self._rows, file)}

    def moved(self, old: str, new: str) -> Values:
        """A file or a directory under another name."""
        values = self._run(lambda: (self._docs / old).rename(self._docs / new))
        return {**values, "of": of_path(self._rows, new), "stale": stale(self._rows, [old])}

    def deleted(self) -> Values:
        """Files deleted."""

        def delete() -> None:
            for file in self._roles.deleted:
                (self._docs / file).unlink()

        values = self._run(delete)
        return {**values, "stale": stale(self._rows, self._roles.deleted)}

    def copied(self) -> Values:
        """A file copied."""
        file = self._roles.copied
        twin = PurePosixPath(file).with_name("copy-of-a-file.md").as_posix()
        values = self._run(lambda: shutil.copyfile(self._docs / file, self._docs / twin))
        return {**values, "of": of_path(self._rows, twin)}

    def disguised(self) -> Values:
        """An edit that keeps size and mtime."""
        file = self._roles.disguised
        word = changes.disguise(self._docs / file)
        values = self._run(lambda: None)
        seen = any(row.path == file and word in row.text for row in self._rows)
        return {**values, "detected": "yes" if seen else "NO"}

    def against_fresh(self) -> Values:
        """The store beside a fresh ingest of the files as they are."""
        store = self._work / "fresh"
        self._index(store)
        fresh = systems.rows(self._system, self._docs, store)
        difference = compare(self._rows, fresh)
        shutil.rmtree(store)
        return _told(difference.extra, difference.missing, difference.duplicate, of=len(fresh))

    def killed(self, share: float) -> Values:
        """A first ingest, killed when a share of the texts has reached the model; then another."""
        store = self._work / "killed"
        limit = max(1, math.ceil(share * self._cold_embedded))
        first = systems.index(self._system, self._docs, store, kill_after=limit)
        second = self._index(store)
        rows = systems.rows(self._system, self._docs, store)
        difference = compare(rows, self._cold)
        again = first.embedded + second - self._cold_embedded
        shutil.rmtree(store)
        return {
            **_told(difference.extra, difference.missing, difference.duplicate, of=len(self._cold)),
            "have": len(rows),
            "again": again,
            "killed": first.exit_code < 0,
        }

    def directory_gone(self) -> Values:
        """A directory deleted."""
        directory = f"{self._roles.moved}-moved"
        changes.keep(self._docs / directory, self._work / "directory")
        values = self._run(lambda: shutil.rmtree(self._docs / directory))
        return {**values, "stale": stale(self._rows, [directory])}

    def directory_back(self) -> Values:
        """The directory put back."""
        directory = f"{self._roles.moved}-moved"
        kept = self._work / "directory"
        values = self._run(lambda: shutil.copytree(kept, self._docs / directory))
        return {**values, "of": of_path(self._rows, directory)}

    def branch(self) -> Values:
        """Another branch of the files."""
        changes.keep(self._docs, self._work / "branch")
        before = set(self._rows)
        values = self._run(lambda: changes.switch_branch(self._docs))
        return {**values, "of": len(set(self._rows) - before)}

    def branch_back(self) -> Values:
        """The former branch again."""
        before = set(self._rows)
        values = self._run(lambda: changes.put_back(self._docs, self._work / "branch"))
        return {**values, **self.against_fresh(), "of": len(set(self._rows) - before)}

    def root_missing(self) -> Values:
        """A run while the folder is not there; it comes back afterwards."""
        before, away = len(self._rows), self._docs.with_name("away")
        self._docs.rename(away)
        try:
            run = systems.index(self._system, self._docs, self._work / "store")
        finally:
            if self._docs.exists():
                shutil.rmtree(self._docs)
            away.rename(self._docs)
        left = len(systems.rows(self._system, self._docs, self._work / "store"))
        return {"before": before, "after": left, "exit_code": run.exit_code}

    def root_empty(self) -> Values:
        """A run while the folder is empty, as an unmounted one is."""
        before, away = len(self._rows), self._docs.with_name("away")
        self._docs.rename(away)
        self._docs.mkdir()
        try:
            run = systems.index(self._system, self._docs, self._work / "store")
            left = len(systems.rows(self._system, self._docs, self._work / "store"))
        finally:
            shutil.rmtree(self._docs)
            away.rename(self._docs)
        return {"before": before, "after": left, "exit_code": run.exit_code}

    def _run(self, change: Callable[[], object]) -> Values:
        """Make a change, have the system run, and read what it then holds."""
        change()
        embedded = self._index(self._work / "store")
        self._rows = systems.rows(self._system, self._docs, self._work / "store")
        return {"embedded": embedded, "vectors": len(self._rows)}

    def _index(self, store: Path) -> int:
        run = systems.index(self._system, self._docs, store)
        if run.exit_code != 0:
            raise RuntimeError(f"{self._system.name} failed:\n{run.output[-2000:]}")
        return run.embedded


def _told(extra: int, missing: int, duplicate: int, *, of: int) -> Values:
    return {"extra": extra, "missing": missing, "duplicate": duplicate, "want": of}


def _renamed(file: str) -> str:
    path = PurePosixPath(file)
    return path.with_name(f"renamed-{path.name}").as_posix()
