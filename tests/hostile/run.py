"""Has the real daemon index the hostile corpus, and tells what became of each file.

    python tests/hostile/run.py [--short] [--part MODULE] [--only NAME] [--json FILE]

The daemon works on good documents first. Then the corpus is moved into its folder, some files of it
are changed again and again, and when nothing is left to do each outcome is compared with the ones
that are right. At last it must index one more document. Ends with 1 when anything was not so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "profiling"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import archives
import books
import containers
import lies
import mails
import notes
import office
import pdfs
import pictures
import places
import sheets
import texts
from _daemon import Content, Daemon, verb
from kinds import ABSENT, Hostile

from ingestd.memory import processes

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES = (
    texts,
    notes,
    containers,
    office,
    sheets,
    books,
    pdfs,
    pictures,
    mails,
    archives,
    lies,
    places,
)
CORPUS = tuple(entry for module in MODULES for entry in module.ENTRIES)
SHORT_SHARE = 4
"""The short run takes one file of so many, and all that are no files for long."""
MIB = 1 << 20
GOOD = 20
FOLDER = b"hostile"
SETTINGS = {
    "model.name": "hash",
    "limits.attempts": 2,
    "limits.retry_s": 0.5,
    "limits.retry_max_s": 0.5,
    "limits.file_bytes": 60 * MIB,
    "extract.archives": True,
    "extract.timeout_s": 10,
    "extract.memory_bytes": 512 * MIB,
    "watch.settle_ms": 50,
    "watch.max_wait_s": 1,
}
LIMIT_S = {True: 480.0, False: 1_800.0}
LIVELY_S = {True: 3.0, False: 20.0}
SAVE_S = 60.0
GROWTH_BYTES = 120 * MIB
"""More than the first large batches take, whatever is in them."""
TRACES = (Path("/tmp/pwned"),)


@dataclass(slots=True)
class Outcome:
    """What became of one entry."""

    name: str
    what: str
    state: str
    reason: str
    right: bool
    seconds: float | None = None


@dataclass(slots=True)
class Report:
    """What became of all."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    rss_before: int = 0
    rss_after: int = 0
    processes_before: int = 0
    processes_after: int = 0
    children_ended: int = 0
    complaints: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """All that is not as it should be."""
        return [
            f"{one.name}: {one.state}: {one.reason}" for one in self.outcomes if not one.right
        ] + [*self.faults]


def chosen(*, short: bool, part: str = "", only: str = "") -> list[Hostile]:
    """The entries of a run: of all modules or one, with some text in their names."""
    found = []
    for module in MODULES:
        entries = [entry for entry in module.ENTRIES if only.encode() in entry.name]
        if short and module is not places:
            entries = [entry for entry in entries if not entry.heavy][::SHORT_SHARE]
        if part in ("", module.__name__):
            found += entries
    return found


def run(
    place: Path, entries: list[Hostile], *, short: bool, changes: Mapping[str, object] = SETTINGS
) -> Report:
    """Run the daemon over them, below a folder of ours, with some settings changed."""
    docs, state = place / "docs", place / "state"
    docs.mkdir()
    for number in range(GOOD):
        (docs / f"good-{number}.md").write_text(f"# Good {number}\n\nA fact.\n", "utf-8")
    (docs / os.fsdecode(FOLDER)).mkdir()
    report = Report()
    with Daemon(docs, state, {**SETTINGS, **changes}) as daemon:
        daemon.until(daemon.rests, 60.0)
        pid = daemon.pid
        report.rss_before, report.processes_before = _taken(pid)
        started = time.monotonic()
        _move_in(entries, place / "staging", docs / os.fsdecode(FOLDER))
        _enliven([entry for entry in entries if entry.lively], docs, LIVELY_S[short])
        daemon.until(lambda: _settled(daemon), LIMIT_S[short], 0.2)
        report.seconds = round(time.monotonic() - started, 1)
        report.outcomes = _outcomes(state, entries, daemon)
        report.rss_after, report.processes_after = _taken(pid)
        _check_alive(daemon, docs, pid, report)
        report.children_ended = sum(
            "the extraction child" in str(line.get("message", line.get("error", "")))
            for line in daemon.events("document_failed")
        )
        report.complaints = daemon.complaints()
    return report


def _move_in(entries: list[Hostile], staging: Path, folder: Path) -> None:
    """Make each where nobody looks, and move it in whole."""
    staging.mkdir()
    for entry in entries:
        path = staging / os.fsdecode(entry.name)
        entry.make(path)
        path.rename(folder / path.name)


def _enliven(entries: list[Hostile], docs: Path, seconds: float) -> None:
    """Change the lively ones again and again."""
    end, turn = time.monotonic() + seconds, 0
    while entries and time.monotonic() < end:
        turn += 1
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                assert entry.lively is not None
                entry.lively(docs / os.fsdecode(FOLDER) / os.fsdecode(entry.name), turn)
        time.sleep(0.01)


def _settled(daemon: Daemon) -> bool:
    """Whether nothing is left to do, and stays so for a while."""
    if not daemon.rests():
        return False
    time.sleep(1.5)
    return daemon.rests()


def _outcomes(state: Path, entries: list[Hostile], daemon: Daemon) -> list[Outcome]:
    with contextlib.closing(sqlite3.connect(f"file:{state / 'state.db'}?mode=ro", uri=True)) as db:
        rows = {
            bytes(path): (status, error or reason or "")
            for path, status, reason, error in db.execute(
                "SELECT path, status, reason, error_text FROM documents"
            )
        }
    took = {line["path"]: line["seconds"] for line in daemon.events("document_indexed")}
    found = []
    for entry in entries:
        status, reason = rows.get(FOLDER + b"/" + entry.name, (ABSENT, ""))
        shown = ascii(os.fsdecode(entry.name))[1:-1]
        seconds = took.get((FOLDER + b"/" + entry.name).decode("utf-8", "backslashreplace"))
        right = entry.fits(status, reason)
        found.append(Outcome(shown, entry.what, status, reason[:120], right, seconds))
    return found


def _taken(pid: int) -> tuple[int, int]:
    """Resident bytes of the daemon, and how many processes it and its children are."""
    tree = processes.tree(pid)
    return tree[0].rss, len(tree)


def _check_alive(daemon: Daemon, docs: Path, pid: int, report: Report) -> None:
    """See that it works as before."""
    late = docs / "late.md"
    late.write_text("# Late\n\nOne more fact.\n", "utf-8")
    expected: dict[bytes, Content | None] = {
        os.fsencode(path.name): Content.of(path) for path in docs.glob("*.md")
    }
    try:
        daemon.settle(expected, SAVE_S)
    except (TimeoutError, RuntimeError) as error:
        report.faults.append(f"the daemon does not work any more: {error}")
    if daemon.pid != pid:
        report.faults.append("the daemon is another one")
    for words in (["status", "--json"], ["ls", "--json"], ["check"]):
        done = verb(daemon, *words)
        if done.returncode:
            report.faults.append(f"`{' '.join(words)}`: {done.stderr[-300:]}{done.stdout[-300:]}")
    report.faults += [f"{trace} was made" for trace in TRACES if trace.exists()]
    if b"Traceback" in daemon.log.read_bytes():
        report.faults.append("there is a traceback in the log")


def table(report: Report) -> str:
    """The report for people."""
    lines = ["| file | what is wrong with it | outcome | reason | s |", "|---|---|---|---|---|"]
    for one in report.outcomes:
        reason = ascii(one.reason)[1:-1].replace("|", "\\|")
        mark = "" if one.right else " **(wrong)**"
        seconds = "" if one.seconds is None else f"{one.seconds:.2f}"
        name = one.name.replace("|", "\\|")
        lines.append(f"| `{name[:40]}` | {one.what} | {one.state}{mark} | {reason} | {seconds} |")
    return "\n".join(lines)


def summary(report: Report) -> dict[str, Any]:
    """The report in a few figures."""
    states: dict[str, int] = {}
    for one in report.outcomes:
        states[one.state] = states.get(one.state, 0) + 1
    whole = asdict(report)
    del whole["outcomes"]
    return {"files": len(report.outcomes), "states": states, **whole, "wrong": report.wrong}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a part of it, without what is large")
    parser.add_argument("--part", default="", help="the entries of one module, such as pdfs")
    parser.add_argument("--only", default="", help="entries with this in their names")
    parser.add_argument("--json", type=Path, help="where to write all of it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        entries = chosen(short=options.short, part=options.part, only=options.only)
        report = run(Path(name), entries, short=options.short)
    print(table(report))  # noqa: T201 - its output
    print(json.dumps(summary(report), indent=2))  # noqa: T201 - the same
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=2), "utf-8")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
