"""What a series measured, and the bounds within which it is measured."""

from __future__ import annotations

import statistics
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.systems import System

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is measured on, and how much.

    Attributes:
        docs: the folder that documents are taken from; it is only read.
        work: a folder for copies and stores.
        model: the folder of the model that everyone embeds with; None: the stub, and ours with the
            hash model, which leaves what everyone does beside embedding.
        questions: with the file that answers each.
        systems: those compared; the first is ours.
        sizes: numbers of documents.
        rounds: of each comparison; the quickest counts.
        saves: of which each is waited for until it is visible.
        waiting: numbers of documents that wait while somebody saves.
        rescans: numbers of files of a rescan that finds nothing.
        rescans_compared: up to so many files the other systems take part in that.
    """

    docs: Path
    work: Path
    model: Path | None
    questions: Mapping[str, str]
    systems: Sequence[System]
    sizes: Sequence[int]
    rounds: int
    saves: int
    waiting: Sequence[int]
    rescans: Sequence[int]
    rescans_compared: int

    @property
    def model_name(self) -> str:
        """The model, as our configuration names it."""
        return str(self.model) if self.model else "hash"


@dataclass(frozen=True, slots=True)
class Row:
    """One system at one size.

    Attributes:
        series: what was measured.
        size: documents.
        system: its name.
        values: seconds (``wall_s``, ``cpu_s``, or ``median_s`` and its like), ``peak_mib``, and
            whatever else there is to tell.
        rounds: the same of each round.
    """

    series: str
    size: int
    system: str
    values: Values
    rounds: list[Values] = field(default_factory=list)

    def as_json(self) -> Values:
        """For the file of results."""
        return asdict(self)


def best(rounds: Sequence[Values]) -> Values:
    """The least of each number over the rounds: others were disturbed more.

    What is no number, or better when more, is of the quickest round.
    """
    quickest = min(rounds, key=lambda values: float(values["wall_s"]))
    least = {name: min(values[name] for values in rounds) for name in ("wall_s", "cpu_s")}
    return {**quickest, **least, "rounds": len(rounds)}


def spread(seconds: Sequence[float]) -> Values:
    """Median and percentiles of waits."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)

    return {
        "median_s": round(statistics.median(ordered), 4),
        "p95_s": at(0.95),
        "p99_s": at(0.99),
        "most_s": round(ordered[-1], 4),
        "count": len(ordered),
    }


def tell(text: str) -> None:
    """Say what is being done."""
    print(text, file=sys.stderr, flush=True)
