"""Remembers that Chroma's directory was closed in order, and what its files were like then."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from .aside import OURS

if TYPE_CHECKING:
    from pathlib import Path

NAME = "closed-in-order.json"


def record(directory: Path) -> None:
    """Leave a note that nobody died with the directory open; a convenience, so it may fail."""
    with contextlib.suppress(OSError):
        (directory / NAME).write_text(json.dumps(_files(directory)), encoding="utf-8")


def matches(directory: Path) -> bool:
    """Whether the directory is as it was when it was closed in order."""
    try:
        noted = json.loads((directory / NAME).read_bytes())
        return bool(noted == _files(directory))
    except (OSError, ValueError):
        return False


def forget(directory: Path) -> None:
    """Remove the note: somebody is about to open the directory."""
    with contextlib.suppress(FileNotFoundError):
        (directory / NAME).unlink()


def _files(directory: Path) -> dict[str, list[int]]:
    """Size and time of every file of Chroma's, by name."""
    found = {}
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in OURS]
        for file in files:
            path = os.path.join(folder, file)
            stat = os.stat(path)  # noqa: PTH116 - as os.walk gives it
            if file != NAME:
                found[os.path.relpath(path, directory)] = [stat.st_size, stat.st_mtime_ns]
    return found
