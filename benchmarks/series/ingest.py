"""A first ingest, and then three days in the life of the folder: nothing, a touch, one edit.

Every system has its own copy of the same documents, and runs as its users run it, in a process of
its own. Task by task the systems take turns, in another order each round.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

from benchmarks import changes, corpus, peak, systems
from benchmarks.series.quality import quality
from benchmarks.series.rows import Bounds, Row, Values, best, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from benchmarks.systems import Run, System

LIMIT_S = 3_600.0
COLD, NO_CHANGE, TOUCH, EDIT = "cold ingest", "no change", "touch", "one edit"
BEGINS_ANEW = "naive"
"""This one does the same work whatever changed, so that one round of it says enough."""
TIMES = {NO_CHANGE: 5}
"""How often a task is done in a round: what takes half a second is soon disturbed."""
MODEL_IDLE = "model_idle"
"""Seconds of a run, as its report tells: the model waited for something else."""
ASKED = ("hit_at_5", "questions", "least_cosine", "mean_cosine", "compared", "flops_a_text")


def _edit(docs: Path) -> None:
    changes.insert_below_title(docs / corpus.nearest(docs))


TASKS: dict[str, Callable[[Path], object]] = {
    COLD: lambda _: None,
    NO_CHANGE: lambda _: None,
    TOUCH: changes.touch_all,
    EDIT: _edit,
}


def measure(bounds: Bounds, wanted: Collection[str]) -> list[Row]:
    """Measure the tasks that are wanted, at each size; those before them are done, too."""
    last = max(list(TASKS).index(task) for task in wanted)
    tasks = list(TASKS)[: last + 1]
    rows = []
    for size in bounds.sizes:
        found = _at_size(bounds, size, tasks)
        rows += [row for row in found if row.series in wanted]
    return rows


def _at_size(bounds: Bounds, size: int, tasks: Sequence[str]) -> list[Row]:
    files = corpus.spread(bounds.docs, size, bounds.questions.values())
    rounds: dict[tuple[str, str], list[Values]] = defaultdict(list)
    taking_part = list(bounds.systems)
    peak_flops = 0.0
    for number in range(bounds.rounds):
        if bounds.model is not None and COLD in tasks:
            peak_flops = max(peak_flops, peak.measured())
        work = bounds.work / f"ingest-{size}-{number}"
        for system in taking_part:
            corpus.copy(bounds.docs, files, work / system.name / "docs")
        for turn, task in _turns(tasks):
            for system in _in_turn(taking_part, number + turn):
                if (number or turn) and task != COLD and system.rival == BEGINS_ANEW:
                    continue
                tell(f"{task}, {len(files)} documents, round {number + 1}: {system.name}")
                try:
                    values = _once(bounds, system, work / system.name, task, asked=not number)
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    if system is bounds.systems[0]:
                        raise
                    tell(f"{system.name} is left out from here on: {error}")
                    taking_part.remove(system)
                    continue
                rounds[task, system.name].append(values)
        shutil.rmtree(work)
    return [
        Row(task, len(files), name, _best(values, peak_flops), values)
        for (task, name), values in rounds.items()
    ]


def _turns(tasks: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the tasks of a round, each as often as it is done."""
    for task in tasks:
        for turn in range(TIMES.get(task, 1)):
            yield turn, task


def _in_turn(taking_part: Sequence[System], number: int) -> list[System]:
    at = number % len(taking_part)
    return [*taking_part[at:], *taking_part[:at]]


def _once(bounds: Bounds, system: System, place: Path, task: str, *, asked: bool) -> Values:
    """Do one task with one system."""
    docs, store = place / "docs", place / "store"
    TASKS[task](docs)
    run = systems.index(system, docs, store, model=bounds.model, limit_s=LIMIT_S)
    if run.exit_code != 0:
        raise RuntimeError(f"{system.name} failed:\n{run.output[-2000:]}")
    values = used(run)
    if task == COLD:
        vectors = len(systems.rows(system, docs, store))
        values |= {"chunks": vectors, "chunks_per_s": round(vectors / run.usage.wall_s, 2)}
        if asked:
            values |= quality(bounds, system, docs, store)
    return values


def used(run: Run) -> Values:
    """What a run took, and what it says of itself."""
    usage = run.usage
    values: Values = {
        "wall_s": round(usage.wall_s, 3),
        "cpu_s": round(usage.cpu_s, 3),
        "peak_mib": round(usage.peak_mib, 1),
    }
    reports = [line for line in usage.output.splitlines() if line.startswith("{")]
    if reports:
        report = json.loads(reports[-1])
        values |= {"embedded": report["chunks"]["embedded"], "seconds": report["seconds"]}
        if MODEL_IDLE in report["seconds"]:
            waited = report["seconds"][MODEL_IDLE] / max(report["seconds"]["total"], 1e-3)
            values["model_waits"] = round(waited, 4)
    return values


def _best(rounds: list[Values], peak_flops: float) -> Values:
    """The best round; how good the index is was asked in the first one only."""
    asked: Values = {key: value for key, value in rounds[0].items() if key in ASKED}
    values = {**best(rounds), **asked}
    if peak_flops and "flops_a_text" in values:
        share = values["chunks_per_s"] * values["flops_a_text"] / peak_flops
        values |= {"peak_share": round(share, 4), "peak_flops": peak_flops}
    return values
