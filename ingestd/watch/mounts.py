"""What is mounted where: which roots tell of no change, and whether the mounts have changed.

The kernel's events do not cross a network: what another machine writes to a share makes none here.
And a mount that comes later is not watched, nor is the end of a bind mount told.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNTS = Path("/proc/self/mountinfo")

SILENT = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "lustre"),
        *("ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf"),
        *("virtiofs", "vmhgfs"),
    }
)
"""File systems that others change without an event here."""

_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table.

    Attributes:
        id: the kernel's number of it; a mount made anew has another.
        path: where it is.
        kind: the type of its file system, such as ``ext4`` or ``fuse.sshfs``.
    """

    id: int
    path: bytes
    kind: str

    @property
    def silent(self) -> bool:
        """Whether its files change without an event."""
        return self.kind in SILENT or self.kind.startswith("fuse.")


def table(text: bytes | None = None) -> list[Mount]:
    """The mounts that this process sees, in the order in which they were made.

    Args:
        text: a mount table, as the kernel writes it; default: the one of this process.

    Returns:
        The mounts; none where the kernel does not tell.
    """
    if text is None:
        try:
            text = MOUNTS.read_bytes()
        except OSError:
            return []
    return [mount for line in text.splitlines() if (mount := _mount(line))]


def _mount(line: bytes) -> Mount | None:
    fields = line.split(b" ")
    try:
        kind = fields[fields.index(b"-", 6) + 1].decode("ascii", "replace")
        path = _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), fields[4])
        return Mount(int(fields[0]), path, kind)
    except (ValueError, IndexError):
        return None


def around(path: bytes, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that a path is on."""
    best: Mount | None = None
    for mount in mounts:
        # Of two at one place the later one hides the other.
        if _holds(mount.path, path) and (best is None or len(mount.path) >= len(best.path)):
            best = mount
    return best


def inside(path: bytes, mounts: Iterable[Mount]) -> frozenset[Mount]:
    """The mounts strictly below a path."""
    return frozenset(mount for mount in mounts if mount.path != path and _holds(path, mount.path))


def _holds(top: bytes, path: bytes) -> bool:
    return path == top or path.startswith(top.rstrip(b"/") + b"/")


def why_silent(root: bytes, mounts: Iterable[Mount]) -> str:
    """Why nothing, or not everything, is told of a root; empty when the kernel tells all.

    Args:
        root: a real path.
        mounts: the mount table.
    """
    listed = list(mounts)
    here = around(root, listed)
    if here is not None and here.silent:
        return f"{here.kind} tells of no change"
    for mount in sorted(inside(root, listed), key=lambda mount: mount.path):
        if mount.silent:
            return f"{mount.kind} at {mount.path.decode('utf-8', 'replace')} tells of no change"
    return ""


class MountWatch:
    """Tells when the mount table changes: `fileno` becomes readable, once for each change."""

    def __init__(self) -> None:
        self._table = os.open(MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
        # The table itself is always readable; within a set of its own, only changes count.
        self._poll = select.epoll()
        self._poll.register(self._table, select.EPOLLPRI | select.EPOLLERR)
        self._poll.poll(0)

    def fileno(self) -> int:
        """A descriptor for an event loop; that it was readable is all there is to know."""
        return self._poll.fileno()

    def close(self) -> None:
        """Give back the descriptors; may be called twice."""
        self._poll.close()
        with contextlib.suppress(OSError):
            os.close(self._table)
