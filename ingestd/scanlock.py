"""One scan of a source at a time, in whatever process: the lock file beside the state table.

A scan marks what is missing bit by bit, and only its end knows how much it is. So nobody may decide
about deletions of a source while a scan of it is half done. The lock is an ``flock``: it ends with
its holder, however that ends. It is always taken before the state table's own lock, never inside a
transaction.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd_state.engine import Database

POLL_S = 0.05


class ScanBusyError(StateError):
    """Another scan of the source goes on and on."""

    hint = "Another process compares this source with the disk; wait for it, or end it."


class ScanLock:
    """The lock of one source's scans.

    Args:
        database: the state table. Where it is no file of ours, only the threads of this process
            are kept apart.
        source_id: the source.
    """

    _of_threads: dict[tuple[str, int], threading.Lock] = {}  # noqa: RUF012 - shared on purpose
    _guard = threading.Lock()

    def __init__(self, database: Database, source_id: int) -> None:
        self._path = _path(database, source_id)
        with self._guard:
            key = (database.url, source_id)
            self._threads = self._of_threads.setdefault(key, threading.Lock())

    @contextmanager
    def held(self, wait_s: float, stopped: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Hold the lock, if it can be had in time.

        Args:
            wait_s: how long to try; 0 for one try.
            stopped: asked while waiting: whether to give up.

        Yields:
            Whether it is held.

        Raises:
            StateError: the lock file cannot be opened.
        """
        deadline = time.monotonic() + wait_s
        if not self._threads.acquire(timeout=wait_s):
            yield False
            return
        try:
            fd = self._open()
            try:
                yield fd is None or _lock(fd, deadline, stopped)
            finally:
                if fd is not None:
                    os.close(fd)
        finally:
            self._threads.release()

    def _open(self) -> int | None:
        if self._path is None:
            return None
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error


def _lock(fd: int, deadline: float, stopped: Callable[[], bool]) -> bool:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if stopped() or time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        else:
            return True


def _path(database: Database, source_id: int) -> Path | None:
    file = database.engine.url.database
    if database.engine.dialect.name != "sqlite" or not file or file == ":memory:":
        return None
    return Path(file).with_name(f"scan-{source_id}.lock")
