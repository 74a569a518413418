"""A service of ingestd on a machine of its own, as an administrator sees it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from booted_machine import Machine

INGESTD = Path(sys.executable).parent / "ingestd"
ASK = """
import socket, sys
address, path = sys.argv[1:]
if address.startswith("/"):
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
else:
    host, port = address.split(":")
    link = socket.create_connection((host, int(port)), 10)
link.settimeout(20)
head = (f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", "", "")
link.sendall("\\r\\n".join(head).encode())
while data := link.recv(65536):
    sys.stdout.buffer.write(data)
"""
DEADLINE_S = 90.0
PAGE = 500


def eventually(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Wait until a condition holds; returns what it gave, fails after the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    message = f"not within {deadline_s} s"
    raise AssertionError(message)


def stored(port: int) -> Iterator[tuple[str, str]]:
    """Path and text of each chunk, page by page."""
    collection = chromadb.HttpClient(port=port).get_collection("ingestd")
    for offset in range(0, collection.count(), PAGE):
        page = collection.get(limit=PAGE, offset=offset, include=["documents", "metadatas"])
        for text, about in zip(page["documents"] or [], page["metadatas"] or [], strict=True):
            yield str(about["path"]), text


class Server:
    """One instance.

    Args:
        machine: it is on.
        unit: its name for systemd.
        name: of the instance; empty for the one without.
        address: of its page: HOST:PORT, or the path of a socket.
        program: that the commands are of.
    """

    def __init__(
        self,
        machine: Machine,
        unit: str = "ingestd.service",
        name: str = "",
        address: str = "127.0.0.1:8766",
        program: str | Path = INGESTD,
    ) -> None:
        self.machine = machine
        self.unit = unit
        self.name = name
        self.address = address
        self.program = program
        self.config = f"/etc/ingestd/{name or 'config'}.toml"
        self.state = f"/var/lib/ingestd-{name}" if name else "/var/lib/ingestd"

    def control(self, verb: str) -> None:
        """Have systemd do something with it."""
        self.machine.run("systemctl", verb, self.unit, check=True)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.machine.show(self.unit, name).get(name, "")

    @property
    def pid(self) -> int:
        """Of the daemon, as the machine counts; 0 while there is none."""
        return int(self.show("MainPID"))

    def verb(self, *words: str) -> str:
        """What a command of ingestd prints, run by the service's user."""
        own = (words[0], *(("--config", self.config) if self.name else ()), *words[1:])
        user = ("runuser", "-u", "ingestd", "--", "env", "HF_HUB_OFFLINE=1")
        done = self.machine.run(*user, self.program, *own)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def documents(self) -> dict[str, int]:
        """How many documents are in which state."""
        found: dict[str, int] = json.loads(self.verb("status", "--json"))["documents"]
        return found

    def ask(self, path: str) -> tuple[int, Any]:
        """The answer at the address of the page; 0 where nobody answers."""
        done = self.machine.run(sys.executable, "-I", "-S", "-c", ASK, self.address, path)
        head, _, body = done.stdout.partition("\n\n")
        if done.returncode or not head:
            return 0, {}
        return int(head.split()[1]), json.loads(body) if "application/json" in head else body

    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return self.ask("/readyz")[0] == 200

    def finds(self, text: str) -> bool:
        """Whether a text is among what is indexed: it is what is found first."""
        hits = [json.loads(line) for line in self.verb("query", text, "--json").splitlines()]
        return bool(hits) and text in hits[0]["text"]
