"""Runs the daemon with its managed Chroma server, and tells when it has nothing left to do."""

from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from benchmarks.ending import end
from benchmarks.systems import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

START_S = 600.0
QUIET_S = 900.0
GLANCE_S = 0.02
WAITING = "SELECT count(*) FROM documents WHERE status NOT IN ('indexed', 'skipped', 'dead')"
INDEXED = "SELECT count(*) FROM documents WHERE status = 'indexed'"
LIVE = "SELECT count(*) FROM chunks WHERE status = 'live'"
UNFINISHED = "SELECT count(*) FROM chunks WHERE status != 'live'"


class Daemon:
    """``ingestd run`` on a folder, with real watchers and a server of its own.

    Args:
        folder: what it watches.
        state: its state directory.
        model: name of the model; empty for the default one.
        more: further variables of its environment.
        waits: whether to begin once everything is indexed that was there; else at once.
    """

    def __init__(
        self,
        folder: Path,
        state: Path,
        *,
        model: str,
        more: Mapping[str, str] | None = None,
        waits: bool = True,
    ) -> None:
        self.port = _free_port()
        self._more = more or {}
        self._folder = folder
        self._state = state
        self._model = model
        self._waits = waits
        self._log = state.with_suffix(".log")
        self._read = 0
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        """Start, and wait until what was there is indexed, unless that is not wanted."""
        command = [sys.executable, "-m", "ingestd", "run", str(self._folder)]
        command += ["--port", str(self.port), "--state-dir", str(self._state)]
        env = {**environment(), "INGESTD_MODEL__NAME": self._model, **self._more}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=env, stderr=log, stdin=subprocess.DEVNULL)
        try:
            if self._waits:
                self.wait_for("ready")
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
        end(self._process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for(self, event: str) -> None:
        """Wait until the log has this event.

        Raises:
            RuntimeError: the daemon ended.
            TimeoutError: it did not come.
        """
        self.until(lambda: any(line["event"] == event for line in self._news()), START_S)

    def _news(self) -> list[dict[str, Any]]:
        """The log lines since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]

    def settle(self, expected: Mapping[str, bytes | None]) -> float:
        """Wait until nothing is left to do and these files are indexed as they are.

        Args:
            expected: the bytes of each file; None where there is none any more.

        Returns:
            How long it took, in seconds.

        Raises:
            TimeoutError: it did not come to rest.
        """
        digests = _digests(expected)
        started = time.monotonic()
        self.until(lambda: self._rests(digests), QUIET_S)
        return time.monotonic() - started

    def rests(self, expected: Mapping[str, bytes | None]) -> bool:
        """Whether nothing is left to do, and these files are indexed as they are."""
        return self._rests(_digests(expected))

    def waiting(self) -> int:
        """Documents that are known and not dealt with yet."""
        return self._count(WAITING)

    def known(self) -> int:
        """Documents that it knows of."""
        return self._count("SELECT count(*) FROM documents")

    def done(self) -> tuple[int, int]:
        """Documents that are indexed, and chunks that are live; none while it is starting."""
        try:
            return self._count(INDEXED), self._count(LIVE)
        except sqlite3.OperationalError:  # there is no table yet
            return 0, 0

    def chunks(self, paths: Iterable[str]) -> dict[str, set[bytes]]:
        """Digests of the chunks of these files, as indexed."""
        found: dict[str, set[bytes]] = {}
        with closing(_readable(self._state / "state.db")) as table:
            for path in paths:
                rows = table.execute(
                    "SELECT chunks.digest FROM chunks JOIN documents"
                    " ON documents.id = chunks.document_id WHERE documents.path = ?",
                    (path.encode(),),
                )
                found[path] = {digest for (digest,) in rows}
        return found

    def embedded(self) -> set[bytes]:
        """Digests of all texts that ever went through the model: what the vectors cache holds.

        The log would tell it by document, but after the state table says that all is done.
        """
        with closing(_readable(self._state / "vectors.db")) as cache:
            return {digest for (digest,) in cache.execute("SELECT digest FROM vectors_1")}

    def _count(self, question: str) -> int:
        with closing(_readable(self._state / "state.db")) as table:
            (count,) = table.execute(question).fetchone()
        return int(count)

    def _rests(self, digests: Mapping[bytes, bytes | None]) -> bool:
        with closing(_readable(self._state / "state.db")) as table:
            left = [table.execute(count).fetchone() for count in (WAITING, UNFINISHED)]
            return left == [(0,), (0,)] and all(
                table.execute("SELECT digest FROM documents WHERE path = ?", (path,)).fetchone()
                == (None if digest is None else (digest,))
                for path, digest in digests.items()
            )

    def until(
        self, holds: Callable[[], bool], limit_s: float, *, glance_s: float = GLANCE_S
    ) -> None:
        """Wait until something holds, asking every ``glance_s`` seconds.

        Raises:
            RuntimeError: the daemon ended.
            TimeoutError: it does not hold within ``limit_s``.
        """
        end = time.monotonic() + limit_s
        while not holds():
            if self._process.poll() is not None:
                raise RuntimeError(f"the daemon ended:\n{self._last_words()}")
            if time.monotonic() > end:
                raise TimeoutError(f"no rest within {limit_s:.0f} s:\n{self._last_words()}")
            time.sleep(glance_s)

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8")[-2000:]


def _digests(expected: Mapping[str, bytes | None]) -> dict[bytes, bytes | None]:
    return {
        path.encode(): None if data is None else hashlib.sha256(data).digest()
        for path, data in expected.items()
    }


def _readable(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
