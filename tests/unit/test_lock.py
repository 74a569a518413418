"""Locks that end with their holder, and tell who that is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ingestd
from ingestd import lock
from ingestd.lock import FileLock, LockHeldError, Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(ingestd.__file__).parents[1]
HOLD = """
import sys
from pathlib import Path
from ingestd.lock import FileLock, Owner
FileLock(Path(sys.argv[1])).acquire(Owner.me("run", sources=("/docs",)))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock lies; its folder is not there yet."""
    return tmp_path / "state" / "ingestd.lock"


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'state'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_it(
    path: Path, other: subprocess.Popen[str]
) -> None:
    """The error says which process, what it runs and what it watches."""
    with pytest.raises(LockHeldError) as caught:
        FileLock(path).acquire(Owner.me("run"), wait_s=0)
    owner = caught.value.owner
    assert owner is not None
    assert (owner.pid, owner.verb, owner.sources) == (other.pid, "run", ("/docs",))
    assert str(other.pid) in str(caught.value)
    assert "/docs" in str(caught.value)
    assert lock.holder(path) == owner


def test_a_killed_holder_holds_nothing(path: Path, other: subprocess.Popen[str]) -> None:
    """The lock ends with its process, however that ends; its record does not count any more."""
    other.kill()
    other.wait()
    assert lock.holder(path) is None
    with FileLock(path).acquire(Owner.me("reindex"), wait_s=0):
        owner = lock.holder(path)
        assert owner is not None
        assert (owner.pid, owner.verb) == (os.getpid(), "reindex")
    assert lock.holder(path) is None


def test_acquire_waits_a_moment(path: Path, other: subprocess.Popen[str]) -> None:
    """A lock that is given back within the wait is taken."""
    threading.Timer(0.1, other.kill).start()
    with FileLock(path).acquire(Owner.me("run"), wait_s=10):
        assert lock.holder(path) is not None


def test_one_process_cannot_take_it_twice(path: Path) -> None:
    """Two locks of one process exclude each other as those of two processes do."""
    with FileLock(path).acquire(Owner.me("run")), pytest.raises(LockHeldError):
        FileLock(path).acquire(Owner.me("run"), wait_s=0)
    with FileLock(path).acquire(Owner.me("run"), wait_s=0):
        pass


def test_an_inherited_descriptor_keeps_the_lock(path: Path) -> None:
    """A child that was given the descriptor holds the lock when its parent has let go."""
    held = FileLock(path).acquire(Owner.me("run"))
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[held.fileno()])
    try:
        held.release()
        assert lock.holder(path) is not None
        with pytest.raises(LockHeldError):
            FileLock(path).acquire(Owner.me("run"), wait_s=0)
    finally:
        child.communicate()
    assert lock.holder(path) is None


def test_other_children_do_not_inherit_it(path: Path) -> None:
    """A child that was not given the descriptor does not keep the lock."""
    held = FileLock(path).acquire(Owner.me("run"))
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        held.release()
        assert lock.holder(path) is None
    finally:
        child.communicate()


def test_the_record_can_be_renewed(path: Path) -> None:
    """A shorter record replaces a longer one wholly."""
    with FileLock(path).acquire(Owner.me("run", sources=("/" + "x" * 500,))) as held:
        held.record(Owner(1, "host", 2.0, "run", store_url="http://127.0.0.1:1"))
        assert lock.holder(path) == Owner(1, "host", 2.0, "run", "http://127.0.0.1:1", ())


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b"7", b'{"pid": 1}', b'{"sources": [], "x": 1}', b"\xff"]
)
def test_a_record_that_cannot_be_read_is_still_a_lock(path: Path, record: bytes) -> None:
    """Who looks while the record is being written learns that somebody is there."""
    with FileLock(path).acquire(Owner.me("run")):
        path.write_bytes(record)
        owner = lock.holder(path)
        assert owner is not None
        assert owner.pid == 0
        with pytest.raises(LockHeldError, match="another process"):
            FileLock(path).acquire(Owner.me("run"), wait_s=0)


def test_nobody_holds_what_is_not_there(path: Path) -> None:
    """Asking for the holder makes no file and no folder."""
    assert lock.holder(path) is None
    assert not path.parent.exists()


def test_a_lock_that_is_not_held_has_no_descriptor(path: Path) -> None:
    """A record or a descriptor without the lock is a mistake of ours, and is told as such."""
    free = FileLock(path)
    free.release()
    with pytest.raises(RuntimeError, match="not locked"):
        free.fileno()
    with pytest.raises(RuntimeError, match="not locked"):
        free.record(Owner.me("run"))
