"""The state table as verbs open it that run beside a daemon, or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import NotFoundError, StateError
from ingestd.lock import Owner, holder

if TYPE_CHECKING:
    from ingestd.location import Location
    from ingestd_state.engine import Database

START = "`ingestd run DIR` starts it."


def running(location: Location) -> Owner | None:
    """Who holds the state directory now.

    Raises:
        StateError: nobody can tell, because the lock cannot be read.
    """
    try:
        return holder(location.lock_file)
    except OSError as error:
        raise StateError(f"{location.state_dir}: {error.strerror}") from error


def exists(location: Location) -> bool:
    """Whether there is a state table; one on a server is taken to be there.

    Raises:
        StateError: nobody can tell.
    """
    prefix = "sqlite:///"
    if not location.state_url.startswith(prefix):
        return True
    try:
        return Path(location.state_url.removeprefix(prefix)).stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StateError(f"{location.state_dir}: {error.strerror}") from error


@contextmanager
def opened(location: Location) -> Iterator[Database]:
    """Open the state table; it is migrated when it is old and nobody runs on it.

    Raises:
        NotFoundError: there is none.
        StateError: it cannot be opened, or is of another version than this program.
    """
    if not exists(location):
        raise NotFoundError(f"nothing is indexed in {location.state_dir}", hint=START)
    from ingestd_state.engine import Database, DatabaseError

    try:
        database = Database(location.state_url)
        try:
            _bring_up_to_date(database, location)
            yield database
        finally:
            database.close()
    except DatabaseError as error:
        from ingestd.tables import as_told  # brings structlog

        raise as_told(error) from error


def _bring_up_to_date(database: Database, location: Location) -> None:
    from ingestd_state import migrate

    with database.read() as connection:
        found = migrate.revision(connection)
    if found == migrate.HEAD:
        return
    if found is None:
        raise NotFoundError(f"nothing is indexed in {location.state_dir}", hint=START)
    owner = running(location)
    if owner is not None:
        raise StateError(
            f"the state table is of version {found}, and in use by {owner}",
            hint="Stop that process, and start it again with this version.",
        )
    migrate.upgrade(database)
