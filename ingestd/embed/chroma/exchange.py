"""Puts what was built beside in place of what is in use, while nobody has Chroma's directory open.

Each index is exchanged on its own, and each is right for the database as it is and as it will be:
Chroma carries out again what its log has beyond an index, and to carry it out twice changes
nothing. So it does not matter between which two steps a process dies.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from typing import TYPE_CHECKING

from ingestd.errors import StoreError
from ingestd_state import failpoint

from .aside import WORK
from .health import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
NEW = "new"
"""Folder in the workplace for what is whole and waits to be put in place."""
OLD = "old"
"""Folder for what was in place, where the system cannot exchange two names at once."""


def workplace(directory: Path) -> Path:
    """Make the folder in which to build, empty.

    Args:
        directory: Chroma's data. The folder is inside, so that it is on the same file system.

    Raises:
        StoreError: it cannot be made.
    """
    settle(directory)
    folder = directory / WORK
    try:
        for part in (NEW, OLD):
            (folder / part).mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"cannot make {error.filename}: {error.strerror}") from error
    return folder


def settle(directory: Path) -> bool:
    """Remove what a compaction left that broke off; whether there was anything.

    Raises:
        StoreError: it cannot be removed.
    """
    folder = directory / WORK
    if not folder.exists():
        return False
    try:
        # Where two names cannot be exchanged at once, one may be gone and the other not there yet.
        for old in sorted((folder / OLD).glob("*")):
            place, new = directory / old.name, folder / NEW / old.name
            if not place.exists():
                (new if new.exists() else old).rename(place)
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(f"cannot remove {error.filename}: {error.strerror}") from error
    return True


def put_in_place(directory: Path, segments: Iterable[str], *, database: bool) -> None:
    """Exchange indexes, and then the database. Quick: names change, and nothing is copied.

    Args:
        directory: Chroma's data, which nobody has open.
        segments: names of the folders of the indexes; one that was not built has no vectors.
        database: whether there is a new database, too.

    Raises:
        StoreError: it cannot be done; what is exchanged by then may stay.
    """
    folder = directory / WORK
    try:
        for segment in segments:
            place, new = directory / segment, folder / NEW / segment
            if new.exists() and place.exists():
                exchange(new, place, folder / OLD / segment)
            elif new.exists():
                new.rename(place)
            elif place.exists():
                place.rename(folder / f"{segment}.empty")
            failpoint.reached("compact.index")
        if database:
            (folder / NEW / DATABASE).replace(directory / DATABASE)
        _sync(directory)
    except OSError as error:
        raise StoreError(f"cannot put {error.filename} in place: {error.strerror}") from error


def exchange(new: Path, place: Path, old: Path) -> None:
    """Exchange two folders.

    Where the system cannot do that at once, ``place`` is missing for a moment: `settle` mends what
    a crash leaves then.

    Args:
        new: is at ``place`` after it.
        place: is at ``new`` or at ``old`` after it.
        old: a free name.
    """
    if not _exchanged(new, place):
        place.rename(old)
        new.rename(place)


def sync_all(directory: Path) -> None:
    """Have a folder and all that is in it written to the disk, before its name counts.

    Raises:
        OSError: it cannot be.
    """
    for folder, _, files in os.walk(directory):
        for name in (*files, "."):
            _sync(os.path.join(folder, name))


def _sync(path: Path | str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system exchanged two names at once."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(one), os.fsencode(other))
    return bool(rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)
