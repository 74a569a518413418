"""Room on the disk, and what is said when something of a backup fails."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingestd.errors import DiskFullError, StateError
from ingestd.space import FULL_BYTES, MIB
from ingestd.tables import as_told
from ingestd_state.engine import DatabaseError, FullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPARE_BYTES = 16 * MIB
"""Beside what is copied: nothing here takes the last of a disk."""
ROOM = "Make room there, or name a folder on another file system."


def free_bytes(root: Path) -> int:
    """What is free on the file system of a folder.

    Raises:
        OSError: it is not there.
    """
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


@contextmanager
def told(root: Path) -> Iterator[None]:
    """Say what failed as a person is told of it.

    Args:
        root: what is written to.

    Raises:
        DiskFullError: there is no space left.
        StateError: anything else that has to do with files and tables.
    """
    try:
        yield
    except FullError as error:
        raise DiskFullError(f"{root}: the disk is full", hint=ROOM) from error
    except DatabaseError as error:
        raise as_told(error) from error
    except OSError as error:
        if root.exists() and free_bytes(root) < FULL_BYTES:
            raise DiskFullError(f"{root}: the disk is full", hint=ROOM) from error
        raise StateError(f"{error.filename or root}: {error.strerror or error}") from error
