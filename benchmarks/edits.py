"""Replays how real files changed: ``python -m benchmarks.edits EDITS.jsonl.gz``.

The daemon runs with its watchers and its own Chroma server; after each change set everything is
waited for. Counted is how many chunks of the edited files had to be embedded, beside other ways to
cut the same history; at the end the collection is compared with a fresh ingest. The exit code is 1
where ingestd does not hold what it promises.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine, setup, systems
from benchmarks.compared import compare
from benchmarks.daemon import Daemon
from benchmarks.own_cut import cutter
from benchmarks.replay import Outcome, Replay
from benchmarks.share import GROUPS, load, offline

PROMISED_PERCENT = 23.0
HASH = "hash"
EMBEDDED = "ingestd: texts embedded"
FRESH = "ingestd: chunks that the file did not have before"
DEFAULT = "the same, cut for the default model"


def replay(edits: Path, work: Path, *, limit: int | None, model: str) -> tuple[Outcome, Any]:
    """Replay under a daemon, and compare the end with a fresh ingest.

    Returns:
        What was counted, and the `Difference`.
    """
    folder, state = work / "docs", work / "state"
    folder.mkdir()
    sets = load(edits, limit)
    with Daemon(folder, state, model=model) as daemon:
        outcome = Replay(folder, daemon).run(sets)
    print("comparing with a fresh ingest", file=sys.stderr, flush=True)
    ingest(folder, work / "fresh", model=model)
    # Of a real model, equal texts have vectors equal to some digits only.
    ours = systems.SYSTEMS[0] if model == HASH else systems.without_vectors(systems.SYSTEMS[0])
    have, fresh = (systems.rows(ours, folder, work / name) for name in ("state", "fresh"))
    return outcome, compare(have, fresh)


def ingest(folder: Path, state: Path, *, model: str) -> None:
    """Index a folder once, from nothing."""
    command = [sys.executable, "-m", "ingestd", "run", str(folder), "--once"]
    subprocess.run(
        [*command, "--state-dir", str(state)],
        env={**systems.environment(), "INGESTD_MODEL__NAME": model},
        check=True,
        capture_output=True,
    )


def beside(edits: Path, limit: int | None) -> dict[str, Any]:
    """The shares of other ways to cut the same history, without a daemon."""
    print("cutting the same history in other ways", file=sys.stderr, flush=True)
    rival = "langchain" if setup.installed("langchain") else systems.OURS
    command = [str(setup.interpreter(rival)), "-m", "benchmarks.share", str(edits)]
    if limit is not None:
        command += ["--limit", str(limit)]
    done = subprocess.run(command, cwd=systems.ROOT, capture_output=True, text=True, check=True)
    default = offline(load(edits, limit), cutter()).values()
    return {DEFAULT: default, **json.loads(done.stdout)}


def report(values: dict[str, Any], console: Console) -> None:
    """Print the table and the end state."""
    # Histories without release notes have two equal columns, of which one is enough.
    same = all(groups[GROUPS[0]] == groups[GROUPS[1]] for groups in values["shares"].values())
    shown = [group for group in GROUPS if not same or group != GROUPS[1]]
    table = Table("chunks of edited files that are new", *shown)
    for name, groups in values["shares"].items():
        cells = [
            f"{groups[group]['percent']:.1f} % ({groups[group]['new']} of {groups[group]['total']})"
            for group in shown
        ]
        table.add_row(name, *cells)
    console.print(table)
    end, took = values["end"], values["settled_s"]
    console.print(
        f"{values['sets']} change sets ({values['changes']}), {values['texts']} texts embedded\n"
        f"end state against a fresh ingest: {end['extra']} extra, {end['missing']} missing, "
        f"{end['duplicate']} duplicate\n"
        f"a change set was indexed after {took['median']} s (median), {took['p95']} s (95 %)",
        highlight=False,
    )


def gathered(outcome: Outcome, difference: Any, others: dict[str, Any]) -> dict[str, Any]:
    """Everything as one JSON object."""
    took = sorted(outcome.settled_s)
    return {
        "shares": {
            EMBEDDED: outcome.embedded.values(),
            FRESH: outcome.fresh.values(),
            **others,
        },
        "sets": outcome.sets,
        "changes": dict(outcome.changes),
        "texts": outcome.texts,
        "end": {name: getattr(difference, name) for name in ("extra", "missing", "duplicate")},
        "settled_s": {
            "median": round(statistics.median(took), 2),
            "p95": round(took[int(0.95 * (len(took) - 1))], 2),
        },
    }


def holds(values: dict[str, Any], *, whole: bool) -> bool:
    """Whether ours embeds as little as promised, and ends where a fresh ingest does.

    Args:
        values: from `gathered`.
        whole: the whole history was replayed; the share of a part of it says nothing.
    """
    embedded, fresh, default = (
        values["shares"][name]["all"] for name in (EMBEDDED, FRESH, DEFAULT)
    )
    little = default["percent"] <= PROMISED_PERCENT or not whole
    return little and embedded["new"] <= fresh["new"] and not any(values["end"].values())


def main() -> int:
    """Read the command line, replay, report; the exit code says whether ours holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edits", description=__doc__)
    parser.add_argument("edits", type=Path, help="change sets: gzipped JSON lines")
    parser.add_argument("--limit", type=int, help="replay no more sets than this")
    parser.add_argument("--model", default=HASH, help=f"default: {HASH}; '' for the usual one")
    parser.add_argument("--json", type=Path, help="write the values to this file")
    given = parser.parse_args()
    about = machine.describe()
    with tempfile.TemporaryDirectory() as work:
        outcome, difference = replay(
            given.edits.absolute(), Path(work), limit=given.limit, model=given.model
        )
    values = gathered(outcome, difference, beside(given.edits.absolute(), given.limit))
    console = Console(width=150 if not sys.stdout.isatty() else None)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    report(values, console)
    if given.json:
        everything = {"machine": about, "model": given.model or "default", **values}
        given.json.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    return 0 if holds(values, whole=given.limit is None) else 1


if __name__ == "__main__":
    sys.exit(main())
