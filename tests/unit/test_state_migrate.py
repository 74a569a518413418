"""Migrations as a product: what they lead to is what the models say."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from ingestd_state import migrate
from ingestd_state.engine import Database, DatabaseError, NewerSchemaError
from ingestd_state.schema import metadata

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    """A database without tables."""
    return Database(f"sqlite:///{tmp_path / 'empty.db'}")


def test_the_migrations_lead_to_the_models(database: Database) -> None:
    """The replayed chain differs in nothing from the tables that the code uses."""
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_head_is_the_newest_script() -> None:
    """The revision that is checked without Alembic is the newest in the folder."""
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_an_upgrade_happens_once(empty: Database) -> None:
    """The first upgrade makes the tables; the second one finds nothing to do."""
    with empty.read() as connection:
        assert migrate.revision(connection) is None
    assert migrate.upgrade(empty) is True
    with empty.read() as connection:
        assert migrate.revision(connection) == migrate.HEAD
    assert migrate.upgrade(empty) is False


def test_an_upgrade_of_a_current_database_does_not_load_alembic(migrated: Path) -> None:
    """A start with nothing to migrate does not pay for the import of Alembic."""
    script = (
        "import sys; sys.path[:0] = sys.argv[2].split(':')\n"
        "from ingestd_state import migrate\n"
        "from ingestd_state.engine import Database\n"
        "migrate.upgrade(Database(sys.argv[1]))\n"
        "assert 'alembic' not in sys.modules\n"
    )
    arguments = [f"sqlite:///{migrated}", ":".join(sys.path)]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, timeout=60)


def test_a_newer_schema_is_refused(database: Database) -> None:
    """A table that a later version migrated is left as it is, with an error of its own."""
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerSchemaError, match="9999"):
        migrate.upgrade(database)
    with database.read() as connection:
        assert migrate.revision(connection) == "9999"


def test_a_failed_migration_leaves_nothing(empty: Database) -> None:
    """A migration is one transaction: what it made before it failed is gone."""
    with empty.write() as connection:
        connection.execute(text("CREATE TABLE documents (id INTEGER)"))
    with pytest.raises(DatabaseError):
        migrate.upgrade(empty)
    with empty.read() as connection:
        assert inspect(connection).get_table_names() == ["documents"]


def test_a_place_with_odd_letters_can_be_migrated(tmp_path: Path) -> None:
    """Percent signs and spaces in the path of the database confuse nobody."""
    place = tmp_path / "50% off"
    place.mkdir()
    database = Database(f"sqlite:///{place}/state.db".replace("%", "%25"))
    assert migrate.upgrade(database)
    assert (place / "state.db").is_file()
