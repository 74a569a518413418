"""Upgrades and downgrades of an instance: nothing is embedded again, and nothing is damaged."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from daemon import Daemon, contents, eventually, ingestd

from ingestd_state import migrate
from ingestd_state.engine import Database

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = migrate.check_known(None, "")
EARLIER = sorted(one.revision for one in ScriptDirectory.from_config(KNOWN).walk_revisions())[:-1]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance of twenty documents."""
    place = tmp_path_factory.mktemp("upgrades")
    (place / "docs").mkdir()
    for number in range(20):
        (place / "docs" / f"{number}.md").write_text(f"# D{number}\n\nFact {number}.\n", "utf-8")
    assert ingestd("run", place / "docs", "--once", "--state-dir", place / "state").returncode == 0
    return place


@pytest.fixture
def state(template: Path, tmp_path: Path) -> Path:
    """A copy of its state directory."""
    shutil.copytree(template / "state", tmp_path / "state")
    return tmp_path / "state"


def make_old(state: Path, revision: str) -> None:
    """Put a table of an earlier schema in the place of the one that is there, with its rows."""
    file, old = state / "state.db", state / "old.db"
    database = Database(f"sqlite:///{old}")
    config = migrate.check_known(None, "")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    database.close()
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("ATTACH ? AS new", (str(file),))
        tables = connection.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
            names = ", ".join(f'"{row[1]}"' for row in rows)
            connection.execute(
                f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}"  # noqa: S608 - ours
            )
        connection.commit()
        assert connection.execute("SELECT count(*) FROM main.chunks").fetchone()[0] >= 20
    for path in state.glob("state.db*"):
        path.unlink()
    for path in state.glob("old.db-*"):
        path.unlink()
    old.rename(file)


def revision_of(state: Path) -> str:
    """The schema of the table on the disk."""
    with closing(sqlite3.connect(state / "state.db")) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@pytest.mark.parametrize("revision", EARLIER)
def test_a_daemon_goes_on(template: Path, state: Path, revision: str) -> None:
    """From each earlier schema a daemon starts, embeds nothing again, and takes up edits."""
    make_old(state, revision)
    assert revision_of(state) == revision
    with Daemon(template / "docs", state) as daemon:
        assert revision_of(state) == migrate.HEAD
        assert daemon.events("document_indexed") == []
        new = template / "docs" / "new.md"
        new.write_text("# New\n\nWritten after the upgrade.\n", "utf-8")
        try:
            eventually(lambda: daemon.collection().count() > len(contents_of(template)))
            assert len(daemon.events("document_indexed")) == 1
        finally:
            new.unlink()
            eventually(lambda: daemon.collection().count() == len(contents_of(template)))
    assert contents(state) == contents_of(template)
    assert ingestd("check", "--state-dir", state).returncode == 0


_SEEN: dict[Path, dict[str, tuple[object, ...]]] = {}


def contents_of(template: Path) -> dict[str, tuple[object, ...]]:
    """What the template's collection holds."""
    if template not in _SEEN:
        _SEEN[template] = contents(template / "state")
    return _SEEN[template]


@pytest.mark.parametrize("revision", EARLIER)
def test_a_backup_of_an_earlier_version(template: Path, state: Path, revision: str) -> None:
    """A backup is of the table as it is; a restore brings it forwards, and embeds nothing."""
    make_old(state, revision)
    backups, fresh = state.parent / "backups", state.parent / "fresh"
    done = ingestd("backup", backups, "--json", "--state-dir", state)
    assert json.loads(done.stdout)["schema"] == revision, done.stderr
    assert revision_of(state) == revision
    assert ingestd("restore", backups, "--state-dir", fresh).returncode == 0
    assert revision_of(fresh) == migrate.HEAD
    done = ingestd("run", template / "docs", "--once", "--json", "--state-dir", fresh)
    assert json.loads(done.stdout)["chunks"]["embedded"] == 0
    assert contents(fresh) == contents_of(template)


@pytest.mark.parametrize("verb", ["run", "once", "status", "check", "repair", "rebuild"])
def test_a_downgrade_is_refused(template: Path, state: Path, verb: str) -> None:
    """A table of a later version ends each verb with code 11 and a hint, and stays as it is."""
    with closing(sqlite3.connect(state / "state.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    words = {"run": ["run", template / "docs"], "once": ["run", template / "docs", "--once"]}
    done = ingestd(*words.get(verb, [verb]), "--state-dir", state)
    assert done.returncode == 11, done.stderr
    assert "schema 9999" in done.stderr
    assert f"up to {migrate.HEAD}" in done.stderr
    assert "hint: Install the newer version again." in done.stderr
    assert revision_of(state) == "9999"
