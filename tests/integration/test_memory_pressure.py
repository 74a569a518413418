"""The daemon at its marks: it goes on recording, says what it does, and begins no new work."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest
from daemon import Daemon, environment, eventually, ingestd

if TYPE_CHECKING:
    from pathlib import Path


BALLAST = (
    "import runpy, sys; ballast = bytes([1]) * 64_000_000; sys.argv[0] = 'ingestd'; "
    "runpy.run_module('ingestd', run_name='__main__', alter_sys=True)"
)
"""Memory that no step gives back: however little the daemon takes, it stays past its marks."""


class Marked(Daemon):
    """A daemon with marks that it is past as soon as it runs."""

    def __init__(self, docs: Path, state: Path, **marks: str) -> None:
        super().__init__(docs, state)
        self.marks = {f"INGESTD_MEMORY__{name.upper()}": value for name, value in marks.items()}

    def start(self) -> Self:
        """Start, and wait until the marks are known."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", BALLAST, "run", str(self.folder)),
                    *("--port", str(self.port), "--state-dir", str(self.state)),
                ],
                env={**environment("hash"), **self.marks},
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        eventually(lambda: self.events("memory_marks") or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.log.read_text()
        return self


def status(state: Path) -> dict[str, Any]:
    """What ``status`` tells."""
    found: dict[str, Any] = json.loads(
        ingestd("status", "--json", "--state-dir", state).stdout.splitlines()[-1]
    )
    return found


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with one document."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "first.md").write_text("# First\n\nThe first one.\n", "utf-8")
    return folder


def test_past_high_everything_is_given_back_in_order(tmp_path: Path, docs: Path) -> None:
    """Each step runs, also the restart of Chroma, and what comes after is indexed all the same."""
    with Marked(docs, tmp_path / "state", high="128M", check_s="0.2") as daemon:
        eventually(lambda: len(daemon.events("memory_relieved")) >= 5)
        steps = [line["step"] for line in daemon.events("memory_relieved")[:5]]
        assert steps == ["caches", "heap", "parser", "model", "chroma"]
        assert daemon.events("memory_high")
        assert daemon.events("store_recycled")
        (docs / "second.md").write_text("# Second\n\nThe second one.\n", "utf-8")
        eventually(lambda: status(daemon.state)["documents"]["indexed"] == 2)
        found = status(daemon.state)
        assert (found["memory"]["state"], found["memory"]["high"]) == ("high", 128 * 1024**2)
        roles = {process["role"] for process in found["memory"]["processes"]}
        assert {"daemon", "chroma"} <= roles
        values = {gauge["name"]: gauge["value"] for gauge in found["gauges"]}
        assert values["memory_steps_total"]["chroma"] == 1
        assert values["process_memory_bytes"]["daemon"] > 50 * 1024**2
        missing = [name for name, value in values.items() if value is None]
        assert missing == ["memory_max_bytes"]
        assert daemon.collection().count() == 2


def test_past_max_changes_are_recorded_and_wait(tmp_path: Path, docs: Path) -> None:
    """Nothing is claimed, nothing is lost, and a start with more room takes all of it up."""
    state = tmp_path / "state"
    with Marked(docs, state, high="128M", max="129M", check_s="0.1") as daemon:
        eventually(lambda: daemon.events("memory_max"))
        (docs / "second.md").write_text("# Second\n\nThe second one.\n", "utf-8")
        eventually(lambda: status(state)["documents"].get("pending", 0) >= 1)
        found = status(state)
        assert found["memory"]["state"] == "max"
        assert found["documents"]["failed"] == 0
        assert "no new work is begun" in ingestd("status", "--state-dir", state).stdout
    assert daemon.process.returncode == -signal.SIGTERM
    with Daemon(docs, state):
        eventually(lambda: status(state)["documents"]["indexed"] == 2)
