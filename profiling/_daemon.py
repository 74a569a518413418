"""The daemon as its users run it: ``ingestd run DIR`` with a Chroma server of its own.

The state table tells what is done: it is read from outside, read-only, as any person could.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

START_S = 600.0
STOP_S = 60.0
GLANCE_S = 0.02
LAST_WORDS = 3_000
COMPLAINTS = frozenset({"warning", "error", "critical"})
OPEN = """
SELECT (SELECT count(*) FROM documents WHERE status NOT IN ('indexed', 'skipped', 'dead'))
     + (SELECT count(*) FROM chunks WHERE status != 'live')
"""
AS_IS = "SELECT status, digest, mtime_ns FROM documents WHERE path = ?"


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, and since when: what the table must know of it in the end."""

    digest: bytes
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Content:
        """Look at a file."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            return cls(digest, os.fstat(file.fileno()).st_mtime_ns)


class Daemon:
    """A running daemon; a context.

    Args:
        folder: what it watches.
        state: its state directory; the log is beside it.
        settings: configuration, keys such as ``limits.file_bytes``; empty ones are left out.
    """

    def __init__(self, folder: Path, state: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self.state = state
        self.log = state.with_suffix(".log")
        self.port = free_port()
        self.environment = environment(settings)
        self._read = 0
        self._table: sqlite3.Connection | None = None
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Start, and wait until everything that was there is indexed."""
        command = [sys.executable, "-m", "ingestd", "run", str(self.folder)]
        command += ["--port", str(self.port), "--state-dir", str(self.state)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            self.until(lambda: "ready" in self._news(), START_S)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask it to stop, and insist after a while."""
        if self._table is not None:
            self._table.close()
            self._table = None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def taken_up(self, expected: Mapping[bytes, Content | None]) -> set[bytes]:
        """Those of these paths that the table knows as they are; None: it has none of it."""
        return {path for path, content in expected.items() if self._knows(path, content)}

    def rests(self) -> bool:
        """Whether nothing is left to do, as far as it has heard of changes."""
        (left,) = self._ask(OPEN)
        return bool(left == 0)

    def outcome(self) -> dict[str, int]:
        """How many documents there are of each status."""
        rows = self._all("SELECT status, count(*) FROM documents GROUP BY status")
        return {str(status): int(count) for status, count in rows}

    def errors(self) -> list[str]:
        """Why some documents failed or were skipped, each reason once."""
        rows = self._all(
            "SELECT DISTINCT status || ': ' || reason || error_text FROM documents"
            " WHERE status NOT IN ('indexed', 'pending', 'working') LIMIT 10"
        )
        return [str(reason) for (reason,) in rows]

    def live(self) -> int:
        """Chunks in the collection, as the table knows."""
        (count,) = self._ask("SELECT count(*) FROM chunks WHERE status = 'live'")
        return int(count)

    def settle(self, expected: Mapping[bytes, Content | None], limit_s: float) -> float:
        """Wait until these paths are taken up and nothing is left to do; returns the seconds."""
        started, left = time.monotonic(), dict(expected)

        def settled() -> bool:
            for path in self.taken_up(left):
                del left[path]
            return not left and self.rests()

        self.until(settled, limit_s)
        return time.monotonic() - started

    def until(self, holds: Callable[[], bool], limit_s: float, glance_s: float = GLANCE_S) -> None:
        """Wait for something.

        Raises:
            RuntimeError: the daemon ended.
            TimeoutError: it does not hold in time.
        """
        end = time.monotonic() + limit_s
        while not holds():
            if self._process.poll() is not None:
                raise RuntimeError(f"the daemon ended:\n{self.last_words()}")
            if time.monotonic() > end:
                raise TimeoutError(f"not within {limit_s:.0f} s:\n{self.last_words()}")
            time.sleep(glance_s)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What it logged under these names, so far."""
        return [line for line in self._lines() if line["event"] in names]

    def complaints(self) -> dict[str, int]:
        """What it logged as a warning or an error, and how often."""
        return dict(Counter(line["event"] for line in self._lines() if line["level"] in COMPLAINTS))

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self.log.open(encoding="utf-8", errors="replace") as log:
            for line in log:
                if line.startswith("{") and line.endswith("}\n"):
                    yield json.loads(line)

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]

    def _knows(self, path: bytes, content: Content | None) -> bool:
        row = self._ask(AS_IS, path)
        if row is None or content is None:
            return row is None and content is None
        return bool(row == ("indexed", content.digest, content.mtime_ns))

    def _ask(self, question: str, *values: object) -> Any:
        rows = self._all(question, *values)
        return rows[0] if rows else None

    def _all(self, question: str, *values: object) -> list[Any]:
        if self._table is None:
            file = self.state / "state.db"
            self._table = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
        return self._table.execute(question, values).fetchall()

    def _news(self) -> set[str]:
        """The events logged since the last call."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        lines = [line for line in whole.splitlines() if line.startswith(b"{")]
        return {str(json.loads(line)["event"]) for line in lines}


def verb(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of the command line on the daemon's state directory."""
    return subprocess.run(
        [sys.executable, "-m", "ingestd", *arguments, "--state-dir", str(daemon.state)],
        env=daemon.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def ingest(folder: Path, state: Path, settings: Mapping[str, object]) -> dict[str, Any]:
    """Index a folder once, from nothing; returns the report.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "ingestd", "run", str(folder), "--once", "--json"]
    done = subprocess.run(
        [*command, "--state-dir", str(state)],
        env=environment(settings),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def slots(state: Path) -> dict[tuple[bytes, int], bytes]:
    """The chunks that are live in a state directory: digest by path and ordinal."""
    with contextlib.closing(sqlite3.connect(f"file:{state / 'state.db'}?mode=ro", uri=True)) as db:
        rows: Iterable[tuple[bytes, int, bytes]] = db.execute(
            "SELECT path, ordinal, chunks.digest FROM chunks"
            " JOIN documents ON documents.id = document_id WHERE chunks.status = 'live'"
        )
        return {(path, ordinal): digest for path, ordinal, digest in rows}


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """An environment with this configuration and nothing of the developer's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INGESTD_")}
    given = {
        f"INGESTD_{key.upper().replace('.', '__')}": str(value)
        for key, value in settings.items()
        if value != ""
    }
    return {
        **kept,
        "HF_HUB_OFFLINE": "1",
        "INGESTD_CONFIG": "",
        "INGESTD_LOG__FORMAT": "json",
        "XDG_CONFIG_HOME": "/nonexistent",
        **given,
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
