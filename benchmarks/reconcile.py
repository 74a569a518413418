"""Measures a reconcile that finds no change: ``python -m benchmarks.reconcile``.

A folder of many files is reconciled once, which fills the state table; then again in a fresh
process, with the state table open and nothing else done: that second one is shown. CPU time and
memory are those of the process; wall time depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine, systems
from benchmarks.tree import grow

SIZES = "10000,50000,200000"
PROMISED_FILES = 200_000
PROMISED_CPU_S = 3.0
PROMISED_MIB = 30.0


def measure(place: Path, files: int, repeats: int) -> list[dict[str, Any]]:
    """Reconcile a new folder below ``place``: first to fill the table, then without a change.

    Returns:
        One result a run; the first is the run that filled the table.
    """
    results = []
    with tempfile.TemporaryDirectory(dir=place, prefix="reconcile-") as work:
        root = Path(work) / "docs"
        directories = grow(root, files)
        for number in range(repeats + 1):
            result = once(root, Path(work) / "state")
            result |= {"place": str(place), "directories": directories, "first": number == 0}
            results.append(result)
    return results


def once(root: Path, state: Path) -> dict[str, Any]:
    """Reconcile in a process of its own; afterwards, everything looks indexed.

    Returns:
        What `benchmarks.reconcile_once` found.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reconcile_once", str(root), str(state)],
        cwd=systems.ROOT,
        env=systems.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the reconcile failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def quiet(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The run without a change that took least CPU time: the others were disturbed more.

    Returns:
        Its result, with the CPU time of the run that filled the table as ``filled_cpu_s``.

    Raises:
        RuntimeError: one of them found a change.
    """
    repeated = [result for result in results if not result["first"]]
    for result in repeated:
        if any(result[name] for name in ("new", "changed", "moved", "deleted", "held")):
            raise RuntimeError(f"the reconcile found a change: {result}")
    best = min(repeated, key=lambda result: float(result["cpu_s"]))
    return {**best, "filled_cpu_s": next(each["cpu_s"] for each in results if each["first"])}


def report(results: list[dict[str, Any]], console: Console) -> None:
    """Print the table."""
    table = Table("files", "directories", "where", "CPU s", "wall s", "MiB above idle")
    table.add_column("first time: CPU s")
    for result in results:
        table.add_row(
            f"{result['seen']:,}",
            f"{result['directories']:,}",
            result["place"],
            *(f"{result[name]:.2f}" for name in ("cpu_s", "wall_s")),
            f"{result['above_idle_mib']:.1f}",
            f"{result['filled_cpu_s']:.1f}",
        )
    console.print(table)


def holds(result: dict[str, Any]) -> bool:
    """Whether a run kept to what is promised for so many files; smaller ones always do."""
    within = result["cpu_s"] <= PROMISED_CPU_S and result["above_idle_mib"] <= PROMISED_MIB
    return bool(within or result["seen"] < PROMISED_FILES)


def main() -> int:
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reconcile", description=__doc__)
    parser.add_argument("--files", default=SIZES, help=f"numbers of files; default: {SIZES}")
    parser.add_argument(
        "--places",
        default=f"/dev/shm,{tempfile.gettempdir()}",  # noqa: S108 - a file system in memory
        help="folders on the file systems to measure on, comma-separated",
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs; the quickest is shown")
    parser.add_argument("--json", type=Path, help="write the values to this file")
    given = parser.parse_args()
    about = machine.describe()
    shown, everything = [], []
    for place in given.places.split(","):
        for files in given.files.split(","):
            results = measure(Path(place), int(files), given.repeats)
            everything += results
            shown.append(quiet(results))
    console = Console()
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    report(shown, console)
    if given.json:
        values = {"machine": about, "runs": everything}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0 if all(holds(result) for result in shown) else 1


if __name__ == "__main__":
    sys.exit(main())
