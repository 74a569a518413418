"""One instance of the program on a tree: its configuration, its life, and what it left behind."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sqlite3
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from model_process import RACY_S, Process, call, run_cli

if TYPE_CHECKING:
    from pathlib import Path

START_S = 60.0
STOP_S = 30.0
PROBED = 5
"""Every fifth start probes the embedded Chroma in another process; in earnest, every start does."""
PACES = {
    "ingestd.embed.prepare:RACY_S": RACY_S,
    "ingestd.embed.outcome:BUSY_WAIT_S": 0.2,
    "ingestd.service:DRAIN_S": 0.1,
}


@dataclass(frozen=True, slots=True)
class Folder:
    """A source as the configuration names it."""

    path: bytes
    name: str
    collection: str = "ingestd"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says.

    Attributes:
        folders: the sources.
        tokens: the largest chunk.
        batch: documents in hand at once.
        reconcile_s: between full scans.
    """

    folders: tuple[Folder, ...]
    tokens: int = 40
    batch: int = 256
    reconcile_s: float = 600.0

    def toml(self, port: int) -> str:
        """The file."""
        lines = [
            f"[chunk]\ntokens = {self.tokens}",
            f"[store]\nport = {port}",
            f"[watch]\nsettle_ms = 20\nmax_wait_s = 0.5\nreconcile_s = {self.reconcile_s}",
            f"[limits]\nretry_s = 0.2\nretry_max_s = 1.0\nbatch_documents = {self.batch}",
            "free_bytes = 0",
            '[log]\nformat = "json"',
        ]
        for folder in self.folders:
            lines += [
                "[[sources]]",
                f"path = {json.dumps(folder.path.decode())}",
                f"name = {json.dumps(folder.name)}",
                f"collection = {json.dumps(folder.collection)}",
                f"include = {json.dumps(list(folder.include))}",
                f"exclude = {json.dumps(list(folder.exclude))}",
            ]
        return "\n".join(lines) + "\n"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Instance:
    """A state directory, and the daemon that works on it."""

    base: Path
    config: Config
    store: str = "embedded"
    port: int = field(default_factory=free_port)
    process: Process | None = None
    starts: int = 0
    _ready: int = -1

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.base / "state"

    @property
    def log(self) -> Path:
        """What the daemon says in this life."""
        return self.base / f"daemon-{self.starts}.log"

    def ready(self) -> bool:
        """Whether the daemon has dealt with everything that was there when it started."""
        if self._ready != self.starts and self.log.exists():
            said = self.log.read_text(encoding="utf-8", errors="replace")
            if '"event": "ready"' in said:
                self._ready = self.starts
        return self._ready == self.starts

    def arguments(self, verb: str, *more: str) -> list[str]:
        """The arguments of a verb on this instance; writes the configuration file."""
        file = self.base / "config.toml"
        draft = file.with_suffix(".draft")
        draft.write_text(self.config.toml(self.port), encoding="utf-8")
        draft.replace(file)  # a daemon that starts may be reading it
        return [verb, *more, "--config", str(file), "--state-dir", str(self.state)]

    def start(self, failpoint: str = "") -> None:
        """Start the daemon; returns at once."""
        self.starts += 1
        arguments = self.arguments("run", "--store", self.store)
        probe = self.starts % PROBED == 0
        self.process = Process(run_cli, self.log, arguments, failpoint, PACES, probe=probe)

    def alive(self) -> bool:
        """Whether the daemon runs."""
        return self.process is not None and self.process.alive()

    def stop(self) -> int | None:
        """Stop it in order; returns the exit status."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.send(signal.SIGTERM)
        return process.wait(STOP_S)

    def kill(self) -> None:
        """End it at whatever it does."""
        process, self.process = self.process, None
        if process is not None:
            process.send(signal.SIGKILL)
            process.wait(STOP_S)

    def ended(self) -> int | None:
        """How the daemon ended that nobody stopped; None when it runs or was not started."""
        if self.process is None or self.process.alive():
            return None
        process, self.process = self.process, None
        return process.wait(STOP_S)

    def verb(self, *words: str) -> tuple[int, str]:
        """Run a verb to its end; returns exit status and output."""
        log = self.base / "verb.log"
        log.unlink(missing_ok=True)
        name, *more = words
        process = Process(run_cli, log, self.arguments(name, *more), "", {})
        return process.wait(START_S), process.tail()

    def answers(self) -> bool:
        """Whether the server of the managed store answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/api/v2/heartbeat", timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except OSError:
            return False

    def fresh(self, *, accepted: tuple[int, ...]) -> Instance:
        """An instance that has seen the tree for the first time, once, with an embedded store.

        Args:
            accepted: exit statuses that are no surprise.
        """
        base = self.base / "fresh"
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir()
        fresh = Instance(base, self.config, port=self.port)
        code, said = fresh.verb("run", "--once", "--json", "--store", "embedded")
        assert code in accepted, f"a fresh ingest ended with {code}: {said}"
        return fresh

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the state table, beside whoever writes to it.

        Raises:
            sqlite3.Error: there is none yet.
        """
        file = f"file:{self.state / 'state.db'}?mode=ro"
        connection = sqlite3.connect(file, uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def collections(self) -> dict[str, dict[str, tuple[str, dict[str, Any], bytes]]]:
        """Everything in Chroma; the daemon must be stopped, or run a server."""
        where = str(self.state / "chroma") if self.store == "embedded" else self.port
        found: dict[str, dict[str, tuple[str, dict[str, Any], bytes]]]
        found = call(dump, self.base / "dump.log", where)
        return found


def dump(where: str | int) -> dict[str, dict[str, tuple[str, dict[str, Any], bytes]]]:
    """Read all collections of a Chroma directory, or of a server at a port.

    Returns:
        Text, metadata and embedding (float32) by id, by collection.
    """
    import chromadb
    import numpy as np

    client = (
        chromadb.HttpClient(port=where)
        if isinstance(where, int)
        else chromadb.PersistentClient(where)
    )
    found: dict[str, dict[str, tuple[str, dict[str, Any], bytes]]] = {}
    for name in sorted(collection.name for collection in client.list_collections()):
        handle = client.get_collection(name, embedding_function=None)
        page: Any = handle.get(include=["documents", "metadatas", "embeddings"])
        found[name] = {}
        if not page["ids"]:
            continue
        vectors = np.asarray(page["embeddings"], dtype="<f4").reshape(len(page["ids"]), -1)
        rows = zip(page["ids"], page["documents"], page["metadatas"], vectors, strict=True)
        found[name] = {
            slot: (text, metadata, vector.round(5).tobytes())
            for slot, text, metadata, vector in rows
        }
        for start in range(0, len(vectors), 200):
            part = vectors[start : start + 200]
            near: Any = handle.query(query_embeddings=part, n_results=1, include=["distances"])
            for slot, hit in zip(page["ids"][start:], near["distances"], strict=False):
                assert hit, f"{name}: the index does not know the vector of {slot}"
                assert hit[0] < 1e-3, f"{name}: the index does not find the vector of {slot}: {hit}"
    return found
