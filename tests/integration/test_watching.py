"""Watching at the limits of the kernel: no watches left, and a very large tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon import eventually
from namespaced import NamespacedDaemon

from ingestd.watch.rules import Rules
from ingestd.watch.source import WatchedSource
from ingestd.watchers import EVENTS, Watchers

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = "/proc/sys/user/max_inotify_watches"
START_S = 10.0


def test_a_daemon_without_enough_watches_polls(tmp_path: Path) -> None:
    """It starts, says so in log and status, and finds what changes where nobody tells it."""
    script = f'echo 3 > {LIMIT} && exec "$@"'
    wrap = ("unshare", "-U", "-r", "sh", "-c", script, "sh")
    if not shutil.which("unshare") or subprocess.run([*wrap, "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    for number in range(8):
        (tmp_path / "docs" / str(number)).mkdir(parents=True)
        (tmp_path / "docs" / str(number) / "a.md").write_text(f"Number {number}.")
    with NamespacedDaemon(tmp_path / "docs", tmp_path / "state", wrap=wrap) as daemon:
        told = daemon.last("source_polled")
        assert told["how"] == "polling: the kernel refused watches for 7 folders"
        assert "max_user_watches" in told["hint"]
        for number in range(8):
            (tmp_path / "docs" / str(number) / "b.md").write_text(f"Later {number}.")
        eventually(lambda: len(daemon.paths()) == 16, 60)
        assert daemon.events("watcher_lost") == []
        found = json.loads(verb("status", "--json", "--state-dir", str(daemon.state)))
        assert found["sources"][0]["watching"] == told["how"]
        assert found["watcher"] == {"lost": 0, "last_reason": None, "last_at": None}


def verb(*arguments: str) -> str:
    """What a verb prints."""
    from daemon import ingestd

    return ingestd(*arguments).stdout


@pytest.fixture
def large() -> Iterator[bytes]:
    """A tree of 50,000 directories, in memory where that is to be had."""
    place = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    for top in range(50):
        for middle in range(25):
            for leaf in range(40):
                os.makedirs(place / f"{top}/{middle}/{leaf}")  # noqa: PTH103 - half of the time
    yield os.fsencode(place)
    shutil.rmtree(place)


@pytest.mark.slow
def test_a_tree_of_fifty_thousand_directories(large: bytes, tmp_path: Path) -> None:
    """It is watched within ten seconds, without an overflow, and heard of to the last folder."""
    if int(Path("/proc/sys/fs/inotify/max_user_watches").read_text()) < 60_000:
        pytest.skip("the kernel allows too few watches")
    heard: set[bytes] = set()
    losses: list[str] = []
    changed = threading.Condition()

    def on_path(_source: str, path: bytes, _closed: bool) -> None:  # noqa: FBT001 - the callback
        with changed:
            heard.add(path)
            changed.notify_all()

    source = WatchedSource(1, "large", large, "ingestd", Rules(large))
    watchers = Watchers({"large": source}, tmp_path / "canary", on_path, losses.append)
    started = time.process_time()
    watchers.arm()
    try:
        assert time.process_time() - started < START_S
        assert watchers.modes == {"large": EVENTS}
        for last in (b"0/0/0", b"49/24/39"):
            Path(os.fsdecode(large + b"/" + last), "new.md").touch()
            with changed:
                assert changed.wait_for(lambda at=last: at + b"/new.md" in heard, timeout=20)
        assert losses == []
        assert watchers.ailing() == ""
    finally:
        watchers.disarm()
