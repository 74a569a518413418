"""Puts a broken index out of Chroma's way, and keeps one copy of it for those who ask why.

Where space is short no copy is kept: a torn index may be of any size, and the new one needs room.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "set-aside"
"""Inside of Chroma's directory: a folder beside it may lie on another file system."""
WORK = "compacting"
"""Inside of it as well: what is being built to take the place of what is in use."""
OURS = frozenset({FOLDER, WORK})
"""Folders that Chroma knows nothing of."""
EVERYTHING = "everything"
DAY_S = 86_400
ROOM = 3
"""A copy is kept where this many times its size is free."""


def set_aside(directory: Path, segment: str) -> Path | None:
    """Move the folder of an index away; an older copy of it goes.

    Args:
        directory: Chroma's data, which nobody has open.
        segment: name of the folder.

    Returns:
        Where it is now; None when there was no such folder, or no room to keep it.

    Raises:
        StoreError: it cannot be moved.
    """
    return _moved(directory, [directory / segment], directory / FOLDER / segment, inside=False)


def set_all_aside(directory: Path) -> Path | None:
    """Move all of Chroma's data away; older copies go.

    Returns:
        Where it is now; None when there was nothing, or no room to keep it.

    Raises:
        StoreError: it cannot be moved.
    """
    # The database last: while it is there, a next start sees that this is not done.
    entries = sorted(
        (entry for entry in directory.iterdir() if entry.name not in OURS),
        key=lambda entry: (not entry.is_dir(), -len(entry.name)),
    )
    return _moved(directory, entries, directory / FOLDER / EVERYTHING, inside=True)


def forget_old(directory: Path, *, days: float) -> None:
    """Remove what was set aside longer ago.

    Raises:
        OSError: it cannot be removed.
    """
    folder = directory / FOLDER
    kept = list(folder.iterdir()) if folder.is_dir() else []
    for entry in kept:
        # The time of its last change of name: its own times are those of the index.
        if time.time() - entry.stat().st_ctime > days * DAY_S:
            shutil.rmtree(entry)


def remove_folders(directory: Path, names: Iterable[str]) -> None:
    """Remove the folders of indexes that belong to no collection.

    Raises:
        StoreError: one of them cannot be removed.
    """
    try:
        for name in names:
            shutil.rmtree(directory / name)
    except OSError as error:
        raise StoreError(f"cannot remove {error.filename}: {error.strerror}") from error


def _moved(directory: Path, entries: list[Path], target: Path, *, inside: bool) -> Path | None:
    there = [entry for entry in entries if entry.exists()]
    if not there:
        return None
    try:
        old = directory / FOLDER if inside else target
        if old.exists():
            shutil.rmtree(old)
        if sum(map(_size, there)) * ROOM > shutil.disk_usage(directory).free:
            _remove(there)
            return None
        (target if inside else target.parent).mkdir(parents=True, exist_ok=True)
        for entry in there:
            entry.rename(target / entry.name if inside else target)
    except OSError as error:
        raise StoreError(f"cannot set {error.filename} aside: {error.strerror}") from error
    return target


def _remove(entries: Iterable[Path]) -> None:
    for entry in entries:
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _size(entry: Path) -> int:
    """Bytes on disk: of a file, or of all files in a folder."""
    files = [entry]
    if entry.is_dir():
        files = [Path(folder, name) for folder, _, names in os.walk(entry) for name in names]
    return sum(file.stat().st_blocks * 512 for file in files)
