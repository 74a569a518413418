"""What becomes of one file in the hands of the reading child alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kinds import DEAD, INDEXED, SKIPPED

from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading.parts import Batch
from ingestd.errors import DocumentError

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.reading.pool import Pool

NO_TEXT = "no text"


def of_file(pool: Pool, path: Path) -> tuple[str, str]:
    """Have the child read a file; its state and the reason for it, as the daemon would say."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return of_descriptor(pool, fd, os.fsencode(path.name), path.stat().st_size)
    finally:
        os.close(fd)


def of_content(pool: Pool, name: str, content: bytes) -> tuple[str, str]:
    """The same for bytes."""
    fd = os.memfd_create("content", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(content)
        return of_descriptor(pool, fd, name.encode(), len(content))
    finally:
        os.close(fd)


def of_descriptor(pool: Pool, fd: int, name: bytes, size: int) -> tuple[str, str]:
    """The same for an open file."""
    chunks = 0
    try:
        for part in pool.cut(fd, name, size):
            chunks += len(part.chunks) if isinstance(part, Batch) else 0
    except SkipDocument as skip:
        return SKIPPED, f"{skip.reason}: {skip.detail}" if skip.detail else skip.reason
    except DocumentError as error:
        return DEAD, error.message
    return (INDEXED, "") if chunks else (SKIPPED, NO_TEXT)
