"""A Chroma server like the daemon's, that somebody else writes to; and questions to any of them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from _daemon import environment, free_port

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

START_S = 120.0
PAGE = 1_000
NEAREST = 10
TIE = 1e-5
"""Hits that are no further than this behind the tenth nearest count as found."""


class PlainServer:
    """A server of its own, in the same process as the daemon's; a context."""

    def __init__(self, place: Path) -> None:
        self.data = place / "chroma"
        self.port = free_port()
        self._config = place / "server.json"
        self._log = place / "server.log"
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True)
        values = {
            "listen_address": "127.0.0.1",
            "port": self.port,
            "persist_path": str(self.data.resolve()),
            "allow_reset": False,
        }
        self._config.write_text(json.dumps(values), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "ingestd.embed.chroma.child"]
        command += [str(self._config), str(self.data), str(os.getpid())]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment({}), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        url = f"http://127.0.0.1:{self.port}/api/v2/heartbeat"
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise TimeoutError(self._log.read_text(encoding="utf-8", errors="replace")[-2_000:])


def client(port: int) -> Any:
    """A client of a server on this machine."""
    import chromadb  # noqa: PLC0415 - slow to import

    return chromadb.HttpClient(host="127.0.0.1", port=port)


def query_ms(handle: Any, questions: NDArray[np.float32]) -> dict[str, float]:
    """Milliseconds of single queries for the ten nearest: median, and 95 % are faster than."""
    took = []
    for question in questions:
        started = time.perf_counter()
        handle.query(query_embeddings=[question.tolist()], n_results=NEAREST, include=["distances"])
        took.append((time.perf_counter() - started) * 1_000)
    took.sort()
    return {
        "median": round(statistics.median(took), 2),
        "p95": round(took[int(0.95 * (len(took) - 1))], 2),
    }


def recall(handle: Any, questions: NDArray[np.float32]) -> float:
    """Share of the ten nearest that queries find, against brute force over all vectors."""
    ids, vectors = everything(handle)
    place = {slot: number for number, slot in enumerate(ids)}
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = 0
    for question in questions:
        distances = 1 - vectors @ (question / np.linalg.norm(question))
        furthest = np.partition(distances, NEAREST - 1)[NEAREST - 1] + TIE
        got = handle.query(query_embeddings=[question.tolist()], n_results=NEAREST, include=[])
        found += sum(bool(distances[place[slot]] <= furthest) for slot in got["ids"][0])
    return round(found / (NEAREST * len(questions)), 4)


def everything(handle: Any) -> tuple[list[str], NDArray[np.float32]]:
    """All ids and vectors of a collection: shape (count, dimension)."""
    ids: list[str] = []
    pages = []
    while True:
        got = handle.get(include=["embeddings"], limit=PAGE, offset=len(ids))
        if not got["ids"]:
            return ids, np.concatenate(pages).astype(np.float32)
        ids += got["ids"]
        pages.append(np.asarray(got["embeddings"]))
