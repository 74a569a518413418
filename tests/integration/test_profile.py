"""``ingestd profile`` on a real daemon under load: what it tells, and that it always ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from daemon import Daemon, environment, eventually, ingestd

from ingestd.location import Location
from ingestd.serve.address import LONGEST, socket_of
from ingestd.serve.client import Client

memray = pytest.importorskip("memray")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def document(number: int) -> str:
    """Markdown whose words depend on the number."""
    words = " ".join(f"word{number}x{place}" for place in range(300))
    return f"# Document {number}\n\n{words}\n"


def make(place: Path) -> Daemon:
    """A daemon on a few documents, not yet started."""
    docs = place / "docs"
    docs.mkdir()
    for number in range(5):
        (docs / f"{number}.md").write_text(document(number), "utf-8")
    return Daemon(docs, place / "state")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon."""
    with make(tmp_path_factory.mktemp("profile")) as running:
        yield running


@contextlib.contextmanager
def load(daemon: Daemon) -> Iterator[None]:
    """Documents that change without an end."""
    stop = threading.Event()

    def write() -> None:
        number = 100
        while not stop.wait(0.02):
            number += 1
            (daemon.folder / f"{number % 40}.md").write_text(document(number), "utf-8")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def command(daemon: Daemon, *options: str | Path) -> subprocess.Popen[str]:
    """The verb as a process of its own, in JSON."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "ingestd", "profile", "--json"),
            *("--state-dir", str(daemon.state), *map(str, options)),
        ],
        env=environment("hash"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def running(daemon: Daemon, process: subprocess.Popen[str], before: int) -> None:
    """Wait until the daemon has begun one more trace."""
    eventually(lambda: len(daemon.events("profile_started")) > before or process.poll() is not None)
    assert process.poll() is None, process.communicate()


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the verb prints at its end."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def location(daemon: Daemon) -> Location:
    """The places of the daemon, for a client."""
    return Location(None, daemon.state, daemon.state, "")


def traced(daemon: Daemon) -> int:
    """How many traces have begun so far."""
    return len(daemon.events("profile_started"))


def test_under_load_the_summary_names_our_functions(daemon: Daemon, tmp_path: Path) -> None:
    """Three seconds of a busy daemon: sizes, counts, our own functions, and a file for memray."""
    with load(daemon):
        found = result(command(daemon, "--seconds", "3", "--output", tmp_path / "trace.bin"))
    assert found["type"] == "profile"
    assert (found["pid"], found["reason"]) == (daemon.process.pid, "time")
    assert 3 <= found["seconds"] < 10
    assert found["allocations"] > 1_000
    assert found["allocated_bytes"] >= found["peak_bytes"] >= found["left_bytes"] > 0
    assert 50e6 < found["rss_bytes"]["start"] <= found["rss_bytes"]["peak"] * 1.05
    places = [place for kind in found["top"].values() for place in kind]
    ours = [place for place in places if place["file"].startswith(tuple(found["code"]))]
    callers = {place["for"]["file"] for place in places if place["for"]}
    assert ours
    assert any("/ingestd/embed/" in file for file in callers)
    file = tmp_path / "trace.bin"
    assert (found["file"], found["file_bytes"]) == (str(file), file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list((daemon.state / "profile").iterdir()) == []
    assert all(str(file) in line for line in found["commands"])
    with memray.FileReader(file) as reader:
        assert reader.metadata.pid == daemon.process.pid


def test_the_commands_that_it_names_work(daemon: Daemon, tmp_path: Path) -> None:
    """What is printed can be run as it is."""
    found = result(command(daemon, "--seconds", "1", "--output", tmp_path / "a trace.bin"))
    for line in found["commands"][:3]:
        subprocess.run(line, shell=True, check=True, capture_output=True, cwd=tmp_path)  # noqa: S602 - as a person does
    assert {page.name for page in tmp_path.glob("*.html")} == {
        "a trace-peak.html",
        "a trace-left.html",
        "a trace-time.html",
    }


def test_people_get_tables(daemon: Daemon, tmp_path: Path) -> None:
    """Without --json there are three tables, the numbers, and what to run next."""
    done = ingestd(
        *("profile", "--seconds", "1", "--top", "3", "--state-dir", daemon.state),
        *("--output", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    for words in ("allocations", "In use at the peak", "Not freed at the end", "flamegraph"):
        assert words in done.stdout
    [file] = tmp_path.glob("ingestd-profile-*.bin")
    last = done.stdout.splitlines()[-1]
    assert last.endswith(f"memray tree {file}")


def test_a_second_trace_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    """While one client has a trace taken, another is told so, and the first gets its own."""
    before = traced(daemon)
    first = command(daemon, "--seconds", "8", "--output", tmp_path / "first.bin")
    running(daemon, first, before)
    done = ingestd("profile", "--state-dir", daemon.state, "--output", tmp_path / "second.bin")
    assert done.returncode == 19, done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "second.bin").exists()
    assert result(first)["reason"] == "time"


def test_ctrl_c_ends_it_early(daemon: Daemon, tmp_path: Path) -> None:
    """An interrupt ends the trace, and its summary is shown."""
    before = traced(daemon)
    process = command(daemon, "--seconds", "600", "--output", tmp_path / "trace.bin")
    running(daemon, process, before)
    time.sleep(0.5)  # something to sum up
    process.send_signal(signal.SIGINT)
    found = result(process)
    assert found["reason"] == "asked"
    assert found["seconds"] < 60


def test_a_client_that_is_killed(daemon: Daemon, tmp_path: Path) -> None:
    """The trace of a client that is gone ends soon, and another can be taken."""
    before, ends = traced(daemon), len(daemon.events("profile_ended"))
    process = command(daemon, "--seconds", "600", "--output", tmp_path / "trace.bin")
    running(daemon, process, before)
    process.kill()
    process.communicate()
    eventually(lambda: len(daemon.events("profile_ended")) > ends, 30)
    assert daemon.events("profile_ended")[-1]["reason"] == "client"
    assert result(command(daemon, "-s", "1", "-o", tmp_path / "next.bin"))["reason"] == "time"
    assert len(list((daemon.state / "profile").iterdir())) == 0


def test_native_frames(daemon: Daemon, tmp_path: Path) -> None:
    """--native traces native code too, where memray can; else it says why not."""
    process = command(daemon, "--seconds", "1", "--native", "-o", tmp_path / "trace.bin")
    out, err = process.communicate(timeout=120)
    if process.returncode == 20:
        assert "native" in err
        return
    assert process.returncode == 0, err
    assert json.loads(out)["native"] is True


@pytest.mark.parametrize(
    "options",
    [("--seconds", "0"), ("--seconds", "4000"), ("--output", "/nonexistent/x"), ("--top", "0")],
    ids=" ".join,
)
def test_wrong_options_are_told_before_anything_begins(
    daemon: Daemon, options: tuple[str, ...]
) -> None:
    """A wrong option begins no trace."""
    before = traced(daemon)
    assert ingestd("profile", "--state-dir", daemon.state, *options).returncode == 2
    assert traced(daemon) == before


def test_a_file_is_not_overwritten(daemon: Daemon, tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    (tmp_path / "mine").write_text("mine", "utf-8")
    done = ingestd("profile", "--state-dir", daemon.state, "--output", tmp_path / "mine")
    assert done.returncode == 2
    assert (tmp_path / "mine").read_text("utf-8") == "mine"


def test_the_socket_is_for_the_owner_alone(daemon: Daemon) -> None:
    """Nobody else may ask the daemon for anything."""
    assert stat.S_IMODE(socket_of(daemon.state).stat().st_mode) == 0o600


def test_health_and_gauges(daemon: Daemon) -> None:
    """The daemon says that it lives, which version it is, and its numbers."""
    with Client(location(daemon)) as client:
        health = client.get("/healthz")
        gauges = client.get("/v1/gauges")["gauges"]
    assert (health["status"], health["pid"]) == ("alive", daemon.process.pid)
    assert isinstance(gauges, list)


def test_nobody_runs(tmp_path: Path) -> None:
    """Without a daemon the verb says so, with its own exit code."""
    done = ingestd("profile", "--state-dir", tmp_path, "--output", tmp_path)
    assert done.returncode == 14
    assert "ingestd run" in done.stderr


def test_a_daemon_that_is_stopped_in_the_middle(tmp_path: Path) -> None:
    """A stop ends the trace, the daemon ends in order, and the client shows what there is."""
    with make(tmp_path) as daemon:
        process = command(daemon, "--seconds", "600", "-o", tmp_path / "trace.bin")
        running(daemon, process, 0)
        with load(daemon):
            time.sleep(1)  # something to sum up
        daemon.stop()
        assert daemon.events("profile_ended")[0]["reason"] == "stop"
        assert not socket_of(daemon.state).exists()
        found = result(process)
    assert found["reason"] == "stop"
    assert found["allocations"] > 0


def test_a_daemon_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    """After a kill the client shows what was written; the next daemon clears up and listens."""
    with make(tmp_path) as daemon:
        process = command(daemon, "--seconds", "600", "-o", tmp_path / "trace.bin")
        running(daemon, process, 0)
        with load(daemon):
            time.sleep(1.5)  # something to sum up
        daemon.kill()
        found = result(process)
        assert found["reason"] == "killed"
        assert found["allocations"] > 0
        assert socket_of(daemon.state).is_socket()  # a dead one's
        done = ingestd("profile", "--state-dir", daemon.state, "-o", tmp_path)
        assert done.returncode == 14
        left = daemon.state / "profile" / "left.bin.part"
        left.write_bytes(b"left")
        daemon.start()
        assert not left.exists()
        assert result(command(daemon, "-s", "1", "-o", tmp_path / "next.bin"))["reason"] == "time"


def test_a_long_state_directory(tmp_path: Path) -> None:
    """A state directory whose path does not fit into a socket's address works."""
    daemon = make(tmp_path)
    daemon.state = tmp_path / ("long" * 20) / ("longer" * 10)
    daemon.log = tmp_path / "long.log"
    assert len(os.fsencode(socket_of(daemon.state))) > LONGEST
    with daemon:
        found = result(command(daemon, "-s", "1", "-o", tmp_path / "trace.bin"))
    assert found["reason"] == "time"


def test_a_socket_that_cannot_be_made(tmp_path: Path) -> None:
    """Something in the way of the socket is told, and the daemon goes on without it."""
    daemon = make(tmp_path)
    socket_of(daemon.state).mkdir(parents=True)
    with daemon:
        [event] = daemon.events("control_not_opened")
        assert event["hint"]
        done = ingestd("profile", "--state-dir", daemon.state, "-o", tmp_path)
        assert done.returncode == 20
        assert "control_not_opened" in done.stderr
    assert socket_of(daemon.state).is_dir()
