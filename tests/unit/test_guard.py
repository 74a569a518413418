"""The wipe guard: every way in which absence could be mistaken for deletion."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.guard import Devices, judge
from ingestd.watch.scan import RootState
from ingestd_state.sources import Source
from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    from pathlib import Path

HERE = RootState(exists=True, is_dir=True, device=7)
EMPTY = RootState(exists=True, is_dir=True, empty=True, device=7)
UNUSABLE = {
    "missing": RootState(exists=False),
    "unreadable": RootState(exists=True, is_dir=True, device=7, error="Permission denied"),
    "I/O error": RootState(exists=True, error="Input/output error"),
    "a file": RootState(exists=True, device=7),
}
ONLINE, OFFLINE, HELD = SourceStatus.ONLINE, SourceStatus.OFFLINE, SourceStatus.HELD


def source(*, device: int | None = 7, seen_nonempty: bool = True) -> Source:
    """What is remembered of a source."""
    return Source(1, "docs", b"/docs", "ingestd", ONLINE, "", "{}", device, seen_nonempty, 1.0)


def verdict(
    root: RootState, missing: int, total: int, *, accept: bool = False, device: int | None = 7
) -> SourceStatus:
    """The status; it has a reason exactly when it is not online."""
    status, reason = judge(source(device=device), root, missing=missing, total=total, accept=accept)
    assert bool(reason) is (status is not ONLINE)
    return status


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("missing", [0, 1, 1_000])
@pytest.mark.parametrize("root", UNUSABLE.values(), ids=UNUSABLE)
def test_a_root_that_cannot_be_read_deletes_nothing(
    root: RootState, missing: int, *, accept: bool
) -> None:
    """Missing, unreadable, failing or no folder: nothing is believed, not even by order."""
    assert verdict(root, missing, 1_000, accept=accept) is OFFLINE


def test_a_root_that_became_empty_deletes_nothing() -> None:
    """An empty root is an unmounted one until somebody says otherwise, however few files it had."""
    assert verdict(EMPTY, 1, 1) is OFFLINE
    assert verdict(EMPTY, 1_000, 1_000) is OFFLINE
    assert verdict(EMPTY, 1_000, 1_000, accept=True) is ONLINE


def test_documents_prove_that_the_root_was_not_empty() -> None:
    """A first scan that was cut off left no mark; what it found is proof enough."""
    status, _ = judge(source(seen_nonempty=False), EMPTY, missing=3, total=3, accept=False)
    assert status is OFFLINE


def test_an_empty_root_that_never_held_anything_is_online() -> None:
    """A new and empty folder is not an alarm."""
    status, _ = judge(source(seen_nonempty=False), EMPTY, missing=0, total=0, accept=False)
    assert status is ONLINE


def test_a_root_on_another_device_deletes_nothing() -> None:
    """What lies under a mount point is not what was mounted there."""
    assert verdict(HERE, 1, 1_000, device=8) is OFFLINE
    assert verdict(HERE, 1, 1_000, device=8, accept=True) is ONLINE
    assert verdict(HERE, 0, 1_000, device=8) is ONLINE


def test_a_device_that_was_never_seen_proves_nothing() -> None:
    """Before the first complete scan there is no device to compare with."""
    assert verdict(HERE, 1, 1_000, device=None) is ONLINE


@pytest.mark.parametrize(
    ("missing", "total", "expected"),
    [
        (0, 0, ONLINE),
        (0, 1_000, ONLINE),
        (20, 20, ONLINE),
        (20, 21, ONLINE),
        (21, 21, HELD),
        (21, 104, HELD),
        (21, 105, ONLINE),
        (21, 1_000, ONLINE),
        (200, 1_000, ONLINE),
        (201, 1_000, HELD),
        (1_000, 1_000, HELD),
    ],
)
def test_too_much_at_once_is_held(missing: int, total: int, expected: SourceStatus) -> None:
    """More than 20 % and more than 20 wait for a person; one of both alone does not."""
    assert verdict(HERE, missing, total) is expected
    assert verdict(HERE, missing, total, accept=True) is ONLINE


@pytest.mark.parametrize(
    ("path", "device", "hidden"),
    [
        (b"a/gone.md", 0, False),
        (b"a/gone.md", 1, True),
        (b"gone.md", 0, False),
        (b"never/was/gone.md", 0, False),
        (b"never/was/gone.md", 1, True),
        (b"a/file/gone.md", 0, False),
        (b"gone.md", None, False),
    ],
)
def test_a_place_that_shows_another_file_system_hides_what_was_there(
    tmp_path: Path, path: bytes, device: int | None, *, hidden: bool
) -> None:
    """The deepest folder that is there tells; a device that is not known proves nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    here = tmp_path.stat().st_dev
    missing: Any = SimpleNamespace(path=path, device=None if device is None else here + device)
    assert Devices(os.fsencode(tmp_path)).hides(missing) is hidden


def test_a_place_that_nobody_can_look_at_hides_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is no proof of a deletion."""

    def fail(_path: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "lstat", fail)
    missing: Any = SimpleNamespace(path=b"a/gone.md", device=1)
    assert Devices(os.fsencode(tmp_path)).hides(missing)
