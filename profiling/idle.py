"""A day of idleness, in some minutes: does a daemon that has nothing to do stay as it is?

The real daemon (managed Chroma, watchers, all its ticks) indexes the test corpus and is then left
alone, with every interval of its schedule divided by a factor, until it has done as many drains,
scans and canaries as in a day. Its memory, threads and descriptors must not move. What a second of
idleness costs in processor time is measured at the true pace, for a minute.

    python profiling/idle.py --quick      # a tenth of a day, about two minutes
    python profiling/idle.py              # one day, about twelve minutes
    python profiling/idle.py --days 7

Exit status 1 when the day was not finished, or resident memory rises by more than the bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _daemon
import _documents
import _processes
import measure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

DAY_S = 86_400
START_S = 900.0
STOP_S = 60.0
A_DAY = {"drains": 86_400, "scans": 144, "canary": 1_440, "store": 1_440, "maintain": 1}
"""How often each is done in a day, with the configuration as it comes."""
SAMPLE_S = 1.0


@dataclass(slots=True)
class Hurried:
    """A running daemon with a faster clock."""

    process: subprocess.Popen[bytes]
    counts_file: Path
    log: Path

    def counts(self) -> dict[str, int]:
        """What it has done so far.

        Raises:
            RuntimeError: it ended.
        """
        if self.process.poll() is not None:
            text = self.log.read_text(encoding="utf-8", errors="replace")[-2_000:]
            raise RuntimeError(f"the daemon ended:\n{text}")
        try:
            counts: dict[str, int] = json.loads(self.counts_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return counts

    def end_trace(self) -> None:
        """Have a trace end, if there is one; returns when its file is whole."""
        self.counts_file.with_suffix(".stop").touch()
        while not self.counts().get("trace_ended"):
            time.sleep(SAMPLE_S)

    def pids(self) -> dict[str, int]:
        """Its processes by role; of several with the same role the first."""
        family = _processes.family(self.process.pid)
        return {role: found[0] for role, found in family.items() if found}


@contextlib.contextmanager
def running(
    place: Path, factor: float, model: str, trace: argparse.Namespace | None = None
) -> Iterator[Hurried]:
    """Start the daemon on the documents in ``place``; it is ready when this yields.

    Args:
        place: its documents, and its state.
        factor: its clock is faster by this.
        model: ``model.name``.
        trace: the options of a trace that the daemon makes of itself.
    """
    state, log, counts = place / "state", place / "log", place / "counts.json"
    for file in (counts, counts.with_suffix(".stop")):
        file.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    script = Path(__file__).with_name("_hurried.py")
    options = {name: str(getattr(trace, name)) for name in ("memray", "native", "each") if trace}
    command = [sys.executable, str(script), str(counts), str(factor), json.dumps(options), "run"]
    command += [str(place / "documents"), "--state-dir", str(state)]
    command += ["--port", str(_daemon.free_port())]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env=_daemon.environment({"model.name": model}),
            stderr=stderr,
            stdin=subprocess.DEVNULL,
        )
    daemon = Hurried(process, counts, log)
    try:
        end = time.monotonic() + START_S
        while '"event": "ready"' not in log.read_text(encoding="utf-8", errors="replace"):
            daemon.counts()  # raises when it ended
            if time.monotonic() > end:
                raise TimeoutError("the daemon did not get ready")
            time.sleep(0.2)
        yield daemon
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def looks(daemon: Hurried) -> dict[str, measure.Look]:
    """One look at each process."""
    return {role: measure.look(pid) for role, pid in daemon.pids().items()}


def calm(place: Path, given: argparse.Namespace) -> dict[str, float]:
    """Processor seconds of a day at the true pace, by process, from a minute of it."""
    with running(place, 1.0, given.model) as daemon:
        time.sleep(min(5.0, given.calm_s))  # what a start leaves behind shall not count
        before, started = looks(daemon), time.monotonic()
        time.sleep(given.calm_s)
        after, seconds = looks(daemon), time.monotonic() - started
    return {
        role: round((after[role].cpu_s - before[role].cpu_s) * DAY_S / seconds, 1)
        for role in before
        if role in after
    }


def hurried(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Live through the days; returns the figures."""
    wanted = {name: count * given.days for name, count in A_DAY.items()}
    trace = given if given.memray else None
    with running(place, given.factor, given.model, trace) as daemon:
        first = daemon.counts()

        def since() -> dict[str, int]:
            return {name: count - first.get(name, 0) for name, count in daemon.counts().items()}

        def day() -> float:
            """How much of a day is done: the least of the kinds; the nightly one does not count."""
            counts = since()
            parts = [counts.get(n, 0) / A_DAY[n] for n in A_DAY if n != "maintain"]
            return min(parts)

        started, before = time.monotonic(), looks(daemon)
        sampler = measure.Sampler(daemon.pids, every_s=SAMPLE_S, progress=day)
        with sampler:
            end = time.monotonic() + given.limit_s
            while day() < given.days and time.monotonic() < end:
                time.sleep(SAMPLE_S)
        daemon.end_trace()
        after, done, seconds = looks(daemon), since(), time.monotonic() - started
    return {
        "days": given.days,
        "factor": given.factor,
        "seconds": round(seconds, 1),
        "finished": min(done.get(n, 0) >= wanted[n] for n in A_DAY if n != "maintain"),
        "ticks": {name: {"done": done.get(name, 0), "wanted": wanted[name]} for name in A_DAY},
        "other_ticks": {
            name: count for name, count in done.items() if name not in {*A_DAY, "trace_ended"}
        },
        "processes": {
            role: of_process(sampler, role, before[role], after[role], given)
            for role in before
            if role in after
        },
    }


def of_process(
    sampler: measure.Sampler,
    role: str,
    before: measure.Look,
    after: measure.Look,
    given: argparse.Namespace,
) -> dict[str, Any]:
    """The figures of one process."""
    xs, ys = sampler.series(role)
    rise = measure.slope(xs, ys).times(1 / measure.MIB)
    return {
        "rss_mib_first": round(ys[0] / measure.MIB, 1),
        "rss_mib_last": round(ys[-1] / measure.MIB, 1),
        "slope_mib_per_day": rise.as_json(),
        "cpu_seconds_per_day_hurried": round((after.cpu_s - before.cpu_s) / max(xs[-1], 1e-9), 1),
        "threads": [before.threads, after.threads],
        "descriptors": [before.descriptors, after.descriptors],
        "samples": {
            "day": [round(x, 4) for x in xs],
            "rss_mib": [round(y / measure.MIB, 2) for y in ys],
        },
        "bound_mib_per_day": given.bound,
    }


def show(values: dict[str, Any]) -> str:
    """The tables."""
    ticks = [[name, row["done"], row["wanted"]] for name, row in values["ticks"].items()]
    rows = []
    for role, row in values["processes"].items():
        rise = row["slope_mib_per_day"]
        rows.append(
            [
                role,
                f"{row['rss_mib_first']:.1f} → {row['rss_mib_last']:.1f}",
                f"{rise['value']:.2f} ({rise['low']:.2f} to {rise['high']:.2f})",
                " → ".join(str(count) for count in row["threads"]),
                " → ".join(str(count) for count in row["descriptors"]),
                f"{values['cpu_seconds_per_day'].get(role, 0):.0f}",
            ]
        )
    headings = ["process", "RSS, MiB", "MiB a day (95 %)", "threads", "files", "CPU s a day"]
    return (
        f"{measure.table(['tick', 'done', 'in a day'], ticks)}\n\n{measure.table(headings, rows)}"
    )


def main() -> int:
    """Measure, print, write and draw."""
    parser = measure.parser(__doc__)
    parser.add_argument("--days", type=float, help="days to live through (1; quick: 0.1)")
    parser.add_argument("--factor", type=float, default=250.0, help="faster by this (250)")
    parser.add_argument("--limit-s", type=float, default=3_600, help="give up after this (3600)")
    parser.add_argument("--calm-s", type=float, help="seconds at the true pace (60; quick: 20)")
    parser.add_argument("--model", default="", help="model.name (the packaged one; quick: hash)")
    parser.add_argument("--bound", type=float, default=1.0, help="MiB a day, of the daemon (1)")
    given = parser.parse_args()
    given.days = given.days or (0.1 if given.quick else 1.0)
    given.calm_s = given.calm_s or (20.0 if given.quick else 60.0)
    given.model = given.model or ("hash" if given.quick else "")
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="idle") as name:
        place = Path(name)
        shutil.copytree(_documents.CORPUS, place / "documents")
        values = hurried(place, given)
        if given.memray:
            return 0  # whoever traces asks for no figures
        values["cpu_seconds_per_day"] = calm(place, given)
    print(show(values))
    lines = [
        measure.Line(role, row["samples"]["day"], row["samples"]["rss_mib"])
        for role, row in values["processes"].items()
    ]
    measure.draw_chart(given, [measure.Panel(lines, "days of idleness", "resident memory, MiB")])
    measure.write(given, values)
    steep = values["processes"]["daemon"]["slope_mib_per_day"]["low"] > given.bound
    return int(steep or not values["finished"])


if __name__ == "__main__":
    sys.exit(main())
