"""Stores that fail on request: a Chroma server of somebody else, a proxy, and a daemon on them."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

import chromadb
import httpx
from daemon import Daemon, environment, eventually, free_port

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CHROMA = "import sys, chromadb_rust_bindings as b; b.cli(['chroma', 'run', sys.argv[1]])"
FULL = {"error": "InternalError", "message": "Error: (code: 13) database or disk is full"}


class Server:
    """A Chroma server that the daemon does not manage."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self.data.mkdir(parents=True, exist_ok=True)
        config = self.data.with_suffix(".yaml")
        values = {"listen_address": "127.0.0.1", "port": self.port}
        config.write_text(json.dumps({**values, "persist_path": str(self.data)}))
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHROMA, str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers)
        return self

    def client(self) -> Any:
        """A client of its own."""
        return chromadb.HttpClient(port=self.port)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/v2/heartbeat", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


class Proxy:
    """Stands between daemon and server.

    Modes: ``pass``, ``stall`` (takes requests and never answers), ``stall writes`` (only those),
    and ``full`` (answers each that the disk is full).
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._mode = "pass"
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.stalled = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def switch(self, mode: str) -> None:
        """Behave like this from now on; connections that are open are cut."""
        self._mode = mode
        self.stalled.clear()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        mode = self._mode
        with connection, contextlib.suppress(OSError):
            if mode == "stall":
                while connection.recv(65_536):
                    self.stalled.set()
            elif mode == "full":
                _answer(connection, FULL)
            else:
                self._pass(connection, stalling=mode == "stall writes")
        self._open.discard(connection)

    def _pass(self, connection: socket.socket, *, stalling: bool) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            self._open.add(server)
            back = threading.Thread(target=_copy, args=(server, connection), daemon=True)
            back.start()
            while data := connection.recv(65_536):
                if stalling and b"/upsert" in data:
                    self.stalled.set()
                    stalling = False
                    while connection.recv(65_536):
                        continue
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)
            back.join()
            self._open.discard(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.switch("closed")


def _answer(connection: socket.socket, error: dict[str, str]) -> None:
    """Read one request, and answer it with an error of Chroma's."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    left = int(length[1]) - len(body) if length else 0
    while left > 0:
        left -= len(connection.recv(65_536))
    answer = json.dumps(error).encode()
    lines = ("HTTP/1.1 500 E", f"Content-Length: {len(answer)}", "Connection: close")
    kind = "Content-Type: application/json"
    connection.sendall("\r\n".join((*lines, kind, "", "")).encode() + answer)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Follower(Daemon):
    """A daemon that is started without waiting for anything; remote when it is given a URL.

    Args:
        settings: environment variables without their prefix, such as ``LIMITS__STOP_S``.
    """

    def __init__(self, folder: Path, state: Path, url: str = "", **settings: object) -> None:
        super().__init__(folder, state)
        self.settings = {f"INGESTD_{name}": str(value) for name, value in settings.items()}
        self.store = ["--store", "remote"] if url else ["--port", str(self.port)]
        if url:
            self.settings["INGESTD_STORE__URL"] = url
        self.before: list[str] = []

    def start(self) -> Self:
        """Start; it may never become ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*self.before, sys.executable, "-m", "ingestd", "run", str(self.folder)),
                    *(*self.store, "--state-dir", str(self.state)),
                ],
                env={**environment("hash"), "INGESTD_LIMITS__FREE_BYTES": "0", **self.settings},
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def ready(self, deadline_s: float = 60.0) -> Self:
        """Wait until everything that was there is indexed."""
        self.until("ready", deadline_s=deadline_s)
        return self

    def until(self, event: str, *, code: str = "", deadline_s: float = 60.0) -> dict[str, Any]:
        """Wait for a line of the log whose text holds ``code``."""

        def found() -> list[dict[str, Any]]:
            if self.process.poll() is not None and not self.events(event):
                raise AssertionError(f"it ended: {self.log.read_text()[-3000:]}")
            return [one for one in self.events(event) if code in json.dumps(one)]

        try:
            line: dict[str, Any] = eventually(found, deadline_s)[-1]
        except AssertionError as error:
            raise AssertionError(f"no {event} {code}: {self.log.read_text()[-3000:]}") from error
        return line

    def states(self) -> dict[str, int]:
        """How many documents are in which state, as the table on the disk says."""
        return states(self.state / "state.db")

    def stop(self, deadline_s: float = 30.0) -> int:
        """Ask for a stop; returns the exit status."""
        return super().stop(deadline_s)


def states(table: Path) -> dict[str, int]:
    """How many documents are in which state."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True)) as connection,
    ):
        rows = connection.execute("SELECT status, count(*) FROM documents GROUP BY status")
        return dict(rows.fetchall())
    return {}


def texts(client: Any, collection: str = "ingestd") -> dict[tuple[str, int], str]:
    """What a collection holds: text by path and ordinal; fails when something is there twice."""
    got = client.get_collection(collection, embedding_function=None).get(
        include=["documents", "metadatas"]
    )
    found = {
        (metadata["path"], metadata["ordinal"]): text
        for metadata, text in zip(got["metadatas"], got["documents"], strict=True)
    }
    assert len(found) == len(got["ids"]), "something is there twice"
    return found


def paths(client: Any) -> set[str]:
    """The paths in the collection; none while there is no collection."""
    try:
        return {path for path, _ in texts(client)}
    except Exception:  # noqa: BLE001 - the server may be away at the moment
        return set()
