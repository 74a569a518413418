"""Kills the program at random moments, and compares what comes of it with a fresh ingest.

Used by a short test and by the long `tests/soak/random_kills.py`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from daemon import Daemon, environment
from history import collection_of, rows, stored, view

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from forked import Zygote
    from history import View

MODEL = "hash:16"
MOST_FILES = 40
LIMITS = {"INGESTD_LIMITS__BATCH_DOCUMENTS": "6", "INGESTD_LOG__FORMAT": "json"}
DEADLINE_S = 180.0


@dataclass
class Score:
    """What a number of kills came to.

    Attributes:
        kills: how many there were.
        rounds: how many comparisons.
        converged: how many of these found no difference.
        embedded_again: texts that were in the vectors cache and still went through the model.
        recovery_s: from each restart until everything was indexed.
        differences: what was found, for people.
    """

    kills: int = 0
    rounds: int = 0
    converged: int = 0
    embedded_again: int = 0
    recovery_s: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def compare(self, what: str, found: View, expected: View) -> None:
        """Count a comparison."""
        self.rounds += 1
        missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
        other = [place for place in found if place in expected and found[place] != expected[place]]
        if missing or extra or other:
            self.differences.append(f"{what}: missing {missing}, extra {extra}, other {other}")
        else:
            self.converged += 1

    def report(self) -> dict[str, Any]:
        """As JSON."""
        longest = round(max(self.recovery_s, default=0.0), 2)
        return {**asdict(self), "recovery_s": longest}


def plain(found: View) -> View:
    """A view without what depends on history: which document was where first."""
    for entry in found.values():
        entry[1].pop("document_id")
    return found


def text(chance: random.Random) -> str:
    """A document of some sections."""
    sections = chance.randint(0, 8)
    words = ["alpha", "beta", "gamma", "delta", "omega"]
    return "\n\n".join(
        f"## Section {number}\n\n" + " ".join(chance.choices(words, k=12)) + f" {chance.random()}."
        for number in range(sections)
    )


class Tree:
    """A folder in which somebody works."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self._chance = chance
        self._number = 0
        self.grow(15)

    def grow(self, files: int) -> None:
        """Make so many files, more or less."""
        for _ in range(files):
            self._create()

    def files(self) -> list[Path]:
        """Every file."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def work(self, seconds: float) -> None:
        """Do one thing after the other, for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.act()
            time.sleep(self._chance.uniform(0.0, 0.08))

    def act(self) -> None:
        """Do something."""
        files = self.files()
        acts = [self._edit, self._rename, self._copy, self._move_directory, self._create]
        if len(files) > MOST_FILES // 2:
            acts = [self._edit, self._delete, self._delete, self._rename, self._move_directory]
        act = self._chance.choice(acts) if files else self._create
        act()

    def _any(self) -> Path:
        return self._chance.choice(self.files())

    def _fresh(self) -> Path:
        self._number += 1
        folder = self.folder / f"d{self._chance.randint(0, 3)}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self._number}.md"

    def _create(self) -> None:
        self._fresh().write_text(text(self._chance), encoding="utf-8")

    def _edit(self) -> None:
        file = self._any()
        old = file.read_text(encoding="utf-8")
        cut = self._chance.randint(0, len(old))
        new = old[:cut] + f"\n\n## New {self._chance.random()}\n\nNew words.\n\n" + old[cut:]
        file.write_text(new[-4_000:], encoding="utf-8")

    def _rename(self) -> None:
        self._any().rename(self._fresh())

    def _copy(self) -> None:
        shutil.copy(self._any(), self._fresh())

    def _delete(self) -> None:
        self._any().unlink()

    def _move_directory(self) -> None:
        self._number += 1
        self._any().parent.rename(self.folder / f"moved{self._number}")


class Killed(Daemon):
    """A daemon with a managed server, that is killed and started again."""

    def begin(self) -> None:
        """Start, and wait for nothing."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ingestd", "run", str(self.folder)),
                    *("--port", str(self.port), "--state-dir", str(self.state)),
                ],
                env={**environment(MODEL), **LIMITS},
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def motion(self) -> str:
        """What is not as on disk yet, or still waits; empty when all is quiet."""
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        try:
            known = {os.fsdecode(row[0]): row[1:] for row in rows(self.state, KNOWN)}
            moving = rows(self.state, "SELECT slot, status FROM chunks WHERE status != 'live'")
        except sqlite3.Error as error:
            return str(error)
        disk = {}
        for path in self.folder.rglob("*"):
            if path.is_file():
                found = path.stat()
                key = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
                disk[str(path.relative_to(self.folder))] = (*key, True, None)
        differ = {path for path in known.keys() | disk.keys() if known.get(path) != disk.get(path)}
        lines = [f"{path}: table {known.get(path)}, disk {disk.get(path)}" for path in differ]
        return "; ".join([*sorted(lines), *map(str, moving)])

    def embedded(self) -> int:
        """Texts that went through the model for the documents that the log tells of."""
        return sum(event["embedded"] for event in self.events("document_indexed"))

    def calm(self) -> float:
        """Wait until all is quiet; returns how many seconds that took.

        Raises:
            RestlessError: it was not within the deadline.
        """
        started = time.monotonic()
        while motion := self.motion():
            if time.monotonic() - started > DEADLINE_S:
                tail = self.log.read_text()[-4_000:]
                raise RestlessError(f"not quiet within {DEADLINE_S:.0f} s: {motion}\n{tail}")
            time.sleep(0.05)
        return time.monotonic() - started


class RestlessError(AssertionError):
    """The daemon did not come to rest."""


KNOWN = """
SELECT path, inode, size, mtime_ns, ctime_ns, status IN ('indexed', 'skipped'), missing_since
FROM documents
"""


def tell(line: str) -> None:
    """Say how it goes."""
    sys.stderr.write(line + "\n")


def kill_daemon(
    tree: Tree, state: Path, zygote: Zygote, kills: int, chance: random.Random
) -> Score:
    """Kill a daemon while somebody works in its folder; after each round compare.

    Args:
        tree: where somebody works.
        state: the daemon's state directory.
        zygote: runs the fresh ingests.
        kills: how many.
        chance: decides when, and what is done meanwhile.
    """
    score = Score()
    daemon = Killed(tree.folder, state, model=MODEL)
    daemon.begin()
    try:
        daemon.calm()
        while score.kills < kills:
            tree.work(chance.uniform(0.0, 1.5))
            daemon.kill()
            score.kills += 1
            while score.kills < kills and chance.random() < 0.3:
                daemon.begin()
                tree.work(chance.uniform(0.0, 3.0))
                daemon.kill()
                score.kills += 1
            before, lines, restarted = cached(state), daemon.embedded(), time.monotonic()
            daemon.begin()
            tree.work(chance.uniform(0.0, 0.5))
            daemon.calm()
            score.recovery_s.append(time.monotonic() - restarted)
            new = cached(state) - before
            score.embedded_again += max(0, daemon.embedded() - lines - new)
            fresh = state.with_name(f"fresh{score.kills}")
            expected = ingest(tree.folder, fresh, zygote)
            found = plain(view(stored(daemon.collection())))
            score.compare(f"kill {score.kills}", found, expected)
            shutil.rmtree(fresh)
            tell(f"daemon, kill {score.kills}: {score.converged} of {score.rounds} converged")
        daemon.stop(60)
    except RestlessError as error:
        score.rounds += 1
        score.differences.append(str(error))
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    return score


def ingest(folder: Path, state: Path, zygote: Zygote) -> View:
    """What a run that knows nothing makes of a folder."""
    zygote(
        *("run", folder, "--once", "--json", "--state-dir", state), model=MODEL, **LIMITS
    ).report()
    return plain(view(collection_of(state)))


def kill_cold(
    folder: Path, states: Path, zygote: Zygote, kills: int, chance: random.Random
) -> Score:
    """Kill cold runs at random moments; each is then run to its end and compared, id by id.

    Args:
        folder: the documents.
        states: where to put the state directories.
        zygote: runs the undisturbed runs.
        kills: how many.
        chance: decides when.
    """
    score = Score()
    expected = ingest(folder, states / "undisturbed", zygote)
    texts = cached(states / "undisturbed")
    started = time.monotonic()
    cold(folder, states / "timed").wait()
    duration_s = time.monotonic() - started
    for number in range(kills):
        state = states / f"cold{number}"
        run = cold(folder, state)
        time.sleep(chance.uniform(0.2, 1.0) * duration_s)
        run.kill()
        run.wait()
        score.kills += 1
        before, restarted = cached(state), time.monotonic()
        ended = zygote(
            *("run", folder, "--once", "--json", "--state-dir", state), model=MODEL, **LIMITS
        )
        score.recovery_s.append(time.monotonic() - restarted)
        score.embedded_again += before + ended.report()["chunks"]["embedded"] - texts
        tell(f"cold run, kill {number + 1}: {score.converged} of {score.rounds} converged")
        score.compare(f"cold {number}", plain(view(collection_of(state))), expected)
        shutil.rmtree(state)
    return score


def cold(folder: Path, state: Path) -> subprocess.Popen[bytes]:
    """A run that knows nothing, just begun."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "ingestd", "run", str(folder), "--once", "--json"),
            *("--state-dir", str(state)),
        ],
        env={**environment(MODEL), **LIMITS},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def cached(state: Path) -> int:
    """How many embeddings are in the vectors cache."""
    if not (state / "vectors.db").exists():
        return 0
    table = sqlite3.connect(f"file:{state / 'vectors.db'}?mode=ro", uri=True)
    try:
        return int(table.execute("SELECT count(*) FROM vectors_1").fetchone()[0])
    except sqlite3.OperationalError:  # it died before there was a table
        return 0
    finally:
        table.close()
