"""A trace on the way from the daemon to the one who asked for it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.cli import tracing
from ingestd.cli.profile_page import page
from ingestd.errors import IngestdError, NotRunningError, StateError, WaitTimeoutError
from ingestd.location import Location
from ingestd.lock import FileLock, Owner

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "ingestd-profile-1.bin"
RUNNING = {"state": "running", "file": NAME, "seconds": 0.2, "elapsed_s": 0.1, "reason": ""}


class Answers:
    """A daemon that answers as it is told; an exception is raised."""

    def __init__(self, *answers: dict[str, Any] | BaseException) -> None:
        self.answers = list(answers)
        self.ended = 0

    def post(self, _path: str, _values: object, *, timeout_s: float) -> dict[str, Any]:
        """Begin."""
        assert timeout_s
        return RUNNING

    def get(self, _path: str) -> dict[str, Any]:
        """The next answer."""
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def delete(self, path: str) -> dict[str, Any]:
        """The end."""
        self.ended += 1
        return self.get(path)


@pytest.fixture
def location(tmp_path: Path) -> Location:
    """A state directory with a folder for traces."""
    (tmp_path / "state" / "profile").mkdir(parents=True)
    return Location(None, tmp_path / "state", tmp_path, "")


@pytest.fixture
def trace(location: Location) -> Path:
    """A file that a daemon left."""
    file = location.state_dir / "profile" / NAME
    file.touch(0o600)
    file.write_bytes(b"trace")
    return file


def follow(location: Location, daemon: Answers) -> dict[str, Any]:
    """Follow a trace to its end."""
    return tracing.follow(daemon, location, {}, lambda _state: None)  # type: ignore[arg-type]


def test_a_trace_is_followed_to_its_end(location: Location) -> None:
    """The last state is the result; a late answer in between is waited for."""
    over = {**RUNNING, "state": "ended", "reason": "time"}
    assert follow(location, Answers(RUNNING, WaitTimeoutError("late"), over)) == over


def test_an_interrupt_ends_the_trace(location: Location) -> None:
    """Ctrl-C is handed on to the daemon."""
    daemon = Answers(KeyboardInterrupt(), {**RUNNING, "reason": "asked"})
    assert follow(location, daemon)["reason"] == "asked"
    assert daemon.ended == 1


def test_another_trace_is_not_taken_for_ours(location: Location) -> None:
    """A daemon that was started again, and takes another trace, has lost ours."""
    with pytest.raises(IngestdError, match="gone"):
        follow(location, Answers({**RUNNING, "file": "other.bin"}))


def test_a_daemon_that_ended_has_left_its_trace(location: Location, trace: Path) -> None:
    """When nobody answers any more, the file in the state directory is taken."""
    assert follow(location, Answers(NotRunningError("gone")))["reason"] == "stop"


def test_a_daemon_that_was_killed_has_left_a_part(location: Location, trace: Path) -> None:
    """A file that was being written is taken as it is, once its writer is dead."""
    trace.rename(trace.with_name(NAME + ".part"))
    assert follow(location, Answers(NotRunningError("gone")))["reason"] == "killed"
    assert trace.read_bytes() == b"trace"


def test_a_part_is_not_taken_from_a_living_daemon(
    location: Location, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the daemon lives, the file that it writes is left to it."""
    monkeypatch.setattr(tracing, "LOST_S", 0.3)
    trace.rename(trace.with_name(NAME + ".part"))
    with (
        FileLock(location.lock_file).acquire(Owner.me("run")),
        pytest.raises(NotRunningError, match="no trace"),
    ):
        follow(location, Answers(NotRunningError("gone")))
    assert not trace.exists()


def test_a_file_is_moved(location: Location, trace: Path, tmp_path: Path) -> None:
    """The file is handed over, not copied, where that is possible."""
    inode = trace.stat().st_ino
    tracing.take_over(location, NAME, tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_ino == inode
    assert not trace.exists()


def across(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every folder a file system of its own."""

    def rename(_self: Path, _target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "rename", rename)


def test_a_file_moves_to_another_file_system(
    location: Location, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy is for its owner alone too, and the original is removed."""
    across(monkeypatch)
    tracing.take_over(location, NAME, tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == b"trace"
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o600
    assert not trace.exists()


@pytest.mark.parametrize("hinder", [across, lambda _monkeypatch: None], ids=["copy", "move"])
def test_a_file_that_cannot_be_handed_over_stays(
    location: Location,
    trace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hinder: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """The error says where the trace is."""
    hinder(monkeypatch)
    with pytest.raises(StateError) as raised:
        tracing.take_over(location, NAME, tmp_path / "missing" / "mine")
    assert str(trace) in raised.value.hint
    assert trace.read_bytes() == b"trace"


def test_a_name_from_the_daemon_leads_nowhere_else(location: Location, tmp_path: Path) -> None:
    """Only files of the folder for traces are taken."""
    (tmp_path / "secret").write_text("x", "utf-8")
    with pytest.raises(StateError):
        tracing.take_over(location, "../../secret", tmp_path / "mine")
    assert (tmp_path / "secret").exists()


def test_a_trace_that_cannot_be_read_is_named(trace: Path) -> None:
    """The error tells where the file is, and what may read it."""
    with pytest.raises(IngestdError, match="could not be summed up") as raised:
        tracing.summary(trace, [], 10)
    assert str(trace) in raised.value.message
    assert "memray stats" in raised.value.hint


@pytest.mark.parametrize("reason", sorted(tracing.REASONS))
def test_the_page_says_why_it_ended(reason: str) -> None:
    """People read why a trace is shorter than asked, and where memory went."""
    place = {
        "function": "dumps",
        "file": "/usr/lib/python3.11/site-packages/lib/x.py",
        "line": 5,
        "bytes": 2048,
        "allocations": 3,
        "for": {"function": "ours", "file": "/opt/app/ingestd/embed/write.py", "line": 7},
    }
    text = page(
        {
            "pid": 1,
            "seconds": 2.0,
            "reason": reason,
            "allocations": 3,
            "allocated_bytes": 2048,
            "peak_bytes": 2048,
            "left_bytes": 0,
            "rss_bytes": {"start": 1024, "peak": 4096, "end": None},
            "file": "/tmp/t.bin",
            "file_bytes": 10,
            "code": ["/opt/app/ingestd/"],
            "top": {"total": [place], "peak": [place], "left": []},
            "commands": ["memray tree /tmp/t.bin"],
        }
    ).plain()
    assert tracing.REASONS[reason] in text
    assert "ours ingestd/embed/write.py:7" in text
    assert "lib/x.py:5" in text
    assert "Not freed at the end" not in text
