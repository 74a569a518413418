"""Locks on files: one instance a state directory, one process a Chroma directory.

The lock is an ``flock``, so it ends with its holder, however that ends. The file tells who holds
it. A child that inherits the descriptor keeps the lock as long as it lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock.

    Attributes:
        pid: process id.
        host: name of the machine.
        since: Unix seconds.
        verb: what it runs as, such as ``run``.
        store_url: address of the Chroma server it offers; empty when there is none.
        sources: the folders it watches, for people.
        page_url: address of its page; empty when there is none.
    """

    pid: int
    host: str
    since: float
    verb: str = ""
    store_url: str = ""
    sources: tuple[str, ...] = field(default=())
    page_url: str = ""

    @classmethod
    def me(cls, verb: str, *, store_url: str = "", sources: tuple[str, ...] = ()) -> Owner:
        """This process."""
        return cls(os.getpid(), socket.gethostname(), time.time(), verb, store_url, sources)

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        watching = f", on {', '.join(self.sources)}" if self.sources else ""
        return f"process {self.pid} on {self.host} (`ingestd {self.verb}`, since {since}{watching})"


class LockHeldError(Exception):
    """Somebody else holds the lock; ``owner`` is who, as far as is known."""

    def __init__(self, path: Path, owner: Owner | None) -> None:
        super().__init__(f"{path} is held by {owner or 'another process'}")
        self.owner = owner


class FileLock:
    """An exclusive lock with a record of its holder; a context manager once it is acquired.

    Attributes:
        owner: the record that was left last; None before the lock is acquired.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner: Owner | None = None
        self._fd: int | None = None

    def acquire(self, owner: Owner, *, wait_s: float = 1.0) -> Self:
        """Take the lock.

        Args:
            owner: the record to leave for others.
            wait_s: how long to try; a moment is always needed, because looking at a lock holds it.

        Raises:
            LockHeldError: somebody else has it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_s
        while not _try_lock(fd):
            if time.monotonic() >= deadline:
                record = _read(fd)
                os.close(fd)
                raise LockHeldError(self.path, record)
            time.sleep(0.05)
        self._fd = fd
        self.record(owner)
        return self

    def record(self, owner: Owner) -> None:
        """Leave a new record; only for the holder."""
        data = json.dumps(asdict(owner)).encode()
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), data, 0)
        self.owner = owner

    def fileno(self) -> int:
        """The descriptor, to hand to a child that shall keep the lock."""
        if self._fd is None:
            message = f"{self.path} is not locked"
            raise RuntimeError(message)
        return self._fd

    def release(self) -> None:
        """Give the lock back; children that inherited it keep it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def holder(path: Path) -> Owner | None:
    """Who holds the lock at ``path`` now; None when nobody does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(fd) or Owner(0, "", 0.0, "?")
        return None
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(fd: int) -> Owner | None:
    try:
        values = json.loads(os.pread(fd, 65_536, 0))
        values["sources"] = tuple(values["sources"])
        return Owner(**values)
    except (ValueError, TypeError, KeyError):
        return None  # its holder is just about to write it
