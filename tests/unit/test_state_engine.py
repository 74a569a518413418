"""Connections: one writer at a time, readers that never wait, and one kind of error."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

import ingestd_state
from ingestd_state import engine
from ingestd_state.engine import DamagedError, Database, DatabaseError, FullError

STATE = Path(ingestd_state.__file__).parents[1]

COUNT = """
import sys
from sqlalchemy import text
from ingestd_state.engine import Database
database = Database(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with database.write() as connection:
        value = connection.execute(text("SELECT value FROM counter")).scalar_one()
        connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})
"""

FIRST_OPEN = """
import sys
from ingestd_state import documents, migrate
from ingestd_state.engine import Database
database = Database(sys.argv[1])
migrate.upgrade(database)
with database.read() as connection:
    assert documents.counts(connection)["pending"] == 0
database.close()
"""


def together(script: str, *arguments: str, processes: int = 3) -> None:
    """Run a script in several processes at once; each must end well."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, "PYTHONPATH": str(STATE)},
            stderr=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()


@pytest.fixture
def counter(tmp_path: Path) -> Database:
    """A database with one number in it: 0."""
    database = Database(f"sqlite:///{tmp_path / 'counter.db'}")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    return database


def value(database: Database) -> int:
    """The number."""
    with database.read() as connection:
        number: int = connection.execute(text("SELECT value FROM counter")).scalar_one()
    return number


def test_concurrent_writers_lose_no_update(counter: Database) -> None:
    """Three processes that read and then write the same row 100 times each add up to 300."""
    together(COUNT, counter.url, "100")
    assert value(counter) == 300


def test_threads_write_one_after_the_other(counter: Database) -> None:
    """Writers in threads of one process lose no update either."""

    def add(_: int) -> None:
        with counter.write() as connection:
            old = connection.execute(text("SELECT value FROM counter")).scalar_one()
            connection.execute(text("UPDATE counter SET value = :new"), {"new": old + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(100)))
    assert value(counter) == 100


def test_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    """Three processes that start on an empty directory all find a migrated database."""
    together(FIRST_OPEN, f"sqlite:///{tmp_path / 'state.db'}")


def test_a_reader_does_not_wait_for_a_writer(counter: Database) -> None:
    """While a write transaction is open, readers see what was committed before, at once."""
    with ThreadPoolExecutor(1) as pool:
        with counter.write() as connection:
            connection.execute(text("UPDATE counter SET value = 7"))
            assert pool.submit(value, counter).result(timeout=2) == 0
        assert value(counter) == 7


def test_a_read_transaction_sees_one_state(counter: Database) -> None:
    """What is committed while a reader reads does not show in its transaction."""
    with counter.read() as reading:
        before = reading.execute(text("SELECT value FROM counter")).scalar_one()
        with counter.write() as connection:
            connection.execute(text("UPDATE counter SET value = 7"))
        assert reading.execute(text("SELECT value FROM counter")).scalar_one() == before
    assert value(counter) == 7


def test_a_writer_waits_for_another(counter: Database) -> None:
    """A second write transaction begins when the first one has ended."""
    begun = threading.Event()

    def write() -> None:
        with counter.write() as connection:
            begun.set()
            connection.execute(text("UPDATE counter SET value = value * 10"))

    with ThreadPoolExecutor(1) as pool:
        with counter.write() as connection:
            second = pool.submit(write)
            assert not begun.wait(0.1)
            connection.execute(text("UPDATE counter SET value = 1"))
        second.result(timeout=5)
    assert value(counter) == 10


def test_a_write_transaction_has_the_database_from_its_first_moment(counter: Database) -> None:
    """Also a program that knows nothing of our lock cannot write between a read and its write."""
    stranger = sqlite3.connect(counter.url.removeprefix("sqlite:///"), timeout=0)
    with counter.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        stranger.execute("UPDATE counter SET value = 9")
    stranger.close()


def test_an_exception_rolls_back(counter: Database) -> None:
    """A write transaction that ends in an exception leaves nothing behind, and no lock."""

    def fail() -> None:
        with counter.write() as connection:
            connection.execute(text("UPDATE counter SET value = 7"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert value(counter) == 0
    with counter.write() as connection:
        connection.execute(text("UPDATE counter SET value = 8"))
    assert value(counter) == 8


def test_a_wrong_statement_is_a_database_error(counter: Database) -> None:
    """Whatever the driver raises inside a transaction comes out as DatabaseError."""
    with pytest.raises(DatabaseError, match="no such table"), counter.write() as connection:
        connection.execute(text("UPDATE elsewhere SET value = 7"))


@pytest.mark.parametrize("part", ["header", "page"])
def test_a_damaged_file_is_a_database_error(counter: Database, part: str) -> None:
    """A file that is no database, or is one with a broken page, is told as DatabaseError."""
    counter.checkpoint()
    counter.close()
    path = Path(counter.url.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    start = 0 if part == "header" else 4096
    data[start : start + 100] = bytes(byte ^ 0xFF for byte in data[start : start + 100])
    path.write_bytes(data)
    damaged = Database(counter.url)
    with pytest.raises(DamagedError) as caught:
        value(damaged)
    assert caught.value.url == counter.url


def test_a_writer_does_not_wait_for_ever(
    counter: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that keeps our lock is told as DatabaseError in the end; nothing was written."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 200)
    assert counter.file
    with Path(f"{counter.file}.lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DatabaseError, match="another process"), counter.write():
            pass
        fcntl.flock(other, fcntl.LOCK_UN)
        with counter.write() as connection:
            connection.execute(text("UPDATE counter SET value = 1"))
    assert value(counter) == 1


def test_a_stranger_who_keeps_sqlites_lock_is_told(
    counter: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is a program that knows nothing of our lock and never ends its transaction."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 200)
    assert counter.file
    ours = Database(counter.url)
    stranger = sqlite3.connect(counter.file, isolation_level=None)
    stranger.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="locked"), ours.write():
        pass
    assert value(ours) == 0, "readers go on"
    stranger.execute("ROLLBACK")
    with ours.write() as connection:
        connection.execute(text("UPDATE counter SET value = 1"))
    assert value(ours) == 1
    stranger.close()
    ours.close()


def test_closing_does_not_wait_for_ever(counter: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop goes through although another process keeps the lock."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    with Path(f"{counter.file}.lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        counter.close()


def test_a_full_file_system_is_a_full_error(counter: Database) -> None:
    """When SQLite finds no room, the error says so; what was there before is still there."""
    with counter.write() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    def fill() -> None:
        with counter.write() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            connection.execute(text("CREATE TABLE big AS SELECT randomblob(100000) AS data"))

    with pytest.raises(FullError):
        fill()
    assert value(counter) == 0


def test_a_database_that_is_set_aside_begins_anew(counter: Database) -> None:
    """The file is kept under another name, once; the same object writes a new one."""
    for number in (1, 2):
        with counter.write() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS counter (value INTEGER)"))
            connection.execute(text("DELETE FROM counter"))
            connection.execute(text("INSERT INTO counter VALUES (:n)"), {"n": number})
        counter.checkpoint()
        aside = counter.set_aside()
        assert aside == Path(f"{counter.file}.damaged")
        assert value(Database(f"sqlite:///{aside}")) == number
    with pytest.raises(DatabaseError, match="no such table"):
        value(counter)
    assert Database("sqlite://").set_aside() is None


def test_setting_aside_what_is_not_there_does_nothing(counter: Database) -> None:
    """A file that somebody deleted needs no moving."""
    assert counter.file
    counter.close()
    counter.file.unlink()
    assert counter.set_aside() is None


def test_a_folder_that_is_not_there_is_a_database_error(tmp_path: Path) -> None:
    """Reading and writing below a missing folder are both told as DatabaseError."""
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'state.db'}")
    with pytest.raises(DatabaseError), database.read():
        pass
    with pytest.raises(DatabaseError, match="missing"), database.write():
        pass


@pytest.mark.parametrize("url", ["nonsense", "nosuchdialect://host/name", ""])
def test_a_url_that_means_nothing_is_a_database_error(url: str) -> None:
    """A wrong URL in the configuration is told, not thrown at the user as a traceback."""
    with pytest.raises(DatabaseError):
        Database(url)


def test_a_password_is_not_shown(counter: Database) -> None:
    """The URL that messages show has no password in it."""
    with pytest.raises(DatabaseError) as caught:
        Database("nosuchdialect://user:secret@host/name")
    assert "secret" not in str(caught.value)
    assert counter.url.startswith("sqlite:///")


def test_a_checkpoint_empties_the_log(counter: Database) -> None:
    """After a checkpoint everything is in the database file itself."""
    with counter.write() as connection:
        connection.execute(text("UPDATE counter SET value = 7"))
    counter.checkpoint()
    log = Path(counter.url.removeprefix("sqlite:///") + "-wal")
    assert log.stat().st_size == 0
    assert value(counter) == 7


def test_foreign_keys_hold(database: Database) -> None:
    """A document without a source is refused: SQLite does not check this by itself."""
    with pytest.raises(DatabaseError, match="FOREIGN KEY"), database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO documents (id, source_id, path, directory, status, changed_at)"
                " VALUES ('x', 99, x'61', x'', 'pending', 0)"
            )
        )
