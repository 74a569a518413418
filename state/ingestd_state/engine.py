"""Opens databases and hands out connections: many readers, one writer at a time.

SQLite up to 3.51.2 can damage a database when two connections write or checkpoint at the same
moment, and Debian 12 ships such a version. So every write transaction, of the daemon and of each
command, holds an exclusive ``flock`` on a file beside the database; a checkpoint happens inside a
commit, hence inside the lock. The decision is recorded in ``docs/decisions``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
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
"""How long a writer waits for others, at SQLite's lock and at ours."""
POLL_S = 0.005
LOGS = ("-wal", "-shm")
"""What SQLite keeps beside a database file: without it, the file is not the database."""
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DatabaseError(Exception):
    """The database cannot be opened, read or written; the message says which and why."""


class NewerSchemaError(DatabaseError):
    """The database was written by a newer version of the program."""


class FullError(DatabaseError):
    """No space is left where the database lies; nothing was written."""


class DamagedError(DatabaseError):
    """The file is no database, or has a broken page; waiting does not help.

    Attributes:
        url: of the database.
    """

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class Database:
    """One database: read transactions, and write transactions one at a time."""

    def __init__(self, url: str) -> None:
        self._thread_lock = threading.RLock()
        self._lock_fd: int | None = None
        try:
            self.url = make_url(url).render_as_string(hide_password=True)
            self.file = _file(url)
            self.engine = _engine(url)
        except Exception as error:
            raise DatabaseError(f"cannot open the database: {error}") from error
        self._lock_path = self.file and Path(f"{self.file}.lock")
        self._reader = self.engine.execution_options(read_only=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: a consistent view that never waits for a writer.

        Raises:
            DatabaseError: the database cannot be read.
        """
        with translated(self.url), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back on an exception.

        Raises:
            DatabaseError: the database cannot be written; nothing was.
        """
        with translated(self.url), self._exclusive(), self.engine.begin() as connection:
            yield connection

    def create(self, metadata: MetaData) -> None:
        """Create missing tables; for databases that have no migrations."""
        with self.write() as connection:
            metadata.create_all(connection)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database and cut it to nothing (SQLite only).

        Raises:
            DatabaseError: the database cannot be written.
        """
        if self.engine.dialect.name == "sqlite":
            with translated(self.url), self._exclusive(), self.engine.connect() as connection:
                raw: Any = connection.connection.driver_connection
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def set_aside(self) -> Path | None:
        """Move a damaged file out of the way; what is written next begins a new one (SQLite only).

        Returns:
            Where the damaged file is now; one that was set aside before is gone. None when there
            was none.

        Raises:
            DatabaseError: it cannot be moved.
        """
        if self.file is None:
            return None
        aside = Path(f"{self.file}.damaged")
        with self._exclusive():
            self.engine.dispose()
            try:
                for end in LOGS:
                    Path(f"{self.file}{end}").unlink(missing_ok=True)
                self.file.replace(aside)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise DatabaseError(f"{error.filename}: {error.strerror}") from error
        return aside

    def close(self) -> None:
        """Close all connections and the lock file; the process ends soon when another is stuck."""
        # The last connection that is closed writes a checkpoint: never without the lock.
        with contextlib.suppress(DatabaseError), self._exclusive():
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
                _flock(self._lock_fd, BUSY_TIMEOUT_MS / 1000)
            except BlockingIOError as error:
                wait_s = BUSY_TIMEOUT_MS // 1000
                message = f"{self.url}: another process has been writing for {wait_s} s"
                raise DatabaseError(message) from error
            except OSError as error:
                raise DatabaseError(f"{self._lock_path}: {error.strerror}") from error
            try:
                yield
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)


def _flock(fd: int, wait_s: float) -> None:
    """Lock a file exclusively; raises `BlockingIOError` when it is not to be had in time."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Asking again and again, because a wait in the kernel has no end.
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def _file(url: str) -> Path | None:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


CACHED_STATEMENTS = 16
"""Prepared statements that a connection to SQLite keeps. Each length of a list of values is another
statement, and long ones are large: the driver's 128 add up to tens of megabytes over days."""


def _engine(url: str) -> Engine:
    sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = create_engine(
        url, connect_args={"cached_statements": CACHED_STATEMENTS} if sqlite else {}
    )
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
def translated(url: str) -> Iterator[None]:
    """Turn the errors of the driver into ours.

    Raises:
        DatabaseError: the message says of which database, and why.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise _kind_of(cause, url) from error


def _kind_of(cause: BaseException | None, url: str) -> DatabaseError:
    """The error of ours for one of the driver's."""
    message = f"{url}: {cause}"
    # The lower byte is the kind; the rest, which place in SQLite found it.
    number = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if number in DAMAGED:
        return DamagedError(message, url)
    return FullError(message) if number == sqlite3.SQLITE_FULL else DatabaseError(message)
