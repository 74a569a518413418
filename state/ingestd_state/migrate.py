"""Brings a state database to the schema of this code; refuses one that is newer.

Alembic is imported only when there is something to migrate: it costs half a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from . import failpoint
from .engine import DatabaseError, NewerSchemaError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from .engine import Database

HEAD = "0003"
"""The newest revision; a test compares it with the migrations folder."""

MIGRATIONS = Path(__file__).with_name("migrations")


def revision(connection: Connection) -> str | None:
    """The schema revision of a database; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def check_known(found: str | None, where: str) -> Config:
    """See that this version can bring a database of this revision up to date.

    Args:
        found: the revision; None for an empty database.
        where: the database, for the message.

    Raises:
        NewerSchemaError: it does not know the revision.
    """
    from alembic.config import Config  # noqa: PLC0415 - slow to import, rarely needed
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise NewerSchemaError(f"{where} has schema {found}, this version knows up to {HEAD}")
    return config


def upgrade(database: Database) -> bool:
    """Migrate to `HEAD`; returns whether anything was done.

    Raises:
        NewerSchemaError: the database has a revision that this code does not know.
        DatabaseError: the migration failed; it is rolled back.
    """
    with database.read() as connection:
        found = revision(connection)
    if found == HEAD:
        return False
    from alembic import command  # noqa: PLC0415 - slow to import, rarely needed
    from alembic.util.exc import CommandError  # noqa: PLC0415 - the same

    config = check_known(found, database.url)
    with database.write() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise DatabaseError(f"{database.url}: migration failed: {error}") from error
        failpoint.reached("migrate.begun")
    failpoint.reached("migrate.committed")
    return True
