"""Opens databases and hands out connections: many readers, one writer at a time.

SQLite up to 3.51.2 can damage a database when two connections write or checkpoint at the same
moment, and Debian 12 ships such a version. So every write transaction, of the daemon and of each
command, holds an exclusive ``flock`` on a file beside the database; a checkpoint happens inside a
commit, hence inside the lock. The decision is recorded in ``docs/decisions``.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, MetaData

BUSY_TIMEOUT_MS = 5_000


class DatabaseError(Exception):
    """The database cannot be opened, read or written; the message says which and why."""


class NewerSchemaError(DatabaseError):
    """The database was written by a newer version of the program."""


class Database:
    """One database: read transactions, and write transactions one at a time."""

    def __init__(self, url: str) -> None:
        self._thread_lock = threading.RLock()
        self._lock_fd: int | None = None
        try:
            self.url = make_url(url).render_as_string(hide_password=True)
            self._lock_path = _lock_path(url)
            self.engine = _engine(url)
        except Exception as error:
            raise DatabaseError(f"cannot open the database: {error}") from error
        self._reader = self.engine.execution_options(read_only=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: a consistent view that never waits for a writer.

        Raises:
            DatabaseError: the database cannot be read.
        """
        with _translated(self.url), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back on an exception.

        Raises:
            DatabaseError: the database cannot be written; nothing was.
        """
        with _translated(self.url), self._exclusive(), self.engine.begin() as connection:
            yield connection

    def create(self, metadata: MetaData) -> None:
        """Create missing tables; for databases that have no migrations."""
        with self.write() as connection:
            metadata.create_all(connection)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database and cut it to nothing (SQLite only)."""
        if self.engine.dialect.name == "sqlite":
            with self._exclusive(), self.engine.connect() as connection:
                raw: Any = connection.connection.driver_connection
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections and the lock file."""
        with self._exclusive():
            self.engine.dispose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Be the only writer, among the threads of this process and among processes."""
        with self._thread_lock:
            if self._lock_path is None:
                yield
                return
            try:
                if self._lock_fd is None:
                    self._lock_fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            except OSError as error:
                raise DatabaseError(f"{self._lock_path}: {error.strerror}") from error
            try:
                yield
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)


def _lock_path(url: str) -> Path | None:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database + ".lock")


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: its default loses updates silently.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"{url}: {error.orig}") from error
