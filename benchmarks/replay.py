"""Replays a history of edits under the running daemon, and counts what it embeds."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.share import Tallies

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.daemon import Daemon
    from benchmarks.share import Change

TOLD_EVERY = 25


@dataclass(slots=True)
class Outcome:
    """What a replay counted.

    Attributes:
        sets: change sets replayed.
        changes: by kind.
        fresh: chunks of edited files that the former version of the file did not have.
        embedded: chunks of edited files whose text went through the model.
        texts: texts that went through the model, of all files.
        settled_s: seconds from the last write of a set until all was indexed, by set.
    """

    sets: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    fresh: Tallies = field(default_factory=Tallies)
    embedded: Tallies = field(default_factory=Tallies)
    texts: int = 0
    settled_s: list[float] = field(default_factory=list)


class Replay:
    """One history in one folder.

    Args:
        folder: where the files lie.
        daemon: what watches them.
    """

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self._folder = folder
        self._daemon = daemon
        self._texts: dict[str, str] = {}

    def run(self, sets: Iterable[list[Change]]) -> Outcome:
        """Replay; the first set only makes the files that the history starts with."""
        outcome = Outcome()
        for number, changes in enumerate(sets):
            if number == 0:
                self._daemon.settle(self._write(changes))
                continue
            self._step(changes, outcome)
            if number % TOLD_EVERY == 0:
                print(f"{number} change sets replayed", file=sys.stderr, flush=True)
        return outcome

    def _step(self, changes: list[Change], outcome: Outcome) -> None:
        """Replay one change set, and count it."""
        edited = [change.path for change in changes if change.op == "edit"]
        texts = {path: self._texts[path] for path in edited}
        before, known = self._daemon.chunks(edited), self._daemon.embedded()
        outcome.settled_s.append(self._daemon.settle(self._write(changes)))
        outcome.sets += 1
        outcome.changes.update(change.op for change in changes)
        fresh = self._daemon.embedded() - known
        outcome.texts += len(fresh)
        for path, now in self._daemon.chunks(edited).items():
            edit = (path, texts[path], self._texts[path])
            outcome.fresh.add(edit, len(now - before[path]), len(now))
            outcome.embedded.add(edit, len(now & fresh), len(now))
            fresh -= now  # a text of two files is embedded once

    def _write(self, changes: list[Change]) -> dict[str, bytes | None]:
        """Make the changes on disk; returns what each path now holds."""
        expected: dict[str, bytes | None] = {}
        for change in changes:
            place = self._folder / change.path
            place.parent.mkdir(parents=True, exist_ok=True)
            if change.op == "delete":
                place.unlink()
                del self._texts[change.path]
                expected[change.path] = None
                continue
            if change.op == "move":
                (self._folder / change.origin).rename(place)
                self._texts[change.path] = self._texts.pop(change.origin)
                expected[change.origin] = None
            if change.text is not None:
                place.write_bytes(change.text.encode())
                self._texts[change.path] = change.text
            expected[change.path] = self._texts[change.path].encode()
        return expected
