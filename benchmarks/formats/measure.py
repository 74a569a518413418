"""Has each system read the documents of a format, in a process of its own, and counts words."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import metered, systems
from benchmarks.formats.corpus import SOURCES
from benchmarks.formats.words import Score, unmarked, words
from benchmarks.setup import installed, interpreter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.formats.items import Item

OURS = systems.OURS
READERS = {
    OURS: "benchmarks.rivals.read_ours",
    "markitdown": "benchmarks.rivals.read_markitdown",
    "docling": "benchmarks.rivals.read_docling",
}
LOW = 0.98
"""Documents of ours with less recall are named."""
_NAMED = 5
_MISSED = 12


@dataclass(slots=True)
class Row:
    """What one system made of the documents of one format and maker.

    Attributes:
        format: the end of their names.
        maker: who wrote them.
        system: who read them.
        documents: how many.
        bytes: their size.
        pages: of PDFs.
        recall: share of the words that were found.
        recalls: the same by language.
        precision: share of what was found that is in the truth.
        failed: documents without any word found.
        wall_s: for all documents, in the quickest round.
        cpu_s: the same, of the processor.
        peak_mib: the most that the reading process had resident.
        errors: what the system said of documents that it could not read.
        low: documents with a recall under `LOW`, with words that were not found.
    """

    format: str
    maker: str
    system: str
    documents: int
    bytes: int
    pages: int
    recall: float = 0.0
    recalls: dict[str, float] = field(default_factory=dict)
    precision: float = 0.0
    failed: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    errors: list[str] = field(default_factory=list)
    low: list[str] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def chosen(rivals: Sequence[str] | None) -> list[str]:
    """Ours, and those rivals; all that are installed when None are named.

    Raises:
        LookupError: one is unknown or not installed.
    """
    for rival in rivals or ():
        if rival not in READERS:
            raise LookupError(f"no reader is called {rival!r}; there are {sorted(READERS)}")
        if not installed(rival):
            raise LookupError(f"run first: python -m benchmarks.setup {rival}")
    wanted = READERS if rivals is None else {OURS, *rivals}
    return [system for system in READERS if system in wanted and installed(system)]


def measured(
    items: Iterable[Item], corpus: Path, readers: Sequence[str], *, rounds: int, limit_s: float
) -> Iterator[list[Row]]:
    """Yield the rows of each format and maker, one a system; the systems take turns."""
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item)
    for group in groups.values():
        found: dict[str, Row] = {}
        for number in range(rounds):
            turn = number % len(readers)
            for system in [*readers[turn:], *readers[:turn]]:
                row = _read(system, group, corpus, limit_s)
                found[system] = _better(found.get(system), row)
        yield [found[system] for system in readers]


def _better(row: Row | None, other: Row) -> Row:
    """Of two rounds, the one with the least processor time, with the least wall time."""
    if row is None:
        return other
    first, second = sorted((row, other), key=lambda each: each.cpu_s)
    first.wall_s = min(first.wall_s, second.wall_s)
    return first


def _read(system: str, items: Sequence[Item], corpus: Path, limit_s: float) -> Row:
    format_, maker = items[0].group
    files = [corpus / file for item in items for file in item.files]
    size = sum(file.stat().st_size for file in files)
    row = Row(format_, maker, system, len(items), size, sum(item.pages for item in items))
    jobs = [[str(corpus / file) for file in item.files] for item in items]
    try:
        done = metered.run(
            [str(interpreter(system)), "-m", READERS[system]],
            env=_environment(),
            cwd=systems.ROOT,
            limit_s=limit_s,
            given="".join(f"{json.dumps(job)}\n" for job in jobs),
        )
    except subprocess.TimeoutExpired:
        row.failed, row.errors = len(items), [f"ended after {limit_s:.0f} s"]
        return row
    answers = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    if done.exit_code or len(answers) != len(items) + 1:
        raise RuntimeError(f"{system} ended with {done.exit_code}:\n{done.errors[-2000:]}")
    row.peak_mib = answers.pop()["peak_bytes"] / metered.MIB
    _count(row, items, corpus, answers)
    return row


def _environment() -> dict[str, str]:
    # Readers that run on another interpreter find this checkout; those on ours find it anyway.
    return {**systems.environment(), "OMP_NUM_THREADS": str(os.cpu_count() or 1)}


def _count(row: Row, items: Sequence[Item], corpus: Path, answers: list[dict[str, Any]]) -> None:
    score = Score()
    languages: dict[str, Score] = defaultdict(Score)
    low: list[tuple[float, str]] = []
    for item, answer in zip(items, answers, strict=True):
        truth = words((corpus / item.truth).read_text(encoding="utf-8", errors="replace"))
        as_markdown = row.system != OURS and item.format not in SOURCES
        read = words(unmarked(answer["text"]) if as_markdown else answer["text"])
        own = Score()
        for each in (score, languages[item.language], own):
            each.add(truth, read)
        row.failed += not own.read
        row.wall_s += answer["wall_s"]
        row.cpu_s += answer["cpu_s"]
        row.errors += answer["errors"][: max(0, _NAMED - len(row.errors))]
        if own.recall < LOW and own.read:
            low.append((own.recall, _told(item, own, truth - read)))
    row.recall, row.precision = round(score.recall, 4), round(score.precision, 4)
    row.recalls = {name: round(each.recall, 4) for name, each in languages.items()}
    row.low = [told for _, told in sorted(low)[:_NAMED]]


def _told(item: Item, score: Score, missed: Counter[str]) -> str:
    often = ", ".join(f"{word} {count}" for word, count in missed.most_common(_MISSED))
    return f"{item.files[0]}: {score.recall:.3f}, without {often}"
