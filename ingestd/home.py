"""Sees to it that the state directory is still the one that the daemon opened.

Files that are deleted while they are open go on taking writes, and everything written to them is
lost at the end. So a daemon whose state was deleted, moved or replaced must end, and say so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

LOOK_S = 1.0


class Home:
    """Files that must stay in their places as long as the daemon runs.

    Args:
        files: of the state directory; all must be there now.

    Raises:
        StateError: one of them is not.
    """

    def __init__(self, *files: Path) -> None:
        self._files = {file: _identity(file) for file in files}
        self._check(None in self._files.values())

    def gone(self) -> bool:
        """Whether one of them was deleted, moved or replaced."""
        return any(_identity(file) != was for file, was in self._files.items())

    async def keep(self) -> None:
        """Look every second, until cancelled.

        Raises:
            StateError: one of them was deleted, moved or replaced.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            self._check(await asyncio.to_thread(self.gone))

    def _check(self, gone: bool) -> None:  # noqa: FBT001 - what it checks
        if gone:
            names = ", ".join(str(file) for file in self._files)
            raise StateError(
                f"deleted, moved or replaced under the running daemon: one of {names}",
                hint="Put it back from a backup, or just start ingestd again: it reads the "
                "folders anew.",
            )


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
