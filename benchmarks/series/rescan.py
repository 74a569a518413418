"""A look through very many files that finds no change.

In a daemon that runs already it is a reconcile, measured in a process that does nothing else. The
others have no daemon, or none that looks again: they are compared as whole runs, over small
documents and with the stub for a model, up to a size that can be waited for.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks import reconcile, systems
from benchmarks.documents import Corpus
from benchmarks.generate import write_files
from benchmarks.series.ingest import BEGINS_ANEW, LIMIT_S, used
from benchmarks.series.rows import Bounds, Row, best, tell

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.series.rows import Values
    from benchmarks.systems import System

RESCAN, WHOLE = "rescan in the daemon", "rescan as a whole run"
REPEATS = 3


def measure(bounds: Bounds) -> list[Row]:
    """Measure with each number of files."""
    rows = []
    for files in bounds.rescans:
        tell(f"{RESCAN}: {files} files")
        place = bounds.work / "rescan"
        place.mkdir(exist_ok=True)
        found = reconcile.quiet(reconcile.measure(place, files, REPEATS))
        rows.append(Row(RESCAN, files, systems.OURS, found))
        if files <= bounds.rescans_compared:
            rows += _whole(bounds, files)
    return rows


def _whole(bounds: Bounds, files: int) -> list[Row]:
    # Without a model, ours is the same with an extra engine and without.
    out = (BEGINS_ANEW, systems.OPENVINO)
    taking_part = [system for system in bounds.systems if system.rival not in out]
    rounds: dict[str, list[Values]] = {}
    work = bounds.work / f"rescan-{files}"
    write_files(work / "docs", Corpus(1, blocks=1), files)
    for system in taking_part:
        tell(f"{WHOLE}: {files} files, {system.name} indexes them")
        _run(system, work)
    for number in range(bounds.rounds):
        for system in taking_part:
            tell(f"{WHOLE}: {files} files, round {number + 1}: {system.name}")
            rounds.setdefault(system.name, []).append(_run(system, work))
    shutil.rmtree(work)
    return [Row(WHOLE, files, name, best(values), values) for name, values in rounds.items()]


def _run(system: System, work: Path) -> Values:
    run = systems.index(system, work / "docs", work / system.name, limit_s=LIMIT_S)
    if run.exit_code != 0:
        raise RuntimeError(f"{system.name} failed:\n{run.output[-2000:]}")
    return {**used(run), "embedded": run.embedded}
