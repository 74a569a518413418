"""Measures how soon ingestd is there: ``python -m benchmarks.start``.

A state table that knows very many files, as it is in a daemon that has nothing to do. How long the
daemon takes until it watches, from its process on, with the usual model and a Chroma server of its
own; and how long the commands take that need no model.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine, reconcile, systems
from benchmarks.daemon import Daemon
from benchmarks.tree import grow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FILES = 100_000
WATCHING = "watching"
WATCHING_S, VERB_S = 2.0, 0.5
HEADS = ("started", "median, s", "least", "most")
ONE = "FILE"
"""Stands for one of the files."""
VERBS = (
    ("--help",),
    ("version",),
    ("config", "show"),
    ("status",),
    ("status", "--json"),
    ("ls", "--limit", "20"),
    ("why", ONE),
    ("retry",),
)


def measure(place: Path, files: int, rounds: int) -> dict[str, Any]:
    """Fill a state table, and start the daemon and each command several times.

    Returns:
        Seconds of each round, by what was started.
    """
    root, state = place / "docs", place / "state"
    grow(root, files)
    reconcile.once(root, state)
    found: dict[str, list[float]] = {WATCHING: []}
    one = str(next(root.rglob("*.md")))
    for _ in range(rounds):
        found[WATCHING].append(_until_it_watches(root, state))
        for verb in VERBS:
            taken = _command([one if word == ONE else word for word in verb], state)
            found.setdefault(" ".join(verb), []).append(taken)
    return {"files": files, "seconds": found}


def _until_it_watches(root: Path, state: Path) -> float:
    started = time.monotonic()
    with Daemon(root, state, model="", waits=False) as daemon:
        daemon.wait_for(WATCHING)
        return time.monotonic() - started


def _command(words: Sequence[str], state: Path) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "ingestd", *words],
        env={**systems.environment(), "INGESTD_STATE_DIR": str(state)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.monotonic() - started


def slow(found: Mapping[str, Any]) -> list[str]:
    """What takes longer, in the median, than is promised for so many files."""
    return [
        f"{name}: {statistics.median(seconds):.2f} s"
        for name, seconds in found["seconds"].items()
        if statistics.median(seconds) > (WATCHING_S if name == WATCHING else VERB_S)
    ]


def lines(found: Mapping[str, Any]) -> Iterator[tuple[str, float, float, float]]:
    """What was started, and the seconds that `HEADS` names."""
    for name, seconds in found["seconds"].items():
        label = "the daemon, until it watches" if name == WATCHING else f"`ingestd {name}`"
        yield label, statistics.median(seconds), min(seconds), max(seconds)


def report(found: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(*HEADS)
    for label, *shown in lines(found):
        table.add_row(label, *(f"{value:.2f}" for value in shown))
    console.print(table)


def main() -> int:
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help=f"known files; default: {FILES}")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each; default: 5")
    parser.add_argument("--work", type=Path, help="where files and state go")
    parser.add_argument("--json", type=Path, help="write the values to this file")
    given = parser.parse_args()
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="start-", dir=given.work) as work:
        found = measure(Path(work), given.files, given.rounds)
    console = Console()
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    report(found, console)
    lost = slow(found)
    for line in lost:
        console.print(f"slower than promised: {line}", style="red", highlight=False)
    if given.json:
        values = {"machine": about, **found, "slow": lost}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
