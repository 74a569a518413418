"""Makes a folder with very many files, quickly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES_A_DIRECTORY = 100
DIRECTORIES_A_PARENT = 50


def grow(root: Path, files: int) -> int:
    """Make ``files`` empty Markdown files, two directories deep.

    A reconcile looks at names, sizes and times, never into a file.

    Returns:
        The number of directories, the root not counted.
    """
    directories = -(-files // FILES_A_DIRECTORY)
    parents = -(-directories // DIRECTORIES_A_PARENT)
    for number in range(directories):
        directory = root / f"part{number // DIRECTORIES_A_PARENT:03}" / f"chapter{number:05}"
        directory.mkdir(parents=True)
        left = files - number * FILES_A_DIRECTORY
        for file in range(min(FILES_A_DIRECTORY, left)):
            name = directory / f"document-{file:03}.md"
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644))
    return directories + parents
