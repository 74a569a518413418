"""Compares how little work each system does for a change: ``python -m benchmarks.least_work DOCS``.

Counts are exact and repeatable; nothing here measures time. The exit code is 1 where ingestd does
not hold what it promises.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import corpus, machine, setup, systems
from benchmarks.scenario import Scenario
from benchmarks.table import LINES, broken, cell

FILES = 22

Results = dict[str, dict[str, dict[str, Any]]]


def measure(
    docs: Path, chosen: list[systems.System], work: Path, *, files: int, tasks: list[str]
) -> Results:
    """Take each system through the tasks.

    Returns:
        The values by system and task.
    """
    picked = corpus.sample(docs, files)
    results: Results = {}
    for number, system in enumerate(chosen):
        place = work / str(number)
        corpus.copy(docs, picked, place / "docs")
        scenario = Scenario(system, place / "docs", place)
        results[system.name] = {}
        for task, act in scenario.tasks.items():
            if task in tasks:
                print(f"{system.name}: {LINES[task].label}", file=sys.stderr, flush=True)
                results[system.name][task] = act()
    return results


def report(results: Results, console: Console) -> None:
    """Print the table: a line a task, a column a system."""
    table = Table(show_lines=False)
    table.add_column("task")
    for name in results:
        table.add_column(name)
    for task, line in LINES.items():
        if any(task in values for values in results.values()):
            cells = [cell(task, values.get(task)) for values in results.values()]
            table.add_row(line.label, *cells)
    console.print(table)


def described(chosen: list[systems.System]) -> dict[str, Any]:
    """The machine, and the versions of the rivals."""
    rivals = {system.rival for system in chosen} & set(setup.PACKAGES)
    return {
        **machine.describe(),
        "rivals": {
            rival: machine.versions(setup.interpreter(rival), setup.PACKAGES[rival])
            for rival in sorted(rivals)
        },
    }


def main() -> int:
    """Read the command line, measure, report; the exit code says whether ours holds."""
    given = _arguments()
    tasks = given.tasks.split(",") if given.tasks else list(LINES)
    rivals = None if given.rivals is None else [name for name in given.rivals.split(",") if name]
    try:
        chosen = systems.choose(rivals)
    except LookupError as error:
        sys.exit(str(error))
    about = described(chosen)
    with tempfile.TemporaryDirectory() as work:
        results = measure(given.docs.absolute(), chosen, Path(work), files=given.files, tasks=tasks)
    console = Console(width=max(100, 62 + 26 * len(chosen)) if not sys.stdout.isatty() else None)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    report(results, console)
    if given.json:
        values = {"machine": about, "files": given.files, "results": results}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    lost = broken(results[systems.OURS])
    for label in lost:
        console.print(f"ingestd does not hold: {label}", style="red")
    return 1 if lost else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.least_work", description=__doc__)
    parser.add_argument("docs", type=Path, help="a folder with Markdown files")
    parser.add_argument("--rivals", help="comma-separated; default: those that are set up")
    parser.add_argument("--files", type=int, default=FILES, help=f"default: {FILES}")
    parser.add_argument("--tasks", help="comma-separated, such as T1,T2; default: all")
    parser.add_argument("--json", type=Path, help="write the values to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
