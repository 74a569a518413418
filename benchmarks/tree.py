"""Where the files of a large folder lie, and a way to make very many quickly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES_A_DIRECTORY = 100
DIRECTORIES_A_PARENT = 50
FILES_A_VOLUME = FILES_A_DIRECTORY * DIRECTORIES_A_PARENT * DIRECTORIES_A_PARENT


def directory(number: int) -> str:
    """The directory of a file by its number: none holds more than a hundred entries.

    Up to a quarter of a million files lie two directories deep, the others three.
    """
    chapter = number // FILES_A_DIRECTORY
    inner = f"part{chapter // DIRECTORIES_A_PARENT:03}/chapter{chapter:05}"
    volume = number // FILES_A_VOLUME
    return f"volume{volume:02}/{inner}" if volume else inner


def grow(root: Path, files: int) -> int:
    """Make ``files`` empty Markdown files.

    A reconcile looks at names, sizes and times, never into a file.

    Returns:
        The number of directories, the root not counted.
    """
    made: set[str] = set()
    for first in range(0, files, FILES_A_DIRECTORY):
        chapter = root / directory(first)
        chapter.mkdir(parents=True)
        made.update(directory(first)[:end] for end in _ends(directory(first)))
        for file in range(min(FILES_A_DIRECTORY, files - first)):
            name = chapter / f"document-{file:03}.md"
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644))
    return len(made)


def _ends(path: str) -> list[int]:
    """Where a path and each of its parents end."""
    return [place for place, letter in enumerate(path) if letter == "/"] + [len(path)]
