"""A day in the life of the service, under a real systemd: `make day`, as root.

Start, a thousand edits, a Chroma that crashes, a full disk and its relief, a reload, a rotation of
the logs, a backup, a restore elsewhere, an upgrade from an older program with an older state table,
and a stop. After each, every document on the disk must be found in Chroma as it is, and nothing
else. A real Prometheus watches, with time in the rules 60 times as fast: each part says which
alerts must fire, and which may.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import events
from booted_machine import Machine
from folder import MARK, Folder
from server import Server, eventually, stored

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "monitoring"))
from board import hurried
from prometheus import MISSING, REASON, Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
DOCS = Path("/srv/handbook")
STATE = Path("/var/lib/ingestd")
DISK = "2000m"
EDITS = 1000
OLD = "1267766~1"
"""The last program with the state table 0002."""
LONG_S = 600.0


class Inside(Machine):
    """The machine, as those see it who are in it."""

    def __init__(self) -> None:
        self.share = Path("/srv/share")

    def words(self, *words: str | Path) -> list[str]:
        """A command, as it is."""
        return list(map(str, words))


@dataclass
class Part:
    """A part of the day, and how it went."""

    name: str
    seconds: float = 0.0
    documents: int = 0
    chunks: int = 0
    memory: int = 0
    fired: list[str] = field(default_factory=list)
    note: str = ""


class Day:
    """All that happens, on one folder and one service."""

    def __init__(self, prometheus: Prometheus, only: list[str]) -> None:
        self.only = only
        self.machine = Inside()
        self.server = Server(self.machine)
        self.folder = Folder(DOCS, 11)
        self.parts: list[Part] = []
        self.prometheus = prometheus

    def part(
        self,
        name: str,
        run: Callable[[], str | None],
        *,
        must: frozenset[str] = frozenset(),
        may: frozenset[str] = frozenset(),
    ) -> None:
        """Run a part, wait until all is well again, and look whether anything is lost."""
        if self.only and name not in self.only:
            return
        part, began = Part(name), time.monotonic()
        part.note = run() or ""
        eventually(self.settled, LONG_S)
        part.seconds = time.monotonic() - began
        part.documents, part.chunks = self.nothing_lost(8000)
        part.memory = self.memory()
        eventually(lambda: not self.prometheus.firing(), LONG_S)
        part.fired = sorted(self.prometheus.fired(time.monotonic() - began))
        assert must <= set(part.fired) <= must | may, (name, part.fired)
        self.parts.append(part)
        say(
            f"{part.name:28} {part.seconds:7.1f} s {part.documents:6,} {part.chunks:7,} "
            f"{part.memory / 2**20:6.0f} MiB  {', '.join(part.fired) or '-'}  {part.note}"
        )

    def settled(self) -> bool:
        """Whether it is well, and nothing waits."""
        if not self.server.ready():
            return False
        counts = self.server.ask("/v1/status")[1]["documents"]
        return counts["pending"] + counts["working"] + counts["failed"] == 0 and counts[
            "indexed"
        ] == len(self.folder.marks)

    def nothing_lost(self, port: int) -> tuple[int, int]:
        """Each document is in Chroma as it is on the disk, and nothing else; how many."""
        found: dict[str, str] = {}
        chunks = 0
        for path, text in stored(port):
            chunks += 1
            found[path] = found.get(path, "") + text
        wrong = sorted(set(found) ^ set(self.folder.marks))
        assert not wrong, wrong[:10]
        for name, mark in self.folder.marks.items():
            assert set(MARK.findall(found[name])) == {mark}, name
        return len(found), chunks

    def memory(self) -> int:
        """Bytes of the daemon, Chroma and the reading child."""
        told: dict[str, Any] = self.server.ask("/v1/status")[1]["memory"]
        return int(told["bytes"])

    def edits(self, number: int, pause_s: float = 0.02) -> None:
        """So many edits, one after the other."""
        for _ in range(number):
            self.folder.edit()
            time.sleep(pause_s)

    def run(self, *words: str | Path) -> None:
        """A command of the administrator, which has to succeed."""
        self.machine.run(*words, check=True, limit_s=LONG_S)

    def chroma(self) -> int:
        """The process of the Chroma server; 0 while there is none."""
        return int(self.machine.run("pgrep", "-o", "-f", "embed.chroma.child").stdout or 0)


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def inside(only: list[str]) -> list[Part]:
    """The whole day, on the machine."""
    down = frozenset({"IngestdDown", "IngestdNotReady", "IngestdStoreAway"})
    slow = frozenset({"IngestdSlow"})
    away = down | slow | {"IngestdBacklogOld", "IngestdPaused", "IngestdChromaRestarting"}
    home = Path("/tmp/prometheus")
    with Prometheus(home, 9090, ["127.0.0.1:8766"], hurried()) as prometheus:
        day = Day(prometheus, only)
        say(f"{'part':28} {'took':>9} {'docs':>6} {'chunks':>7} {'memory':>10}  alerts, notes")
        day.part("start", lambda: events.start(day), may=down | slow)
        day.part(f"{EDITS} edits", lambda: day.edits(EDITS), may=slow)
        day.part("Chroma crashes", lambda: events.crash(day), may=away)
        full = frozenset({"IngestdDiskFull"})
        day.part("full disk, relief", lambda: events.full_disk(day), must=full, may=away)
        day.part("reload", lambda: events.reload(day), may=slow)
        day.part("rotation of the logs", lambda: events.rotate(day), may=slow)
        day.part("backup", lambda: events.backup(day), may=slow)
        day.part("restore elsewhere", lambda: events.elsewhere(day), may=slow)
        restarts = down | slow | {"IngestdRestarting"}
        day.part("upgrade", lambda: events.upgrade(day), may=restarts)
        must = frozenset({"IngestdDown"})
        day.part("stop, start", lambda: events.stop(day), must=must, may=restarts)
        day.server.control("stop")
        say(day.server.show("Result"))
    return day.parts


def main() -> None:
    """Boot the machine, and have the day in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the parts here")
    parser.add_argument("--only", action="append", default=[], help="this part; `start` is needed")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        parts = [vars(part) for part in inside(arguments.only)]
        Path("/srv/share/day.json").write_text(json.dumps(parts, indent=1) + "\n", "utf-8")
        return
    if MISSING:
        raise SystemExit(REASON)
    with Machine() as machine:
        machine.run("mkdir", "-p", STATE, check=True)
        machine.run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "state", STATE, check=True)
        machine.share.chmod(0o755)
        old = machine.share / "old"
        old.mkdir()
        packed = subprocess.run(
            ["git", "-C", ROOT, "archive", OLD], capture_output=True, check=False
        )
        if packed.returncode == 0:
            subprocess.run(["tar", "-x", "-C", old], input=packed.stdout, check=True)
        only = [word for name in arguments.only for word in ("--only", name)]
        command = machine.words(sys.executable, __file__, "--inside", *only)
        done = subprocess.run(command, check=False)
        if arguments.json and done.returncode == 0:
            arguments.json.write_text((machine.share / "day.json").read_text("utf-8"), "utf-8")
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
