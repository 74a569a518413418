"""The mount table: what tells of no change, what is mounted below, and that a change is told."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from ingestd.watch import mounts
from ingestd.watch.mounts import Mount, MountWatch

if TYPE_CHECKING:
    from pathlib import Path

TABLE = rb"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 259:0 / / rw,relatime shared:1 - ext4 /dev/root rw
31 27 0:30 / /home/me/share rw shared:2 master:1 - nfs4 server:/x rw
32 27 0:31 / /home/me/a\040b rw - fuse.sshfs me@there: rw
33 27 0:32 / /home/me/disk rw - fuseblk /dev/sdb1 rw
34 31 0:33 / /home/me/share/in rw - tmpfs none rw
35 27 0:34 / /home/me/disk rw - ext4 /dev/sdc1 rw
not a line
"""


@pytest.fixture
def table() -> list[Mount]:
    """A table with network mounts, a name with a blank, and two mounts at one place."""
    return mounts.table(TABLE)


def test_lines(table: list[Mount]) -> None:
    """Each line gives id, place and kind; a blank in a name is a blank; junk is passed over."""
    assert len(table) == 7
    assert table[3] == Mount(32, b"/home/me/a b", "fuse.sshfs")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/", "ext4"),
        (b"/home/me", "ext4"),
        (b"/home/me/share/x", "nfs4"),
        (b"/home/me/share-not", "ext4"),
        (b"/home/me/share/in/x", "tmpfs"),
        (b"/home/me/disk", "ext4"),
    ],
)
def test_around(table: list[Mount], path: bytes, kind: str) -> None:
    """The mount of a path is the innermost one, and of two at one place the later one."""
    found = mounts.around(path, table)
    assert found is not None
    assert found.kind == kind


def test_inside(table: list[Mount]) -> None:
    """Only what is strictly below a path is inside it."""
    assert {mount.id for mount in mounts.inside(b"/home/me/share", table)} == {34}
    assert {mount.id for mount in mounts.inside(b"/home/me", table)} == {31, 32, 33, 34, 35}


@pytest.mark.parametrize(
    ("root", "why"),
    [
        (b"/home/me/share/docs", "nfs4 tells of no change"),
        (b"/home/me/share/in", ""),
        (b"/home/me/disk", ""),
        (b"/srv", ""),
        (b"/home/me", "fuse.sshfs at /home/me/a b tells of no change"),
    ],
)
def test_why_silent(table: list[Mount], root: bytes, why: str) -> None:
    """A network file system is silent, and so is one that lies inside; a local one is not."""
    assert mounts.why_silent(root, table) == why


def test_our_own_table() -> None:
    """The real table has the root in it."""
    assert mounts.around(b"/", mounts.table()) is not None


async def test_a_change_is_told(tmp_path: Path) -> None:
    """An event loop hears of a mount and of its end, and sleeps in between."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    heard: list[int] = []
    told = asyncio.Event()
    watch = MountWatch()
    loop = asyncio.get_running_loop()
    loop.add_reader(watch.fileno(), lambda: (heard.append(1), told.set()))
    try:
        done = await _run("mount", "-t", "tmpfs", "none", str(tmp_path))
        if done:
            pytest.skip("mounting is not allowed here")
        await asyncio.wait_for(told.wait(), 10)
        told.clear()
        await _run("umount", str(tmp_path))
        await asyncio.wait_for(told.wait(), 10)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(heard) <= 4  # another test may mount something at this moment
    finally:
        loop.remove_reader(watch.fileno())
        watch.close()


async def _run(*command: str) -> int:
    """Run a program; its exit status."""
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait()
