"""Opens the state table and the vectors cache; says what to do when one of them is damaged.

The two differ. The state table is the memory of what is where: it is never thrown away without a
person, but it can be made anew from the folders. The cache holds only what can be computed again:
a damaged one is set aside, and the daemon goes on.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import structlog

from ingestd_state import migrate, vectors
from ingestd_state.engine import (
    LOGS,
    DamagedError,
    Database,
    DatabaseError,
    FullError,
    NewerSchemaError,
)

from .errors import DiskFullError, IngestdError, StateError

if TYPE_CHECKING:
    from pathlib import Path

    from .location import Location

log = structlog.get_logger(__name__)


class StateDamagedError(StateError):
    """The state table is no database any more, or has a broken page: waiting does not help."""

    code = "state_damaged"


def open_state(location: Location) -> tuple[Database, Database]:
    """Open, and bring up to date, the state table and the vectors cache.

    Raises:
        StateError: one of them cannot be opened, or was written by a newer version.
        StateDamagedError: the state table is damaged; the hint names the cure.
        DiskFullError: there is no space left to open them.
    """
    database = None
    try:
        database = Database(location.state_url)
        migrate.upgrade(database)
        cache = Database(location.vectors_url)
        try:
            vectors.create(cache)
        except DamagedError as error:
            remake_cache(cache, error)
    except DatabaseError as error:
        if database is not None:
            database.close()
        raise as_told(error) from error
    return database, cache


def remake_cache(cache: Database, error: DamagedError) -> None:
    """Set a damaged vectors cache aside, and begin a new one.

    Raises:
        DatabaseError: that cannot be done.
    """
    aside = cache.set_aside()
    vectors.create(cache)
    log.error(
        "cache_damaged",
        error=str(error),
        set_aside=str(aside),
        next="texts that are needed again are embedded again; what is indexed stays searchable",
    )


def as_told(error: DatabaseError) -> IngestdError:
    """A failure of a table as a person is told of it."""
    if isinstance(error, NewerSchemaError):
        return StateError(str(error), hint="Install the newer version again.")
    if isinstance(error, FullError):
        return DiskFullError(str(error))
    if isinstance(error, DamagedError):
        return StateDamagedError(f"the state table is damaged: {error}", hint=cure(error.url))
    return StateError(str(error))


def cure(url: str) -> str:
    """What mends a damaged state table: the folders and the cache have all that it knew."""
    file = Database(url).file
    if file is None:
        return "Mend the database with its own tools, or name another in `state_url`."
    return (
        f"With ingestd stopped, set the table aside: `{_move(file)}`. Then start ingestd: it "
        "reads the folders anew and takes every vector from the cache. In the end, "
        "`ingestd repair` removes what only the old table knew."
    )


def _move(file: Path) -> str:
    # With its logs: SQLite would read those of the old table into the new one.
    found = [end for end in ("", *LOGS) if file.with_name(file.name + end).exists()]
    names = " ".join(shlex.quote(f"{file}{end}") for end in found)
    aside = shlex.quote(f"{file}.damaged")
    return f"mkdir -p {aside} && mv {names} {aside}"
