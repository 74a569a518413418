"""The free-disk watermark, asked of real file systems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingestd.errors import DiskFullError, StoreError
from ingestd.location import Location
from ingestd.space import FULL_BYTES, Space


def free(path: Path) -> int:
    """What this user may still write there, in bytes."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def test_enough_space_passes(tmp_path: Path) -> None:
    """As long as more is free than must stay free, nothing is said."""
    Space((tmp_path,), free(tmp_path) // 2).check()


def test_too_little_space_is_told_with_both_numbers(tmp_path: Path) -> None:
    """The error says where, how much is free, and how much must be; it counts as the store's."""
    with pytest.raises(DiskFullError) as caught:
        Space((tmp_path,), 1 << 60).check()
    assert str(tmp_path) in caught.value.message
    assert f"{(1 << 60) / 1024**2:,.0f} MiB must stay free" in caught.value.message
    assert isinstance(caught.value, StoreError)


def test_each_directory_counts(tmp_path: Path) -> None:
    """Chroma's data may lie on another disk: the fullest decides."""
    other = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path
    most = max(free(tmp_path), free(other))
    with pytest.raises(DiskFullError):
        Space((tmp_path, other), most + (1 << 40)).check()


def test_a_directory_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    """Before the first start there is no Chroma data; the first write will tell."""
    Space((tmp_path / "missing",), 1 << 60).check()


def test_zero_turns_it_off(tmp_path: Path) -> None:
    """With ``free_bytes`` 0 even a full disk does not stop the work beforehand."""
    Space((tmp_path,), 0).check()


def test_full_means_hardly_a_byte_left(tmp_path: Path) -> None:
    """A disk with space is not full, whatever must stay free on it."""
    assert free(tmp_path) > FULL_BYTES
    assert not Space((tmp_path,), 1 << 60).is_full()


def test_it_watches_over_state_and_chroma(tmp_path: Path) -> None:
    """The directories are those that are written to all the time."""
    location = Location(None, tmp_path / "state", tmp_path / "cache", "sqlite://")
    assert Space.of(location, 1).directories == (location.state_dir, location.chroma_dir)
