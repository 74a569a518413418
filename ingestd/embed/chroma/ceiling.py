"""The most that a file of the managed server may grow to.

A torn index can write for ever: one made a file of 11 GB. What grows in step with the data is
sound, and lifts the ceiling before it is reached.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from .aside import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST = 4 * 1024**3
GROWTH = 8
"""No file may grow to more than this many times the largest one."""
LOOK_S = 60.0
"""Between two looks at how large the database is; it grows by less than a gigabyte meanwhile."""


def impose(directory: Path) -> None:
    """Bound what this process writes, before it opens the files.

    Args:
        directory: Chroma's data, or the folder within in which an index is built beside.
    """
    within = (folder.parent for folder in directory.parents if folder.name in OURS)
    wanted = _above(max(_sizes(next(within, directory)), default=0))
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_allowed(wanted, hard), hard))
    # Python ignores it. An index that hit the bound is broken: end, and have it looked at.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def lift(pid: int, database: Path) -> None:
    """Lift the ceiling of a running server as its database grows.

    Of the files only the database counts, which no index outgrows while it is sound.
    """
    # It may have ended meanwhile, and no other system than Linux can do this to another process.
    with contextlib.suppress(OSError, AttributeError):
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        wanted = _allowed(_above(database.stat().st_size), hard)
        if wanted > soft:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (wanted, hard))


def _above(size: int) -> int:
    return max(LEAST, GROWTH * size)


def _allowed(limit: int, hard: int) -> int:
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


def _sizes(directory: Path) -> Iterator[int]:
    """Bytes of each of Chroma's files; not of a broken index that was set aside: it may be huge."""
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name not in OURS]
        for name in names:
            # Beside a Chroma that serves, its journals come and go.
            with contextlib.suppress(FileNotFoundError):
                yield Path(folder, name).stat().st_size
