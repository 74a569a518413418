"""What the kernel allows this process and its neighbours, as control groups say it.

Version 2: the smallest ``memory.high``, ``memory.max`` and ``cpu.max`` from our own group up to the
root that we see. Version 1: the smallest ``memory.limit_in_bytes`` and quota of processor time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as the largest number of pages."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Bytes for the whole group; None where nothing is said.

    Attributes:
        high: above it the kernel slows us down.
        max: above it the kernel kills.
    """

    high: int | None = None
    max: int | None = None


def allowed(proc: Path = Path("/proc/self")) -> Allowed:
    """What the control groups of this process allow.

    Args:
        proc: the process's folder in the proc file system.
    """
    high: list[int] = []
    top: list[int] = []
    for kind, folder in _folders(proc, "memory"):
        if kind:
            top += _numbers(folder / "memory.limit_in_bytes")
        else:
            high += _numbers(folder / "memory.high")
            top += _numbers(folder / "memory.max")
    return Allowed(min(high, default=None), min(top, default=None))


def tasks(proc: Path = Path("/proc/self")) -> int | None:
    """How many threads the control groups of this process allow; None: nothing is said.

    Args:
        proc: the process's folder in the proc file system.
    """
    found = [most for _, folder in _folders(proc, "pids") for most in _numbers(folder / "pids.max")]
    return min(found, default=None)


def processors(proc: Path = Path("/proc/self")) -> float | None:
    """How many processors' time the control groups of this process allow; None: all there is.

    Args:
        proc: the process's folder in the proc file system.
    """
    shares: list[float] = []
    for kind, folder in _folders(proc, "cpu"):
        if kind:
            quota = _numbers(folder / "cpu.cfs_quota_us")
            period = _numbers(folder / "cpu.cfs_period_us")
        else:
            quota, period = _quota(folder / "cpu.max")
        shares += [time / within for time, within in zip(quota, period, strict=False) if within]
    return min(shares, default=None)


def _folders(proc: Path, controller: str) -> Iterator[tuple[str, Path]]:
    """The folders of our groups, from our own up; with the controller's name in version 1."""
    try:
        groups = _groups(proc / "cgroup")
        mounts = list(_mounts(proc / "mountinfo", controller))
    except OSError:
        return
    for kind, root, point in mounts:
        if (group := groups.get(kind)) is not None:
            yield from ((kind, folder) for folder in _up(point, root, group))


def _groups(file: Path) -> dict[str, str]:
    """Our group by controller; that of version 2 has no controller's name."""
    groups: dict[str, str] = {}
    for line in file.read_text("utf-8", "surrogateescape").splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = group
    return groups


def _mounts(file: Path, controller: str) -> Iterator[tuple[str, str, Path]]:
    """Where groups are to be seen: the controller, the group that is mounted, the place."""
    for line in file.read_text("utf-8", "surrogateescape").splitlines():
        head, _, tail = line.partition(" - ")
        places, source = head.split(), tail.split()
        if len(places) < 5 or not source:  # noqa: PLR2004 - id, parent, device, root, place
            continue
        if source[0] == "cgroup2":
            yield "", _plain(places[3]), Path(_plain(places[4]))
        elif source[0] == "cgroup" and controller in source[-1].split(","):
            yield controller, _plain(places[3]), Path(_plain(places[4]))


def _up(point: Path, root: str, group: str) -> Iterator[Path]:
    """Our group's folder and those above it, as far as the mount shows them."""
    inside = PurePosixPath(os.path.relpath(group, root))
    if ".." in inside.parts:  # the mount shows another branch: a container that sees only itself
        inside = PurePosixPath()
    yield point / inside
    for above in inside.parents:
        yield point / above


def _numbers(file: Path) -> list[int]:
    """The limit in a file; nothing where there is none."""
    try:
        text = file.read_text("ascii").strip()
    except (OSError, UnicodeError):
        return []
    return [int(text)] if text.isdecimal() and int(text) < _UNLIMITED else []


def _quota(file: Path) -> tuple[list[int], list[int]]:
    """Time and period of version 2, in microseconds; nothing where there is no limit."""
    try:
        time, _, period = file.read_text("ascii").partition(" ")
    except (OSError, UnicodeError):
        return [], []
    return (
        ([int(time)], [int(period)])
        if time.isdecimal() and period.strip().isdecimal()
        else ([], [])
    )


def _plain(field: str) -> str:
    """A path of ``mountinfo``, in which blanks are written in octal."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
