"""Months in minutes: random edits through the running daemon, and what memory does meanwhile.

The real program runs as its users run it, with a Chroma server of its own, on a folder in which
somebody makes edits of every kind. Every edit is taken up for itself: no more than a few wait at a
time, and none touches a document that waits. Each second the memory, threads and descriptors of
the daemon, of its Chroma server and of the parser's child are noted, with the number of edits so
far. Now and then everything is let come to rest, and what is held then is noted, too. The slope is
told of the least at several rests in a row: what is in hand comes and goes by tens of MiB, and the
heap gives back what was freed only after a while. In the end the index is checked, and compared
with one made from nothing.

    python profiling/soak.py                     # 40,000 edits with the real model
    python profiling/soak.py --model hash:384    # the same without a model, sooner
    python profiling/soak.py --quick             # two minutes of edits, as in CI

Exit status 1 when memory or descriptors grow more than they may, or when the index is not what it
must be.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
from _daemon import Daemon, ingest, slots, verb
from _edits import Expected, Tree
from _processes import CHROMA, DAEMON, OTHER, PARSER, ROLES, disk_bytes, family, held
from measure import MIB, Line, Panel, mib

if TYPE_CHECKING:
    import argparse
    import subprocess
    from collections.abc import Iterator, Mapping

TEST_MODEL = "hash:384"
PACE_S = 1.0
IN_FLIGHT = 16
"""Edits that may wait at a time."""
PATIENCE_S = 600.0
GLANCE_S = 0.01
REST, QUICK_REST = 200, 50
"""After so many edits everything comes to rest; with --quick."""
REST_S = 1.0
FLOOR, QUICK_FLOOR = 5, 1
"""Rests of which the least counts; with --quick."""
UNIT = 10_000
"""Slopes are told for so many edits."""
BOUND_MIB, QUICK_BOUND_MIB = 0.95, 20.0
"""Of the daemon's slope; 0.95 MiB are 1 MB. Two minutes tell only what leaks fast."""
CHROMA_BOUND = 1.5
"""How many times its size at the beginning the Chroma server may have in the end, for each live
vector. Its disk is told, too: places that are not live may take as much as those that are."""
MORE_DESCRIPTORS = 16
CHECKS, AWAY_S, STORE_AWAY = 3, 5.0, 10
"""Tries of a check; seconds between two; what it exits with when Chroma does not answer."""
COUNTS = ("threads", "descriptors")
TITLES = {
    DAEMON: "daemon",
    CHROMA: "Chroma server",
    PARSER: "reading child",
    OTHER: "other children",
}
WARM_UP, QUICK_WARM_UP = 0.25, 0.4
"""Shares of the samples that say nothing about the slope."""
ENOUGH_RESTS = 20
"""With fewer, on a slow machine, the slope is told of what was held each second."""
Samples = dict[str, list[float]]


class Sampler:
    """Notes each second what the processes hold, with the edits so far; a context.

    Attributes:
        edits: so far; whoever makes them counts here.
        samples: columns of equal length: seconds, edits, and each role's measures.
        rests: the same, of the moments when nothing was in hand.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.edits = 0
        self.samples: Samples = {}
        self.rests: Samples = {}
        self._daemon = daemon
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> None:
        self.take()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.take()

    def rest(self) -> None:
        """Note what they hold while nothing is in hand."""
        time.sleep(REST_S)
        self._note(self.rests)

    def take(self) -> None:
        """Note what they hold now."""
        self._note(self.samples)

    def _note(self, columns: Samples) -> None:
        row: dict[str, float] = {
            "seconds": round(time.monotonic() - self._started, 1),
            "edits": self.edits,
        }
        for role, pids in family(self._daemon.pid).items():
            values = asdict(held(pids))
            del values["peak"]
            row |= {f"{role}_{name}": value for name, value in values.items()}
        for name, value in row.items():
            columns.setdefault(name, []).append(value)

    def _run(self) -> None:
        while not self._ended.wait(PACE_S):
            self.take()


def work(daemon: Daemon, tree: Tree, sampler: Sampler, given: argparse.Namespace) -> None:
    """Make edits, a few at a time, until there are enough or the time is over."""
    end = time.monotonic() + given.seconds
    waiting: Expected = {}

    def room() -> bool:
        for path in daemon.taken_up(waiting):
            del waiting[path]
        return len(waiting) < IN_FLIGHT

    while sampler.edits < given.edits and time.monotonic() < end:
        daemon.until(room, PATIENCE_S, GLANCE_S)
        waiting.update(tree.edit(waiting))
        sampler.edits += 1
        if sampler.edits % given.rest == 0:
            daemon.settle(waiting, PATIENCE_S)
            sampler.rest()
    daemon.settle(tree.expected(), PATIENCE_S)


def weigh(daemon: Daemon) -> dict[str, Any]:
    """The Chroma server beside the vectors that it serves."""
    live = daemon.live()
    rss = held(family(daemon.pid)[CHROMA]).rss
    disk = disk_bytes(daemon.state / "chroma")
    return {"live_vectors": live, "rss": rss, "disk": disk}


def check(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    """Run `ingestd check`; once more where it came just when Chroma was made anew."""
    for _ in range(CHECKS - 1):
        done = verb(daemon, "check")
        if done.returncode != STORE_AWAY:
            return done
        time.sleep(AWAY_S)
    return verb(daemon, "check")


def soak(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The whole run; returns what was found."""
    tree = Tree(place / "docs", given.documents, given.seed)
    more = dict(pair.split("=", 1) for pair in given.set)
    settings = {"model.name": given.model, **more}
    with Daemon(tree.folder, place / "state", settings) as daemon:
        daemon.settle(tree.expected(), PATIENCE_S)
        before = weigh(daemon)
        sampler = Sampler(daemon)
        with sampler:
            started = time.monotonic()
            work(daemon, tree, sampler, given)
            took = time.monotonic() - started
        after = weigh(daemon)
        checked = check(daemon)
        ordered = verb(daemon, "compact")
        compacted_size = weigh(daemon)
        complaints, compacted = daemon.complaints(), daemon.events("compacted")
    ingest(tree.folder, place / "fresh", settings)
    ours, fresh = slots(place / "state"), slots(place / "fresh")
    return {
        "model": given.model or "the usual one",
        "set": given.set,
        "edits": sampler.edits,
        "kinds": dict(sorted(tree.made.items())),
        "seconds": round(took, 1),
        "edits_per_second": round(sampler.edits / took, 1),
        "documents": len(tree),
        "chroma_before": before,
        "chroma_after": after,
        "chroma_compacted": {**compacted_size, "exit": ordered.returncode},
        "check_exit": checked.returncode,
        "check_said": (checked.stdout + checked.stderr).strip()[-500:],
        "slots": {"ours": len(ours), "fresh": len(fresh), "equal": ours == fresh},
        "complaints": complaints,
        "compactions": [
            {name: event.get(name) for name in ("timestamp", "seconds", "away_s", "freed_bytes")}
            for event in compacted
        ],
        "rests": sampler.rests,
        "samples": sampler.samples,
    }


def in_parts(values: list[float], size: int) -> Iterator[list[float]]:
    """So many values at a time; what is left over is left out."""
    return (values[at : at + size] for at in range(0, len(values) - size + 1, size))


def judged(found: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """Add the slopes, the growth of Chroma, and what of it is not as it must be."""
    rests, samples = found["rests"], found["samples"]
    warm_up = QUICK_WARM_UP if given.quick else WARM_UP
    floor = QUICK_FLOOR if given.quick else FLOOR
    told = rests if len(rests.get("edits", [])) >= ENOUGH_RESTS else samples
    edits = [part[-1] for part in in_parts(told["edits"], floor)]
    slopes = {
        f"{role}_{name}": measure.slope(
            edits,
            [min(part) for part in in_parts(told[f"{role}_{name}"], floor)],
            warm_up=warm_up,
        ).times(UNIT / MIB)
        for role in ROLES
        for name in ("rss", "pss")
    }
    busy = measure.slope(samples["edits"], samples["daemon_rss"], warm_up=warm_up)
    before, after = found["chroma_before"], found["chroma_after"]
    vectors = after["live_vectors"] / before["live_vectors"]
    growth = {name: round(after[name] / before[name] / vectors, 2) for name in ("rss", "disk")}
    more = samples["daemon_descriptors"][-1] - samples["daemon_descriptors"][0]
    steep = slopes["daemon_rss"].value
    faults = {
        f"the daemon grows by {steep:.2f} MiB in {UNIT:,} edits": steep > given.bound,
        f"Chroma grew, for each live vector, to {growth} times its size": (
            growth["rss"] > CHROMA_BOUND and not given.quick
        ),
        f"the daemon has {more} descriptors more": more > MORE_DESCRIPTORS,
        f"`ingestd check` ended with {found['check_exit']}": found["check_exit"] != 0,
        "the index is not that of a fresh ingest": not found["slots"]["equal"],
    }
    rest = {name: found.pop(name) for name in ("rests", "samples")}
    return {
        **found,
        "daemon_rss_every_second": busy.times(UNIT / MIB).as_json(),
        "mib_per_10000_edits": {name: slope.as_json() for name, slope in slopes.items()},
        "chroma_growth_for_each_vector": growth,
        "bound_mib_per_10000_edits": given.bound,
        "faults": [fault for fault, holds in faults.items() if holds],
        **rest,
    }


def report(found: Mapping[str, Any]) -> None:
    """Print the tables."""
    samples, slopes = found["rests"] or found["samples"], found["mib_per_10000_edits"]
    rows = []
    for role in ROLES:
        rss, slope = samples[f"{role}_rss"], slopes[f"{role}_rss"]
        grown = f"{slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f})"
        ends = [f"{samples[f'{role}_{name}'][at]:.0f}" for name in COUNTS for at in (0, -1)]
        rows.append([TITLES[role], mib(rss[0]), mib(rss[-1]), mib(max(rss)), grown, *ends])
    headings = ["at rest", "RSS first", "RSS last", "RSS most", "MiB in 10,000 edits (95 %)"]
    headings += ["threads first", "last", "descriptors first", "last"]
    print(measure.table(headings, rows), end="\n\n")
    rows = [
        [when, entry["live_vectors"], mib(entry["rss"]), mib(entry["disk"])]
        for when in ("before", "after", "compacted")
        for entry in (found[f"chroma_{when}"],)
    ]
    print(measure.table(["Chroma", "live vectors", "RSS MiB", "disk MiB"], rows), end="\n\n")
    print(
        f"{found['edits']:,} edits in {found['seconds']:.0f} s "
        f"({found['edits_per_second']} a second): {found['kinds']}\n"
        f"slots: {found['slots']}; check: {found['check_said']}; logged: {found['complaints']}\n"
        f"Chroma was made anew {len(found['compactions'])} times"
    )
    for fault in found["faults"]:
        print(f"FAULT: {fault}")


def draw(given: argparse.Namespace, found: Mapping[str, Any]) -> None:
    """Draw memory over the edits."""
    samples = found["samples"]
    lines = [
        Line(
            TITLES[role],
            samples["edits"],
            [value / MIB for value in samples[f"{role}_rss"]],
        )
        for role in ROLES
        if max(samples[f"{role}_rss"])
    ]
    title = f"{found['edits']:,} edits through the running daemon"
    measure.draw_chart(given, [Panel(lines, "edits", "resident memory (MiB)")], title=title)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = measure.parser(__doc__)
    parser.add_argument("--edits", type=int, help="edits to make (40000)")
    parser.add_argument("--seconds", type=float, help="make no more after this (6 hours)")
    parser.add_argument("--documents", type=int, help="documents in the folder (800)")
    parser.add_argument(
        "--model",
        help=f"model.name; {TEST_MODEL} needs none (the usual; with --quick {TEST_MODEL})",
    )
    parser.add_argument("--bound", type=float, help=f"MiB in 10,000 edits ({BOUND_MIB})")
    parser.add_argument("--rest", type=int, help=f"edits between two rests ({REST})")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="more of the configuration"
    )
    given = parser.parse_args()
    quick = {
        "edits": UNIT,
        "seconds": 120.0,
        "documents": 100,
        "model": TEST_MODEL,
        "bound": QUICK_BOUND_MIB,
        "rest": QUICK_REST,
    }
    long = {
        "edits": 40_000,
        "seconds": 6 * 3600.0,
        "documents": 800,
        "model": "",
        "bound": BOUND_MIB,
        "rest": REST,
    }
    for name, value in (quick if given.quick else long).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


def main() -> int:
    """Run, report, write the result."""
    given = options()
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        found = judged(soak(Path(place), given), given)
    report(found)
    measure.write(given, found)
    draw(given, found)
    return int(bool(found["faults"]))


if __name__ == "__main__":
    sys.exit(main())
