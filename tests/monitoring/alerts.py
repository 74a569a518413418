"""Fires every alert once, by its fault, with real daemons and a real Prometheus: `make alerts`.

Time in the rules runs 60 times as fast. Prints for each alert what caused it, and after how many
seconds it fired and was over. Needs root (a small file system, a limit on watches) and prometheus.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from board import hurried, rules
from prometheus import MISSING, REASON, Prometheus

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from daemon import Daemon, environment, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

LIMIT_S = 240.0
SPACE = "1400m"
LAST = 8
"""Lines of each log, where an alert does not do what it should."""
PROGRAM = """
import os, pathlib, sys, threading
faults = pathlib.Path(os.environ["FAULTS"])
ballast = bytes([1]) * int(os.environ.get("BALLAST", "0"))
from ingestd.embed.engines import hashing
from ingestd.follow import Follower
from ingestd.watch.kernel import Reader
from ingestd_state.engine import Database, DatabaseError
hear, embed, lost, read = (
    Reader.handle_event, hashing.HashEmbedder.embed, Follower._on_lost, Database.read
)
def handle_event(self, event):
    if b"ends the reader" in (event.name or b""):
        raise OSError("the reader fails")
    hear(self, event)
def embed_or_not(self, texts):
    if (faults / "model").exists():
        raise RuntimeError("the engine is broken")
    if (faults / "hang").exists():
        threading.Event().wait()
    return embed(self, texts)
def on_lost(self, reason):
    if not (faults / "deaf").exists():
        lost(self, reason)
def read_or_not(self):
    if (faults / "state").exists() and "state.db" in self.url:
        raise DatabaseError("disk I/O error")
    return read(self)
hashing.HashEmbedder.embed = embed_or_not
Reader.handle_event = handle_event
Follower._on_lost = on_lost
Database.read = read_or_not
from ingestd.__main__ main
sys.argv[0] = "ingestd"
main()
""".replace("__main__ main", "__main__ import main")
"""The program, with faults that a file switches on where no other way is at hand."""


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Patient(Daemon):
    """A daemon that suffers faults."""

    def __init__(self, folder: Path, *, few_watches: bool = False, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "faults").mkdir()
        (folder / "docs").mkdir()
        super().__init__(folder / "docs", folder / "state")
        self.home = folder
        self.instance = f"127.0.0.1:{free_port()}"
        self._few_watches = few_watches
        self._settings = settings

    def launch(self, log: BinaryIO) -> None:
        """Start, and wait for nothing."""
        more = {f"INGESTD_{name}": value for name, value in self._settings.items()}
        limit = 'echo 8 > /proc/sys/user/max_inotify_watches; exec "$@"'
        first = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
        self.process = subprocess.Popen(
            [
                *(first if self._few_watches else []),
                *(sys.executable, "-c", PROGRAM, "run", str(self.folder)),
                *("--port", str(self.port), "--state-dir", str(self.state)),
            ],
            env={
                **environment("hash"),
                "INGESTD_HTTP__LISTEN": self.instance,
                "FAULTS": str(self.home / "faults"),
                **more,
                **({"BALLAST": "64000000"} if "MEMORY__MAX" in self._settings else {}),
            },
            stderr=log,
            stdin=subprocess.DEVNULL,
        )

    def fault(self, name: str) -> Path:
        """The file that switches a fault on."""
        return self.home / "faults" / name

    def write(self, name: str, text: str = "") -> None:
        """Save a document."""
        told = text or f"# {name}\n\nWritten at {time.monotonic()}.\n"
        (self.folder / name).write_text(told, "utf-8")

    def chroma(self, number: int) -> None:
        """Send the server that was started last a signal."""
        started = self.events("store_ready")
        if started:
            try:
                os.kill(int(started[-1]["pid"]), number)
            except ProcessLookupError:
                return

    def again(self) -> None:
        """Kill it, and start it."""
        self.kill()
        with self.log.open("wb") as log:
            self.launch(log)


class Ward:
    """Causes faults, and waits for the alerts.

    Attributes:
        rows: alert, what caused it, seconds until it fired and until it was over.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self.rows: list[tuple[str, str, float, float | None]] = []
        self._prometheus = prometheus

    def try_out(
        self,
        patient: Patient,
        alerts: Iterable[str],
        what: str,
        cause: Callable[[], Any],
        cure: Callable[[], Any] | None = None,
        *,
        again: Callable[[], Any] = lambda: None,
    ) -> None:
        """Make one ill, wait until each alert fires for it, then cure it and wait for the end."""
        waiting, began = set(alerts), time.monotonic()
        cause()
        fired: dict[str, float] = {}
        while waiting:
            if time.monotonic() - began > LIMIT_S:
                raise SystemExit(f"{what}: {sorted(waiting)} did not fire within {LIMIT_S:g} s")
            again()
            for alert in waiting & self._prometheus.firing(patient.instance):
                fired[alert] = time.monotonic() - began
            waiting -= set(fired)
            time.sleep(0.3)
        over: dict[str, float] = {}
        if cure is not None:
            cure()
            began = time.monotonic()
            while set(over) != set(fired):
                if time.monotonic() - began > LIMIT_S:
                    left = sorted(set(fired) - set(over))
                    raise SystemExit(f"{what}: {left} were not over within {LIMIT_S:g} s")
                still = self._prometheus.firing(patient.instance)
                for alert in set(fired) - set(over) - still:
                    over[alert] = time.monotonic() - began
                time.sleep(0.3)
        for alert in alerts:
            row = alert, what, round(fired[alert], 1), over.get(alert)
            self.rows.append(row)
            ended = f"{row[3]:6.1f} s" if row[3] is not None else "    stays"
            say(f"{alert:26} {row[2]:6.1f} s {ended}  {what}")


def broken(path: Path) -> None:
    """A document of Word whose XML ends in the middle."""
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        packed.writestr("word/document.xml", f"<w:document>{path.name}<w:bo")


def store_faults(ward: Ward, one: Patient) -> None:
    """A Chroma that hangs, and one that dies again and again."""

    def hang() -> None:
        one.chroma(signal.SIGSTOP)

    def edit() -> None:
        hang()
        one.write("late.md")

    ward.try_out(
        one,
        ["IngestdStoreAway", "IngestdBacklogOld", "IngestdNotReady"],
        "Chroma is stopped (SIGSTOP), whichever is started",
        edit,
        lambda: one.chroma(signal.SIGCONT),
        again=hang,
    )

    def delay() -> None:
        hang()
        one.write("late.md")
        time.sleep(4)
        one.chroma(signal.SIGCONT)
        time.sleep(1)

    ward.try_out(one, ["IngestdSlow"], "Chroma stands still for 4 s in 5", delay, again=delay)

    ended: list[Any] = []

    def kill() -> None:
        started = one.events("store_ready")
        if started and started[-1]["pid"] not in ended:
            ended.append(started[-1]["pid"])
            one.chroma(signal.SIGKILL)

    ward.try_out(
        one, ["IngestdChromaRestarting"], "Chroma is killed again and again", kill, None, again=kill
    )
    eventually(lambda: count(one))


def count(one: Patient) -> int:
    """How many chunks can be found; none while Chroma is away."""
    try:
        return int(one.collection().count())
    except ValueError:
        return 0


def disk_faults(ward: Ward, one: Patient) -> None:
    """A file system that is full, and a table that cannot be read."""
    ballast = one.home / "ballast"
    ward.try_out(
        one,
        ["IngestdDiskFull"],
        "the file system is filled up",
        lambda: subprocess.run(["fallocate", "-l", "1000M", ballast], check=True),
        ballast.unlink,
    )
    away = one.fault("state")
    ward.try_out(
        one,
        ["IngestdStateAway", "IngestdScansFailing"],
        "every read of the state table fails",
        away.touch,
        away.unlink,
    )


def model_and_watcher_faults(ward: Ward, one: Patient) -> None:
    """A model that fails on every text; watchers that die, noticed or not."""
    model = one.fault("model")

    def fail() -> None:
        model.touch()
        one.write("new.md")

    ward.try_out(one, ["IngestdPaused"], "the model fails on every text", fail, model.unlink)
    deaf = one.fault("deaf")

    def end_reader() -> None:
        deaf.touch()
        one.write("ends the reader.md")

    ward.try_out(
        one,
        ["IngestdWatcherDead"],
        "the thread that hears events ends unnoticed",
        end_reader,
        deaf.unlink,
        again=end_reader,  # for the canary has it replaced
    )
    ward.try_out(
        one,
        ["IngestdWatcherLosses"],
        "the watchers are lost again and again",
        lambda: None,
        None,
        again=lambda: one.write("ends the reader.md"),
    )
    (one.folder / "ends the reader.md").unlink()


def document_faults(ward: Ward, one: Patient) -> None:
    """Documents that cannot be read; a folder whose documents are gone, or that is gone."""

    def add() -> None:
        for number in range(15):
            broken(one.folder / f"broken {number}.docx")

    def remove() -> None:
        for number in range(15):
            (one.folder / f"broken {number}.docx").unlink()

    ward.try_out(
        one,
        ["IngestdDocumentsFailing", "IngestdDocumentsDead"],
        "15 damaged documents are added",
        add,
        remove,
    )
    aside = one.home / "aside"
    aside.mkdir()
    many = [one.folder / f"{number}.md" for number in range(30)]

    def take() -> None:
        for path in many:
            path.rename(aside / path.name)

    def bring() -> None:
        for path in many:
            (aside / path.name).rename(path)

    ward.try_out(one, ["IngestdSourceHeld"], "30 of 41 documents are gone at once", take, bring)
    gone = one.home / "gone"
    ward.try_out(
        one,
        ["IngestdSourceOffline"],
        "the folder is moved away",
        lambda: one.folder.rename(gone),
        lambda: gone.rename(one.folder),
    )


def ends(ward: Ward, one: Patient) -> None:
    """A model that never comes back, a daemon that is killed once, and again and again."""

    def hang() -> None:
        one.fault("hang").touch()
        one.write("hangs.md")

    def start() -> None:
        one.fault("hang").unlink(missing_ok=True)
        one.again()

    ward.try_out(one, ["IngestdStuck"], "the model never comes back", hang, start)
    ward.try_out(one, ["IngestdDown"], "the daemon is killed", one.kill, start)

    def restart() -> None:
        eventually(lambda: ward_up(ward, one))
        one.again()

    ward.try_out(
        one,
        ["IngestdRestarting"],
        "it is killed and started again and again",
        restart,
        again=restart,
    )


def ward_up(ward: Ward, one: Patient) -> bool:
    """Whether Prometheus has read this process."""
    address = f'up{{instance="{one.instance}"}} == 1'
    started = f'ingestd_start_time_seconds{{instance="{one.instance}"}}'
    prometheus = ward._prometheus  # noqa: SLF001 - of this file
    found = prometheus.ask(started)
    return bool(prometheus.ask(address)) and bool(found) and one.process.poll() is None


def admitted(home: Path, disk: Path) -> tuple[Patient, Patient, Patient, Patient]:
    """One for most faults, one without scans, one with few watches, one with little memory."""
    usual = {
        "WATCH__CANARY_S": "20",
        "WATCH__RECONCILE_S": "5",
        "LIMITS__ATTEMPTS": "2",
        "LIMITS__RETRY_S": "1",
        "LIMITS__BACKLOG_S": "5",
        "LIMITS__STUCK_S": "2",
        "STORE__COMPACT_AT": "1e9",
    }
    one = Patient(disk / "one", **usual)
    lazy = Patient(home / "lazy", WATCH__RECONCILE_S="100000", STORE__COMPACT_AT="1e9")
    polled = Patient(home / "polled", few_watches=True)
    small = Patient(home / "small", MEMORY__HIGH="128M", MEMORY__MAX="129M")
    for number in range(40):
        one.write(f"{number}.md")
    for number in range(20):
        (polled.folder / str(number)).mkdir()
    for patient in (lazy, polled, small):
        patient.write("first.md")
    return one, lazy, polled, small


def limit_faults(ward: Ward, polled: Patient, small: Patient) -> None:
    """Too few watches, too little memory: from the start."""
    ward.try_out(polled, ["IngestdSourcePolled"], "the kernel allows 8 watches", lambda: None)
    polled.kill()
    ward.try_out(
        small, ["IngestdMemoryMax", "IngestdMemoryHigh"], "the daemon takes too much", lambda: None
    )
    small.kill()


def scan_faults(ward: Ward, lazy: Patient) -> None:
    """No scan for long, and a store that keeps what was deleted."""
    ward.try_out(lazy, ["IngestdNotReconciled"], "no scan for 120 s", lambda: None)
    texts = "\n\n".join(f"## Part {n}\n\nText of part {n}." for n in range(12_000))
    lazy.write("large.md", f"# Large\n\n{texts}\n")
    eventually(lambda: count(lazy) > 10_000, 240)
    ward.try_out(
        lazy,
        ["IngestdStoreBloated"],
        "a document of 12,000 chunks becomes one of one",
        lambda: lazy.write("large.md"),
    )


def everything(
    ward: Ward, patients: tuple[Patient, Patient, Patient, Patient], only: list[str]
) -> None:
    """Each fault, one after the other."""
    one, lazy, polled, small = patients
    parts: dict[str, Callable[[], None]] = {
        "limits": lambda: limit_faults(ward, polled, small),
        "documents": lambda: document_faults(ward, one),
        "disk": lambda: disk_faults(ward, one),
        "model": lambda: model_and_watcher_faults(ward, one),
        "store": lambda: store_faults(ward, one),
        "scans": lambda: scan_faults(ward, lazy),
        "ends": lambda: ends(ward, one),
    }
    for name, run in parts.items():
        if not only or name in only:
            run()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=["limits", "documents", "disk", "model", "store", "scans", "ends"],
        help="faults of this part; may be given again",
    )
    arguments = parser.parse_args()
    if MISSING or os.geteuid():
        raise SystemExit(REASON if MISSING else "needs root")
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="alerts-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        disk = home / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "x", disk], check=True)
        stack.callback(subprocess.run, ["umount", "-l", disk], check=False)
        patients = admitted(home, disk)
        one, lazy, *_ = patients
        pages = [patient.instance for patient in patients]
        prometheus = stack.enter_context(
            Prometheus(home / "prometheus", free_port(), pages, hurried())
        )
        for patient in patients:
            with patient.log.open("wb") as log:
                patient.launch(log)
            stack.callback(patient.kill)
        eventually(lambda: one.events("ready"), 120)
        eventually(lambda: lazy.events("ready"), 120)
        ward = Ward(prometheus)
        say(f"{'alert':26} {'fires':>8} {'over':>8}  fault")
        try:
            everything(ward, patients, arguments.only)
        except (SystemExit, AssertionError):
            for patient in patients:
                say(f"{patient.log}: exit status {patient.process.poll()}")
                say("".join(patient.log.read_text("utf-8").splitlines(keepends=True)[-LAST:]))
            raise
        missing = {rule["alert"] for rule in rules()} - {row[0] for row in ward.rows}
        if missing and not arguments.only:
            raise SystemExit(f"not tried: {sorted(missing)}")
        say(f"{len(ward.rows)} of {len(rules())} alerts fired")
        if arguments.json:
            names = ("alert", "fault", "fired_s", "over_s")
            told = [dict(zip(names, row, strict=True)) for row in ward.rows]
            arguments.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
