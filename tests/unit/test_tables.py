"""Opening the tables: damage, and what is said about it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ingestd.errors import DiskFullError, StateError
from ingestd.location import Location
from ingestd.tables import StateDamagedError, as_told, open_state, remake_cache
from ingestd_state import documents, vectors
from ingestd_state.engine import DamagedError, Database, FullError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "m"


@pytest.fixture
def location(tmp_path: Path) -> Location:
    """An instance with tables: one cached embedding, nothing indexed."""
    state = tmp_path / "my state"
    state.mkdir()
    location = Location(None, state, tmp_path / "cache", f"sqlite:///{state / 'state.db'}")
    database, cache = open_state(location)
    with cache.write() as connection:
        vectors.put(connection, MODEL, [(b"d" * 32, b"\0" * 16)], now=1)
    database.close()
    cache.close()
    return location


def garble(file: Path, start: int, length: int) -> None:
    """Flip every bit of a stretch."""
    data = bytearray(file.read_bytes())
    data[start : start + length] = bytes(byte ^ 0xFF for byte in data[start : start + length])
    file.write_bytes(data)


def test_a_garbled_header_of_the_state_table_is_told_with_the_cure(location: Location) -> None:
    """It refuses to open; the command in its hint, run as it stands, makes it open again."""
    garble(location.state_dir / "state.db", 0, 100)
    with pytest.raises(StateDamagedError) as caught:
        open_state(location)
    assert caught.value.exit_code == 11
    command = re.search(r"`([^`]*mv [^`]*)`", caught.value.hint)
    assert command, caught.value.hint
    subprocess.run(["sh", "-c", command[1]], check=True)
    database, cache = open_state(location)
    with database.read() as connection:
        assert documents.counts(connection)["indexed"] == 0
    with cache.read() as connection:
        assert vectors.count(connection) == 1, "the cache was not touched"
    assert (location.state_dir / "state.db.damaged" / "state.db").is_file()


def test_a_broken_page_of_the_state_table_is_told_as_damage(location: Location) -> None:
    """Also when the file opens, and only a later page is broken."""
    garble(location.state_dir / "state.db", 4096, 100)
    database = Database(location.state_url)
    with pytest.raises(DamagedError) as caught, database.read() as connection:
        connection.execute(text("SELECT * FROM alembic_version, documents")).all()
    told = as_told(caught.value)
    assert isinstance(told, StateDamagedError)
    assert "mv " in told.hint
    database.close()


def test_a_cache_that_is_no_database_is_set_aside(location: Location) -> None:
    """The cache can be computed again: it opens empty, and the damaged file is kept beside it."""
    garble(location.state_dir / "vectors.db", 0, 100)
    database, cache = open_state(location)
    assert stored(cache) == 0
    cache.close()
    database.close()
    assert (location.state_dir / "vectors.db.damaged").is_file()


def test_a_cache_that_turns_out_damaged_is_made_anew_in_place(location: Location) -> None:
    """A broken page shows only when it is read; those who hold the cache go on with the new one."""
    garble(location.state_dir / "vectors.db", 4096, 100)
    database, cache = open_state(location)
    with pytest.raises(DamagedError) as caught:
        stored(cache)
    assert caught.value.url == cache.url
    remake_cache(cache, caught.value)
    with cache.write() as connection:
        vectors.put(connection, MODEL, [(b"e" * 32, b"\1" * 16)], now=1)
    assert stored(cache) == 1
    cache.close()
    database.close()


def stored(cache: Database) -> int:
    """How many embeddings the cache has; reads all of them."""
    with cache.read() as connection:
        return vectors.size(connection)[0]


def test_a_table_of_a_newer_version_is_refused(location: Location) -> None:
    """It is not damaged: the hint is to install the newer version again."""
    with sqlite3.connect(location.state_dir / "state.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StateError, match="9999") as caught:
        open_state(location)
    assert not isinstance(caught.value, StateDamagedError)
    assert "newer version" in caught.value.hint


def test_a_full_disk_is_told_as_such() -> None:
    """SQLite's own error for a full disk becomes ours, which the daemon waits for."""
    assert isinstance(as_told(FullError("database or disk is full")), DiskFullError)
