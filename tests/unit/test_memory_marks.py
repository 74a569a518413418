"""Sizes, control groups and marks: when memory is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd.memory import cgroup, size
from ingestd.memory.cgroup import Allowed
from ingestd.memory.marks import Marks, State, resolve

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1024**3


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        (0, 0),
        (512, 512),
        ("512", 512),
        ("512M", 512 * 1024**2),
        ("512 MiB", 512 * 1024**2),
        ("1.5g", 3 * GIB // 2),
        ("64kb", 64 * 1024),
        ("1T", 1024 * GIB),
    ],
)
def test_sizes(written: object, size_bytes: int) -> None:
    """A size is a number of bytes, or a number with a power of 1024."""
    assert size.parse(written) == size_bytes


@pytest.mark.parametrize("written", ["", "M", "12X", "-5M", -5, True, 1.5, None, "1,000"])
def test_what_is_no_size_is_told(written: object) -> None:
    """The message shows what was written, and how to write it."""
    with pytest.raises(ValueError, match="is no size: write bytes"):
        size.parse(written)


class Groups:
    """A proc folder and mounted control groups, made of files."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        self.proc.mkdir()
        self.mount = root / "with blank"
        self.mount.mkdir()

    def version(self, two: bool, group: str, root: str = "/") -> None:  # noqa: FBT001 - 2 or 1
        """Say where we are, and what is mounted."""
        place = str(self.mount).replace(" ", "\\040")
        kind = "cgroup2 none rw" if two else "cgroup none rw,memory"
        (self.proc / "cgroup").write_text(f"7:cpu:/x\n{'0:' if two else '4:memory'}:{group}\n")
        (self.proc / "mountinfo").write_text(
            f"1 0 8:1 / / rw - ext4 /dev/a rw\n35 31 0:32 {root} {place} rw,relatime - {kind}\n"
        )

    def limit(self, group: str, **files: str) -> None:
        """Write the files of a group."""
        folder = self.mount / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text + "\n")

    def allowed(self) -> Allowed:
        """What is found."""
        return cgroup.allowed(self.proc)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    """No groups at all."""
    return Groups(tmp_path)


def test_version_two_counts_every_level(groups: Groups) -> None:
    """The smallest limit applies, from our own group up to the root; "max" is none."""
    groups.version(True, "/system.slice/ingestd.service")
    groups.limit("system.slice/ingestd.service", memory__max="max", memory__high=str(2 * GIB))
    groups.limit("system.slice", memory__max=str(3 * GIB), memory__high="max")
    groups.limit("", memory__max=str(4 * GIB))
    assert groups.allowed() == Allowed(high=2 * GIB, max=3 * GIB)


def test_a_container_sees_its_own_group_as_the_root(groups: Groups) -> None:
    """Where the mount shows another branch than our path, the mount itself is our group."""
    groups.limit("", memory__max=str(GIB))
    groups.version(True, "/docker/abc", root="/docker/abc")
    assert groups.allowed() == Allowed(max=GIB)
    groups.version(True, "/", root="/docker/abc")
    assert groups.allowed() == Allowed(max=GIB)


def test_version_one(groups: Groups) -> None:
    """The smallest limit in bytes; the largest number of pages is none."""
    groups.version(False, "/a/b")
    groups.limit("a/b", memory__limit_in_bytes="9223372036854771712")
    assert groups.allowed() == Allowed()
    groups.limit("a", memory__limit_in_bytes=str(GIB))
    assert groups.allowed() == Allowed(max=GIB)


def test_no_control_groups_are_no_limits(groups: Groups) -> None:
    """Neither is a system without them, nor one that writes what nobody understands."""
    assert groups.allowed() == Allowed()
    groups.version(True, "/a")
    groups.limit("a", memory__max="many")
    assert groups.allowed() == Allowed()


@pytest.mark.parametrize(
    ("high", "top", "allowed", "marks"),
    [
        (None, None, Allowed(), Marks()),
        (500, 900, Allowed(), Marks(500, 900)),
        (None, 1000, Allowed(), Marks(800, 1000)),
        (500, None, Allowed(), Marks(500, None)),
        (None, None, Allowed(max=1000), Marks(720, 900)),
        (None, None, Allowed(high=600, max=1000), Marks(540, 900)),
        (None, None, Allowed(high=600), Marks(540, None)),
        (None, None, Allowed(high=990, max=1000), Marks(720, 900)),
        (950, None, Allowed(max=1000), Marks(900, 900)),
        (0, 0, Allowed(high=600, max=1000), Marks()),
        (0, None, Allowed(max=1000), Marks(None, 900)),
        (500, 2000, Allowed(max=1000), Marks(500, 2000)),
    ],
)
def test_which_marks_apply(high: int, top: int, allowed: Allowed, marks: Marks) -> None:
    """What is configured, else a share of what the control group allows, else none; 0 is none."""
    assert resolve(high, top, allowed) == marks


def test_a_state_is_left_lower_than_it_is_entered() -> None:
    """What was above `high` is so until it is clearly below, and past `max` until below `high`."""
    marks = Marks(high=1000, max=2000)
    course = [
        (999, State.OK),
        (1000, State.HIGH),
        (950, State.HIGH),
        (899, State.OK),
        (950, State.OK),
        (2000, State.MAX),
        (1500, State.MAX),
        (1000, State.MAX),
        (950, State.HIGH),
        (1999, State.HIGH),
        (899, State.OK),
    ]
    state = State.OK
    for taken, expected in course:
        state = marks.judge(taken, state)
        assert state is expected, taken


def test_a_single_mark() -> None:
    """Either mark may be missing; past a lone `max` there is nothing to give back before."""
    assert Marks().judge(10**15, State.OK) is State.OK
    assert Marks(high=10).judge(10**15, State.OK) is State.HIGH
    lone = Marks(max=10)
    assert lone.judge(10, State.OK) is State.MAX
    assert lone.judge(9, State.MAX) is State.OK


@pytest.mark.parametrize(
    ("own", "above", "expected"),
    [
        ("150000 100000", "max 100000", 1.5),
        ("max 100000", "50000 100000", 0.5),
        ("max 100000", "max 100000", None),
        ("nonsense", "", None),
    ],
)
def test_processors_of_version_two(
    tmp_path: Path, own: str, above: str, expected: float | None
) -> None:
    """The smallest share of processor time from our group up to the root counts."""
    groups = Groups(tmp_path)
    groups.version(True, "/a/b")
    (groups.mount / "a" / "b").mkdir(parents=True)
    (groups.mount / "a" / "b" / "cpu.max").write_text(f"{own}\n")
    (groups.mount / "a" / "cpu.max").write_text(f"{above}\n")
    assert cgroup.processors(groups.proc) == expected


@pytest.mark.parametrize(("quota", "expected"), [(250_000, 2.5), (-1, None)])
def test_processors_of_version_one(tmp_path: Path, quota: int, expected: float | None) -> None:
    """Quota over period; a quota of -1 is no limit."""
    proc, mount = tmp_path / "proc", tmp_path / "cpu"
    proc.mkdir()
    mount.mkdir()
    (proc / "cgroup").write_text("4:memory:/m\n5:cpu,cpuacct:/\n")
    (proc / "mountinfo").write_text(f"35 31 0:32 / {mount} rw - cgroup none rw,cpu,cpuacct\n")
    (mount / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (mount / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup.processors(proc) == expected
    assert cgroup.processors(tmp_path / "nowhere") is None
