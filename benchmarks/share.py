"""How much of an edited file has to be embedded again, by how the file is cut.

Needs nothing but the standard library, so that it also runs where a rival's splitter is installed:
``python -m benchmarks.share EDITS.jsonl.gz`` prints the shares of the splitters it finds, as JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ORDINARY_CHARACTERS = 5_000
ORDINARY_DELTA = 400
RELEASE_NOTES = "release-notes.md"
GROUPS = ("all", "without release notes", "ordinary")

Cut = dict[str, "Callable[[str], list[str]]"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one file.

    Attributes:
        op: ``add``, ``edit``, ``move`` or ``delete``.
        path: below the folder.
        text: what it holds afterwards; None where that did not change.
        origin: where it was, of a move.
    """

    op: str
    path: str
    text: str | None
    origin: str


@dataclass(slots=True)
class Tally:
    """Chunks of edited files.

    Attributes:
        new: those that count as work.
        total: all that the files have after their edits.
    """

    new: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """The share of new ones."""
        return 100 * self.new / self.total if self.total else 0.0


class Tallies:
    """Tallies by group of edits: `GROUPS`."""

    def __init__(self) -> None:
        self._by_group: dict[str, Tally] = defaultdict(Tally)

    def add(self, edit: tuple[str, str, str], new: int, total: int) -> None:
        """Count an edit: its path, the text before and after, and its chunks."""
        for group in groups(*edit):
            self._by_group[group].new += new
            self._by_group[group].total += total

    def values(self) -> dict[str, dict[str, float]]:
        """Numbers by group, for JSON."""
        return {
            group: {**asdict(tally), "percent": round(tally.percent, 2)}
            for group in GROUPS
            for tally in [self._by_group[group]]
        }


def groups(path: str, before: str, after: str) -> list[str]:
    """The groups that an edit belongs to.

    An ordinary edit is one of a file that is not small, and changes its length by little.
    """
    if Path(path).name == RELEASE_NOTES:
        return ["all"]
    delta = abs(len(after) - len(before))
    small = len(before) <= ORDINARY_CHARACTERS or delta >= ORDINARY_DELTA or before == after
    return ["all", "without release notes"] + ([] if small else ["ordinary"])


def load(edits: Path, limit: int | None = None) -> Iterator[list[Change]]:
    """Read change sets, oldest first; the first one makes the starting files.

    Args:
        edits: gzipped JSON lines.
        limit: how many sets after the first.
    """
    with gzip.open(edits, "rt", encoding="utf-8") as lines:
        for line in islice(lines, None if limit is None else limit + 1):
            yield [_change(each) for each in json.loads(line)["changes"]]


def offline(sets: Iterable[list[Change]], cut: Callable[[str], list[str]]) -> Tallies:
    """Count, for a way to cut, the chunks that an edited file did not have before."""
    tallies = Tallies()
    files: dict[str, tuple[str, set[str]]] = {}
    for changes in sets:
        for change in changes:
            before, old = files.pop(change.origin or change.path, ("", set()))
            if change.op == "delete":
                continue
            after, now = before, old
            if change.text is not None:
                after, now = change.text, set(cut(change.text))
            files[change.path] = (after, now)
            if change.op == "edit":
                tallies.add((change.path, before, after), len(now - old), len(now))
    return tallies


def splitters() -> Cut:
    """Ways to cut: a plain window, and LangChain's splitter where it is installed."""
    from benchmarks.rivals.naive import window  # noqa: PLC0415 - brings chromadb

    found: Cut = {"window of 1000 characters, 200 shared": lambda text: window(text, 1000, 200)}
    try:
        from langchain_text_splitters import (  # type: ignore[import-not-found] # noqa: PLC0415 - not everywhere
            RecursiveCharacterTextSplitter,
        )
    except ImportError:
        return found
    recursive = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=200)
    found["LangChain, recursive, 500 characters, 200 shared"] = recursive.split_text
    return found


def _change(values: dict[str, Any]) -> Change:
    return Change(values["op"], values["path"], values.get("text"), values.get("from", ""))


def main() -> None:
    """Read the command line, and print the shares by splitter."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.share", description=__doc__)
    parser.add_argument("edits", type=Path)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    shares = {
        name: offline(load(given.edits, given.limit), cut).values()
        for name, cut in splitters().items()
    }
    print(json.dumps(shares))


if __name__ == "__main__":
    main()
