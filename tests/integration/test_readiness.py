"""Health of the real daemon: each fault is caused, told with its reason, and over again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from daemon import Daemon, environment, eventually, free_port, ingestd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

PROGRAM = """
import sys, threading
from ingestd.embed.engines import hashing
from ingestd.follow import Follower
from ingestd.watch.kernel import Reader
hear, embed = Reader.handle_event, hashing.HashEmbedder.embed
def handle_event(self, event):
    if b"ends the reader" in (event.name or b""):
        raise SystemExit
    hear(self, event)
def embed_or_hang(self, texts):
    if any("never comes back" in text for text in texts):
        threading.Event().wait()
    return embed(self, texts)
hashing.HashEmbedder.embed = embed_or_hang
Reader.handle_event = handle_event
Follower._on_lost = lambda self, reason: None
from ingestd.__main__ import main
sys.argv[0] = "ingestd"
main()
"""
"""The program, with a watcher that dies at one name, which only the canary finds out, and a model
that hangs on one text."""


class Asked(Daemon):
    """A daemon whose health is asked for."""

    def __init__(self, folder: Path, state: Path, **settings: str) -> None:
        super().__init__(folder, state)
        self.page = free_port()
        self._settings = {
            "HTTP__LISTEN": f"127.0.0.1:{self.page}",
            "WATCH__CANARY_S": "4",
            **settings,
        }

    def launch(self, log: BinaryIO) -> None:
        """Start, and wait for nothing."""
        more = {f"INGESTD_{name}": value for name, value in self._settings.items()}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", PROGRAM, "run", str(self.folder)),
                *("--port", str(self.port), "--state-dir", str(self.state)),
            ],
            env={**environment("hash"), **more},
            stderr=log,
            stdin=subprocess.DEVNULL,
        )

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """The answer of a probe."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.page}{path}", timeout=10)
        except httpx.TransportError:
            return 0, {}
        return answer.status_code, answer.json()

    def problems(self) -> set[str]:
        """What is wrong; a daemon that does not answer is starting."""
        status, told = self.ask("/readyz")
        found = {problem["code"] for problem in told.get("problems", [{"code": "starting"}])}
        warnings = {"source_offline", "source_held", "source_polled"}
        assert status == 0 or (status == 200) == (found <= warnings), told
        return found

    def becomes(self, *codes: str) -> None:
        """Wait until exactly this is wrong."""
        eventually(lambda: self.problems() == set(codes))

    def chroma(self) -> int:
        """The process of the server that was started last."""
        return int(self.events("store_ready")[-1]["pid"])


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with one document."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "first.md").write_text("# First\n\nThe first one.\n", "utf-8")
    return folder


@pytest.fixture
def daemon(tmp_path: Path, docs: Path) -> Iterator[Asked]:
    """A daemon that is ready; a change is old after two seconds."""
    with Asked(docs, tmp_path / "state", LIMITS__BACKLOG_S="2") as one:
        one.becomes()
        yield one


def test_a_healthy_daemon_says_so_and_a_stop_ends_the_answers(daemon: Asked) -> None:
    """Both probes answer with 200; nobody answers after the stop."""
    status, alive = daemon.ask("/healthz")
    assert (status, alive["status"], alive["pid"]) == (200, "alive", daemon.process.pid)
    assert daemon.ask("/readyz") == (200, {"status": "ready", "problems": []})
    daemon.stop()
    assert daemon.ask("/healthz")[0] == 0


def test_a_server_that_hangs_and_one_that_dies(daemon: Asked) -> None:
    """A Chroma that answers nothing is away, and what waits for it gets old; then all is well."""
    os.kill(daemon.chroma(), signal.SIGSTOP)

    def told() -> dict[str, Any]:
        gauges = daemon.ask("/v1/status")[1]["gauges"]
        return {one["name"]: one["value"] for one in gauges}

    eventually(lambda: told()["problem"]["store_away"])  # though nobody asks for the health
    assert not told()["ready"]
    daemon.becomes("store_away")
    (daemon.folder / "second.md").write_text("# Second\n\nThe second one.\n", "utf-8")
    daemon.becomes("store_away", "backlog_old")
    assert daemon.ask("/healthz")[0] == 200
    os.kill(daemon.chroma(), signal.SIGKILL)
    daemon.becomes()
    assert daemon.collection().count() == 2


def test_a_watcher_that_died_is_told_until_it_is_replaced(daemon: Asked) -> None:
    """The daemon is deaf until its canary finds out; what changed meanwhile is not lost."""
    (daemon.folder / "ends the reader.md").write_text("# Last\n\nThe last one heard.\n", "utf-8")
    daemon.becomes("watcher_dead")
    daemon.becomes()
    eventually(lambda: daemon.collection().count() == 2)


def test_a_model_that_never_comes_back_is_no_life(tmp_path: Path, docs: Path) -> None:
    """Only a restart helps: then alone is a daemon not alive."""
    with Asked(docs, tmp_path / "state", LIMITS__STUCK_S="1") as daemon:
        (docs / "hangs.md").write_text("# Hangs\n\nThis never comes back.\n", "utf-8")
        eventually(lambda: daemon.ask("/healthz")[0] == 503)
        status, told = daemon.ask("/healthz")
        assert (status, told["status"]) == (503, "stuck")
        assert "has not come back" in told["reason"]
        assert "stuck" in daemon.problems()
        daemon.kill()


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"LIMITS__FREE_BYTES": str(2**60)}, "disk_full", "must stay free"),
        ({"MEMORY__HIGH": "128M", "MEMORY__MAX": "129M"}, "memory_max", "no new work"),
    ],
    ids=["disk", "memory"],
)
def test_no_room(
    tmp_path: Path, docs: Path, settings: dict[str, str], code: str, words: str
) -> None:
    """Without room on the disk, or in memory, nothing is taken up, and that is told."""
    daemon = Asked(docs, tmp_path / "state", MEMORY__CHECK_S="0.2", **settings)
    with daemon.log.open("wb") as log:
        daemon.launch(log)
    try:
        eventually(lambda: code in daemon.problems() and "starting" not in daemon.problems())
        status, told = daemon.ask("/readyz")
        assert (status, told["status"]) == (503, "degraded")
        assert any(words in problem["message"] for problem in told["problems"])
        assert daemon.ask("/healthz")[0] == 200
    finally:
        daemon.kill()


def test_a_source_that_is_away_is_told_and_the_rest_goes_on(tmp_path: Path, docs: Path) -> None:
    """A folder that vanished leaves the daemon ready for what comes."""
    with Asked(docs, tmp_path / "state", WATCH__RECONCILE_S="1") as daemon:
        docs.rename(tmp_path / "elsewhere")
        daemon.becomes("source_offline")
        (tmp_path / "elsewhere").rename(docs)
        daemon.becomes()


def test_status_tells_where_the_page_is(daemon: Asked) -> None:
    """As long as there is one."""
    address = f"http://127.0.0.1:{daemon.page}/"
    told = ingestd("status", "--state-dir", daemon.state, "--json")
    assert json.loads(told.stdout)["daemon"]["page_url"] == address
    assert address in ingestd("status", "--state-dir", daemon.state).stdout
