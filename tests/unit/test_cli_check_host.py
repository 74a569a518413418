"""What ``doctor`` finds about the host, and about what answers there."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ingestd.cli import check_host, check_store
from ingestd.config import Settings
from ingestd.location import Location, locate
from ingestd.lock import FileLock, Owner
from ingestd.memory import cgroup
from ingestd.settings.content import StoreSettings
from ingestd.settings.running import MemorySettings
from ingestd.watch import mounts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIB = 1024**3


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    """An instance without anything in it."""
    monkeypatch.setenv("INGESTD_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "state").mkdir()
    return locate(state_dir=tmp_path / "state")


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [(0, "ok", "synchronised"), (5, "warn", "not synchronised"), (None, "ok", "cannot be told")],
)
def test_a_clock_that_nobody_sets(
    location: Location,
    monkeypatch: pytest.MonkeyPatch,
    state: int | None,
    level: str,
    words: str,
) -> None:
    """What the kernel says of its clock is told; a container may not ask."""
    monkeypatch.setattr(check_host, "_adjtimex", lambda: state)
    [found] = check_host.clock(Settings(), location)
    assert (found.level, words in found.message) == (level, True)
    assert bool(found.mend) is (level == "warn")


def test_the_kernel_is_asked_for_real() -> None:
    """On Linux its answer is a state of the clock."""
    assert check_host._adjtimex() in {0, 1, 2, 3, 4, 5}  # noqa: SLF001 - replaced elsewhere


def test_a_disk_that_has_another_clock(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share whose server is ahead is told by how much."""
    monkeypatch.setattr(check_host.time, "time", lambda: 1_000.0)
    found = list(check_host.clock(Settings(), location))
    assert [one.level for one in found if "directory" in one.name] == ["fail"]


@pytest.mark.parametrize(("kind", "level"), [("tmpfs", "warn"), ("overlay", "warn"), ("ext4", "")])
def test_what_does_not_last(
    location: Location, monkeypatch: pytest.MonkeyPatch, kind: str, level: str
) -> None:
    """An index in memory, or in the layer of a container, is lost with it."""
    table = mounts.table(b"22 1 0:5 / / rw - " + kind.encode() + b" x rw\n")
    monkeypatch.setattr(mounts, "table", lambda: table)
    assert [one.level for one in check_host.lasting(Settings(), location)] == [level] * bool(level)


@pytest.mark.parametrize(
    ("most", "vectors", "level"),
    [
        (4 * GIB, 0, "ok"),
        (4 * GIB, 500_000, "ok"),
        (2 * GIB, 500_000, "warn"),
        (GIB, 500_000, "fail"),
        (GIB // 4, 0, "fail"),
    ],
)
def test_memory_for_the_vectors(
    location: Location, monkeypatch: pytest.MonkeyPatch, most: int, vectors: int, level: str
) -> None:
    """What the control group allows is compared with what the chunks take."""
    monkeypatch.setattr(cgroup, "allowed", lambda _proc: cgroup.Allowed(None, most))
    monkeypatch.setattr(check_host, "_vectors", lambda _location: vectors)
    monkeypatch.setattr(check_host, "_installed", lambda: 64 * GIB)
    [found] = check_host.memory(Settings(), location)
    assert found.level == level
    assert "control group" in found.message
    assert ("MemoryMax=" in found.mend) is (level != "ok")


def test_the_mark_counts_as_well(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark of the configuration that is too low is named."""
    monkeypatch.setattr(cgroup, "allowed", lambda _proc: cgroup.Allowed(None, None))
    settings = Settings(memory=MemorySettings(max=300 * 1024**2))
    [found] = check_host.memory(settings, location)
    assert (found.level, "`memory.max`" in found.message) == ("fail", True)


@pytest.mark.parametrize(("most", "levels"), [(None, []), (64, ["fail"]), (512, ["ok"])])
def test_threads(
    location: Location, monkeypatch: pytest.MonkeyPatch, most: int | None, levels: list[str]
) -> None:
    """A control group with few threads is told."""
    monkeypatch.setattr(cgroup, "tasks", lambda _proc: most)
    assert [one.level for one in check_host.tasks(Settings(), location)] == levels


def test_the_smallest_limit_of_threads_counts(tmp_path: Path) -> None:
    """From our own group up, as the kernel applies them."""
    proc, group = tmp_path / "proc", tmp_path / "cgroup" / "a" / "b"
    group.mkdir(parents=True)
    proc.mkdir()
    (proc / "cgroup").write_text("0::/a/b\n")
    (proc / "mountinfo").write_text(f"22 1 0:5 / {tmp_path / 'cgroup'} rw - cgroup2 x rw\n")
    (group / "pids.max").write_text("max\n")
    assert cgroup.tasks(proc) is None
    (group.parent / "pids.max").write_text("100\n")
    assert cgroup.tasks(proc) == 100


class Answers(BaseHTTPRequestHandler):
    """Answers at some paths."""

    paths: dict[str, bytes] = {}  # noqa: RUF012 - set per test, on a class of its own

    def do_GET(self) -> None:
        """Answer."""
        body = self.paths.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Something that answers; its address."""
    handler = type("Answering", (Answers,), {"paths": request.param})
    made = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(
    ("server", "level", "words"),
    [
        ({"/api/v2/heartbeat": b"{}", "/api/v2/version": b'"1.0.0"'}, "ok", "API 1.0.0"),
        ({"/api/v1/heartbeat": b"{}"}, "fail", "before 1.0"),
        ({}, "fail", "is no Chroma"),
    ],
    indirect=["server"],
    ids=["chroma", "old", "other"],
)
def test_what_answers_is_looked_at(location: Location, server: str, level: str, words: str) -> None:
    """A Chroma of now, one that is too old, and another program are told apart."""
    settings = Settings(store=StoreSettings(mode="remote", url=server))
    [found] = check_store.store(settings, location)
    assert (found.level, words in found.message) == (level, True)


def test_the_port_of_the_daemon_counts(location: Location) -> None:
    """Where a daemon runs, its port is what matters, whatever the configuration says."""
    with FileLock(location.lock_file).acquire(Owner.me("run", store_url="http://127.0.0.1:9")):
        [found] = check_store.port(Settings(), location)
    assert (found.level, ":9 is the daemon's" in found.message) == ("ok", True)


def test_a_daemon_that_tells_nothing(location: Location) -> None:
    """Its health is asked for; without an answer that is told."""
    with FileLock(location.lock_file).acquire(Owner.me("run")):
        [found] = check_store.page(Settings(), location)
    assert (found.name, found.level) == ("health", "warn")
