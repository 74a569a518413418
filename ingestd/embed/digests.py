"""Digests of large files that seldom change: made once, and believed while the file is the same.

That it is the same, its place on the disk, its size and both its times say. The time of the last
change of its entry cannot be set back by whoever writes it: a file that was exchanged is noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SETTLED_S = 2.0
"""A file that changed less long ago may change again without its times showing it."""
_MOST = 64


def sha256(path: Path, book: Path | None = None) -> str:
    """Hex SHA-256 of a file.

    Args:
        path: the file; a link is followed.
        book: where digests are kept; None to read the file in any case.

    Raises:
        OSError: the file cannot be read. That the book cannot be is no failure.
    """
    with path.open("rb") as file:
        stamp = _stamp(file.fileno())
        known = _read(book) if book else {}
        entry = known.get(str(path))
        if isinstance(entry, list) and len(entry) == len(stamp) + 1 and entry[:-1] == stamp:
            return str(entry[-1])
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        unchanged = _stamp(file.fileno()) == stamp
    if book and unchanged and time.time_ns() - max(stamp[-2:]) > SETTLED_S * 1e9:
        known.pop(str(path), None)
        known[str(path)] = [*stamp, digest]
        _write(book, dict(list(known.items())[-_MOST:]))
    return digest


def _stamp(fd: int) -> list[int]:
    found = os.fstat(fd)
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(book: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(book.read_text("utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _write(book: Path, known: dict[str, Any]) -> None:
    fresh = book.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):  # the next start reads the file again
        book.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
        fresh.replace(book)
