"""The real daemon, and a service manager at a real notify socket."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

import pytest
from daemon import environment, eventually, free_port

from ingestd.herald import EXTEND_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WATCHDOG_S = 1.0
HANGS = "never comes back"
PROGRAM = f"""
import sys, threading
from ingestd.embed.engines import hashing
real = hashing.HashEmbedder.embed
def embed(self, texts):
    if any({HANGS!r} in text for text in texts):
        threading.Event().wait()
    return real(self, texts)
hashing.HashEmbedder.embed = embed
from ingestd.__main__ import main
sys.argv[0] = "ingestd"
main()
"""
"""The program, with a model that hangs on one text, as a native engine may."""


class Manager:
    """Starts the daemon as systemd does, and hears what it says.

    Attributes:
        said: the datagrams so far, each with the moment of its arrival.
    """

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self.documents = folder / "documents"
        self.documents.mkdir()
        (self.documents / "one.md").write_text("# One\n\nThe first document.\n")
        self.config = folder / "config.toml"
        self.configure()
        self.said: list[tuple[float, dict[str, str]]] = []
        self._state = folder / "state"
        self.log = folder / "log"
        name = f"ingestd-test-{os.getpid()}-{time.monotonic_ns()}"
        self._address = f"@{name}" if abstract else str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name}" if abstract else self._address)
        self.process: subprocess.Popen[bytes]

    def configure(self, extra: str = "", level: str = "info") -> None:
        """Write the configuration."""
        self.config.write_text(
            f'[[sources]]\npath = "{self.documents}"\n[log]\nlevel = "{level}"\n{extra}'
        )

    def start(self) -> Self:
        """Start the daemon; wait for nothing."""
        more = {
            "NOTIFY_SOCKET": self._address,
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            "INGESTD_LIMITS__STUCK_S": "1",
            "INGESTD_CONFIG": str(self.config),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *("env", "--default-signal=HUP"),  # else that of whoever starts the tests
                    *(sys.executable, "-c", PROGRAM, "run", "--port", str(free_port())),
                    *("--state-dir", str(self._state)),
                ],
                env={**environment("hash"), **more},
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self

    def listen(self, seconds: float = 0.0) -> None:
        """Take in what was said, and what is said for so long."""
        end = time.monotonic() + seconds
        while select.select([self._socket], [], [], max(0.0, end - time.monotonic()))[0]:
            fields = self._socket.recv(8192).decode().splitlines()
            self.said.append((time.monotonic(), dict(one.split("=", 1) for one in fields)))

    def hears(self, name: str, part: str = "", *, after: int = 0) -> bool:
        """Whether a field with such a value has been said, after so many datagrams."""
        self.listen(0.05)
        return any(part in said[name] for _, said in self.said[after:] if name in said)

    def await_field(self, name: str, part: str = "", *, after: int = 0) -> None:
        """Wait until it is said."""
        eventually(lambda: self.hears(name, part, after=after) or self._ended())

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return False

    def count(self, name: str) -> int:
        """How often a field was said."""
        self.listen()
        return sum(name in said for _, said in self.said)

    def close(self) -> None:
        """End the daemon and its children."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager with a started daemon."""
    made = Manager(tmp_path)
    made.start()
    yield made
    made.close()


def test_it_is_ready_when_the_watchers_are_armed(manager: Manager) -> None:
    """Time is asked for first; once READY is said, a new file is noticed without any scan."""
    manager.await_field("READY", "1")
    first = next(said for _, said in manager.said)
    assert "STATUS" in first
    assert manager.said[1][1]["EXTEND_TIMEOUT_USEC"] == str(int(EXTEND_S * 1e6))
    assert '"watching"' in manager.log.read_text()
    (manager.documents / "two.md").write_text("# Two\n\nThe second one.\n")
    eventually(lambda: '"two.md"' in manager.log.read_text())
    manager.await_field("STATUS", "watching 1 folder · ")


def test_an_abstract_socket_serves_as_well(tmp_path: Path) -> None:
    """A name that begins with @ is one in the abstract namespace."""
    manager = Manager(tmp_path, abstract=True)
    try:
        manager.start().await_field("READY", "1")
    finally:
        manager.close()


def test_a_good_configuration_is_taken_at_sighup(manager: Manager) -> None:
    """The level of the log changes at once; what needs a restart is named."""
    manager.await_field("READY", "1")
    before = len(manager.said)
    manager.configure("[watch]\nsettle_ms = 300\n", level="debug")
    manager.process.send_signal(signal.SIGHUP)
    manager.await_field("READY", "1", after=before)
    said = [fields for _, fields in manager.said[before:]]
    [reloading] = [fields for fields in said if "RELOADING" in fields]
    assert abs(int(reloading["MONOTONIC_USEC"]) / 1e6 - time.monotonic()) < 60
    [done] = [fields for fields in said if "READY" in fields]
    assert "watch.settle_ms" in done["STATUS"]
    assert "log.level" not in done["STATUS"]
    assert '"needs_restart": ["watch.settle_ms"]' in manager.log.read_text()


def test_a_bad_configuration_is_refused_at_sighup(manager: Manager) -> None:
    """It is named in STATUS and in the log, and the daemon goes on with the old one."""
    manager.await_field("READY", "1")
    before = len(manager.said)
    manager.configure("[watch]\nsetle_ms = 300\n")
    manager.process.send_signal(signal.SIGHUP)
    manager.await_field("STATUS", "did you mean `settle_ms`", after=before)
    assert '"reload_refused"' in manager.log.read_text()
    after = len(manager.said)
    (manager.documents / "two.md").write_text("# Two\n\nThe second one.\n")
    eventually(lambda: '"two.md"' in manager.log.read_text())
    manager.await_field("WATCHDOG", "1", after=after)


def test_signs_of_life_end_when_the_model_hangs(manager: Manager) -> None:
    """Twice in each interval while all is well; none any more once the model is stuck."""
    manager.await_field("READY", "1")
    before = manager.count("WATCHDOG")
    manager.listen(3 * WATCHDOG_S)
    assert manager.count("WATCHDOG") >= before + 4
    (manager.documents / "bad.md").write_text(f"# Bad\n\nIt {HANGS}.\n")
    manager.await_field("STATUS", "the model has not come back")
    after = manager.count("WATCHDOG")
    manager.listen(3 * WATCHDOG_S)
    assert manager.count("WATCHDOG") == after
    # What systemd does then: the log says where every thread was.
    manager.process.send_signal(signal.SIGABRT)
    assert manager.process.wait(30) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in manager.log.read_text()


def test_signs_of_life_end_with_the_event_loop(manager: Manager) -> None:
    """A process that is stopped as a whole says nothing, and goes on when it is let."""
    manager.await_field("WATCHDOG", "1")
    manager.process.send_signal(signal.SIGSTOP)
    manager.listen(0.2)
    before = manager.count("WATCHDOG")
    manager.listen(2 * WATCHDOG_S)
    assert manager.count("WATCHDOG") == before
    manager.process.send_signal(signal.SIGCONT)
    manager.await_field("WATCHDOG", "1", after=len(manager.said))


def test_a_stop_is_said(manager: Manager) -> None:
    """STOPPING comes before the end, with time asked for, and the end is in order."""
    manager.await_field("READY", "1")
    before = len(manager.said)
    manager.process.send_signal(signal.SIGTERM)
    assert manager.process.wait(40) == -signal.SIGTERM
    assert manager.hears("STOPPING", "1", after=before)
    assert manager.hears("EXTEND_TIMEOUT_USEC", after=before)


def test_after_a_kill_it_starts_anew(manager: Manager) -> None:
    """A daemon that was killed is started again, and is ready."""
    manager.await_field("READY", "1")
    manager.process.kill()
    manager.process.wait()
    before = len(manager.said)
    manager.start()
    manager.await_field("READY", "1", after=before)
