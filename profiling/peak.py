"""How much more memory than idle do a huge file, an endless line and very many files take?

For each case the daemon is started on an empty folder, and what its processes hold then is idle.
A small document follows, so that every library is loaded: what they hold then is warm. What is to
be indexed is made beside the folder and moved into it, whole. Until all of it is
indexed the peak of each process is noted, as the kernel keeps it: nothing is missed between two
samples. The daemon and its reading child must stay under a bound that does not depend on the
case. Chroma holds every live vector in memory; so its peak is told apart, and for each vector.

    python profiling/peak.py                  # 1 GB, 100 MB, 200,000 files, 100,000 names
    python profiling/peak.py --quick          # 20 MB, 10 MB, 5,000 files, 5,000 names
    python profiling/peak.py --only text --size 40000000
    python profiling/peak.py --way once       # a run that ends by itself, with its own server

Exit status 1 when a peak is over the bound, or something was not indexed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import measure
from _daemon import Content, Daemon, environment, free_port
from _processes import CHROMA, DAEMON, PARSER, ROLES, disk_bytes, family, forget_peaks, held
from _texts import document, write_line, write_names, write_small, write_text
from measure import MIB, mib

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

MODEL = "hash:16"
CALM_S = 3.0
"""How long a daemon that has nothing to do is left alone before it is idle."""
GLANCE_S = 0.1
PATIENCE_S = 4 * 3600.0
BOUND_MIB = 190.0
"""200 MB, as MiB, rounded down."""
OPEN = ("pending", "working", "deleted")


@dataclass(frozen=True, slots=True)
class Case:
    """Something to index.

    Attributes:
        title: what it is.
        size: bytes, or files.
        quick: the same for a short run.
        make: makes it, at a path, of a size, from a seed.
        documents: how many documents that gives, of a size.
        suffix: of the path, where it is a file.
    """

    title: str
    size: int
    quick: int
    make: Callable[[Path, int, int], None]
    documents: Callable[[int], int]
    suffix: str = ""


CASES = {
    "text": Case("text of so many bytes", 10**9, 20 * 10**6, write_text, lambda _: 1, ".txt"),
    "line": Case("one line, no space", 10**8, 10 * 10**6, write_line, lambda _: 1, ".txt"),
    "files": Case(
        "so many small files",
        200_000,
        5_000,
        lambda folder, size, _: write_small(folder, size),
        lambda size: size,
    ),
    "names": Case(
        "so many names in one folder",
        100_000,
        5_000,
        lambda folder, size, _: write_names(folder, size),
        lambda size: size,
    ),
}


class Peaks:
    """The most that the processes of each role held, beside what they held when idle.

    Args:
        pid: the daemon's process id.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most = dict.fromkeys(ROLES, 0)

    def idle(self) -> dict[str, int]:
        """What they hold now; peaks are counted from here."""
        for pids in family(self._pid).values():
            forget_peaks(pids)
        return rss(self._pid)

    def look(self) -> None:
        """Note the peaks so far: a child that is recycled takes its own with it."""
        for role, pids in family(self._pid).items():
            self.most[role] = max(self.most[role], held(pids).peak)


def under_daemon(place: Path, case: Case, size: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Index with the daemon; returns what was found."""
    folder = place / "docs"
    folder.mkdir()
    made = place / f"made{case.suffix}"
    with Daemon(folder, place / "state", settings) as daemon:
        time.sleep(CALM_S)
        peaks = Peaks(daemon.pid)
        idle = peaks.idle()
        small = folder / "small.md"
        small.write_text(document(0, 0, 1), encoding="utf-8")
        daemon.settle({small.name.encode(): Content.of(small)}, PATIENCE_S)
        time.sleep(CALM_S)
        warm = rss(daemon.pid)
        started = time.monotonic()
        made.rename(folder / made.name)

        def done() -> bool:
            peaks.look()
            outcome = daemon.outcome()
            waits = sum(outcome.get(status, 0) for status in OPEN)
            return sum(outcome.values()) > case.documents(size) and waits == 0

        daemon.until(done, PATIENCE_S, GLANCE_S)
        took = time.monotonic() - started
        time.sleep(CALM_S)
        peaks.look()
        return {
            "seconds": round(took, 1),
            "idle": idle,
            "warm": warm,
            "peak": peaks.most,
            "after": rss(daemon.pid),
            "documents": daemon.outcome(),
            "errors": daemon.errors(),
            "live_vectors": daemon.live(),
            "chroma_disk": disk_bytes(daemon.state / "chroma"),
        }


def rss(pid: int) -> dict[str, int]:
    """What a daemon's processes hold now, by role."""
    return {role: held(pids).rss for role, pids in family(pid).items()}


def under_once(place: Path, case: Case, _size: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Index with a run that ends by itself; idle is the peak of one that finds nothing."""
    folder = place / "docs"
    folder.mkdir()
    made = place / f"made{case.suffix}"
    idle, _, _ = run_once(folder, place / "empty", settings)
    (folder / "small.md").write_text(document(0, 0, 1), encoding="utf-8")
    warm, _, _ = run_once(folder, place / "small", settings)
    made.rename(folder / made.name)
    peak, report, took = run_once(folder, place / "state", settings)
    documents = report["documents"]
    return {
        "seconds": round(took, 1),
        "idle": idle,
        "warm": warm,
        "peak": peak,
        "documents": {name: count for name, count in documents.items() if count},
        "errors": [error["error"] for error in report["errors"][:10]],
        "live_vectors": report["chunks"]["live"],
        "chroma_disk": disk_bytes(place / "state" / "chroma"),
    }


def run_once(
    folder: Path, state: Path, settings: Mapping[str, Any]
) -> tuple[dict[str, int], dict[str, Any], float]:
    """Run to the end; returns the peaks, the report and the seconds.

    Raises:
        RuntimeError: it gave no report.
    """
    command = [sys.executable, "-m", "ingestd", "run", str(folder), "--once", "--json"]
    command += ["--store", "managed", "--port", str(free_port()), "--state-dir", str(state)]
    started = time.monotonic()
    output, errors = state.with_suffix(".out"), state.with_suffix(".log")
    with output.open("wb") as out, errors.open("wb") as log:
        process = subprocess.Popen(command, env=environment(settings), stdout=out, stderr=log)
        peaks = Peaks(process.pid)
        while process.poll() is None:
            peaks.look()
            time.sleep(GLANCE_S)
    lines = output.read_text(encoding="utf-8").splitlines()
    if not lines:
        raise RuntimeError(errors.read_text(encoding="utf-8", errors="replace")[-3_000:])
    report = json.loads(lines[-1])
    # Of the process itself the kernel tells it after the end: no look comes too late for that.
    peaks.most[DAEMON] = max(peaks.most[DAEMON], report["peak_rss_bytes"])
    return peaks.most, report, time.monotonic() - started


WAYS = {"daemon": under_daemon, "once": under_once}


def measured(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Make what a case needs, index it, and take what is left away."""
    case = CASES[name]
    size = given.size or (case.quick if given.quick else case.size)
    more = dict(pair.split("=", 1) for pair in given.set)
    settings = {"model.name": given.model, "limits.file_bytes": 2 * 10**9, **more}
    with TemporaryDirectory(prefix="peak-", dir=given.work) as place:
        say(f"{name}: making {size:,}")
        case.make(Path(place) / f"made{case.suffix}", size, given.seed)
        say(f"{name}: indexing")
        found = WAYS[given.way](Path(place), case, size, settings)
    above = {role: found["peak"][role] - found["idle"][role] for role in ROLES}
    ours = (DAEMON, PARSER)
    return {
        "case": name,
        "title": case.title,
        "size": size,
        **found,
        "above_idle": sum(above[role] for role in ours),
        "above_warm": sum(found["peak"][role] - found["warm"][role] for role in ours),
        "chroma_above_idle_per_vector": round(above[CHROMA] / max(1, found["live_vectors"])),
    }


def faults(rows: list[dict[str, Any]], given: argparse.Namespace) -> list[str]:
    """What is not as it must be."""
    found = []
    for row in rows:
        if row["above_idle"] > given.bound * MIB:
            found.append(f"{row['case']}: {mib(row['above_idle'])} MiB above idle")
        if row["errors"] or not row["live_vectors"]:
            found.append(f"{row['case']}: not all was indexed: {row['documents']} {row['errors']}")
    return found


def report(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    headings = ["case", "size", "s", "live vectors", "daemon idle", "warm", "peak"]
    headings += ["reading child peak", "both above idle", "above warm"]
    headings += ["Chroma idle", "peak", "bytes a vector"]
    cells = [
        [
            row["title"],
            f"{row['size']:,}",
            f"{row['seconds']:.0f}",
            f"{row['live_vectors']:,}",
            mib(row["idle"][DAEMON]),
            mib(row["warm"][DAEMON]),
            mib(row["peak"][DAEMON]),
            mib(row["peak"][PARSER]),
            mib(row["above_idle"]),
            mib(row["above_warm"]),
            mib(row["idle"][CHROMA]),
            mib(row["peak"][CHROMA]),
            f"{row['chroma_above_idle_per_vector']:,}",
        ]
        for row in rows
    ]
    print(measure.table(headings, cells))
    print("(memory in MiB)")


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def command_line() -> argparse.Namespace:
    """Read the command line."""
    parser = measure.parser(__doc__)
    parser.add_argument("--small", dest="quick", action="store_true", help="the same as --quick")
    parser.add_argument("--only", choices=CASES, action="append", help="this case (all)")
    parser.add_argument("--size", type=int, help="of the case: bytes, or files")
    parser.add_argument("--way", choices=WAYS, default="daemon", help="what runs (daemon)")
    parser.add_argument("--model", default=MODEL, help=f"model.name ({MODEL})")
    parser.add_argument(
        "--bound", type=float, default=BOUND_MIB, help=f"MiB above idle ({BOUND_MIB})"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="more of the configuration"
    )
    parser.add_argument("--work", type=Path, help="folder for what is made (that for temporaries)")
    given = parser.parse_args()
    if given.size and len(given.only or CASES) != 1:
        parser.error("--size needs one --only")
    return given


def main() -> int:
    """Run, report, write the result."""
    given = command_line()
    rows = [measured(name, given) for name in given.only or CASES]
    report(rows)
    found = faults(rows, given)
    for fault in found:
        print(f"FAULT: {fault}")
    values = {
        "model": given.model,
        "set": given.set,
        "way": given.way,
        "bound_mib": given.bound,
        "faults": found,
    }
    measure.write(given, {**values, "cases": rows})
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
