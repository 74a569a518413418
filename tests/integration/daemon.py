"""Drives the real program as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import chromadb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

DEADLINE_S = 60.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Wait until a condition holds; returns what it gave, fails after the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    message = f"not within {deadline_s} s"
    raise AssertionError(message)


def environment(model: str) -> dict[str, str]:
    """An environment without the developer's own configuration."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INGESTD_")}
    return {
        **kept,
        "HF_HUB_OFFLINE": "1",
        "INGESTD_MODEL__NAME": model,
        "INGESTD_CONFIG": "",
        "XDG_CONFIG_HOME": "/nonexistent",
    }


def ingestd(*arguments: str | Path, model: str = "hash") -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ingestd", *map(str, arguments)],
        env=environment(model),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


class Daemon:
    """A running ``ingestd run`` with a managed Chroma server."""

    def __init__(self, folder: Path, state: Path, *, model: str = "hash", port: int = 0) -> None:
        self.folder = folder
        self.state = state
        self.port = port or free_port()
        self.log = state.with_suffix(".log")
        self._model = model
        self.process: subprocess.Popen[bytes]

    def start(self) -> Self:
        """Start, and wait until everything that was there is indexed."""
        with self.log.open("wb") as log:
            self.launch(log)
        eventually(lambda: self.events("ready") or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def launch(self, log: BinaryIO) -> None:
        """Start, and wait for nothing."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ingestd", "run", str(self.folder)),
                *("--port", str(self.port), "--state-dir", str(self.state)),
            ],
            env=environment(self._model),
            stderr=log,
            stdin=subprocess.DEVNULL,
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of this event, so far."""
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            if line.startswith("{") and f'"{name}"' in line:
                values = json.loads(line)
                if values["event"] == name:
                    found.append(values)
        return found

    def collection(self) -> Any:
        """The collection, as any client sees it."""
        return chromadb.HttpClient(port=self.port).get_collection("ingestd")

    def stop(self, deadline_s: float = 15.0) -> int:
        """Ask for a stop; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline_s)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()


def contents(store: Path, collection: str = "ingestd") -> dict[str, tuple[Any, ...]]:
    """Everything in the collection of a state directory that nobody has open, by id.

    Text, metadata less the time of indexing, and the embedding.
    """
    script = """
import json, sys, chromadb
handle = chromadb.PersistentClient(sys.argv[1]).get_collection(sys.argv[2], embedding_function=None)
found, offset = {}, 0
while True:
    page = handle.get(include=["documents", "metadatas", "embeddings"], limit=500, offset=offset)
    for row in zip(page["ids"], page["documents"], page["metadatas"], page["embeddings"]):
        slot, text, metadata, vector = row
        metadata.pop("indexed_at")
        found[slot] = [text, metadata, [round(float(x), 5) for x in vector]]
    if len(page["ids"]) < 500:
        break
    offset += 500
json.dump(found, sys.stdout)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(store / "chroma"), collection],
        capture_output=True,
        text=True,
        check=True,
    )
    return {slot: tuple(values) for slot, values in json.loads(done.stdout).items()}
