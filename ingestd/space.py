"""The free-disk watermark: below it nothing is written, so that no store sees a full disk.

A full disk costs Chroma its index: vectors that it acknowledged are lost. Waiting costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import DiskFullError

if TYPE_CHECKING:
    from pathlib import Path

    from .location import Location

FULL_BYTES = 1024**2
"""With less than this left, whatever failed failed for lack of space."""
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Space:
    """What must stay free, and where.

    Attributes:
        directories: on the file systems that are written to.
        free_bytes: what must stay free on each.
    """

    directories: tuple[Path, ...]
    free_bytes: int

    @classmethod
    def of(cls, location: Location, free_bytes: int) -> Space:
        """Watch over the state directory, and over Chroma's data where that is elsewhere."""
        return cls((location.state_dir, location.chroma_dir), free_bytes)

    def check(self) -> None:
        """See that enough is free.

        Raises:
            DiskFullError: it is not.
        """
        short = self._short(self.free_bytes)
        if short:
            directory, free = short
            raise DiskFullError(
                f"{free / MIB:,.0f} MiB are free in {directory}, and "
                f"{self.free_bytes / MIB:,.0f} MiB must stay free"
            )

    def is_full(self) -> bool:
        """Whether there is hardly a byte left."""
        return self._short(FULL_BYTES) is not None

    def _short(self, least: int) -> tuple[Path, int] | None:
        for directory in self.directories:
            try:
                found = os.statvfs(directory)
            except OSError:
                continue  # not there (yet): the first write tells
            free = found.f_bavail * found.f_frsize
            if free < least:
                return directory, free
        return None
