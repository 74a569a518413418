"""A quick look into the state table, for the completion of the shell: SQLAlchemy takes too long.

What cannot be read is empty: nobody wants an error message while typing.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from .status import SourceStatus

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 0.1


def sources(file: Path) -> list[tuple[str, str]]:
    """Name and collection of each source that is watched, by name.

    Args:
        file: the state table; it is not made.
    """
    query = "SELECT name, collection FROM sources WHERE status <> ? ORDER BY name"
    uri = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as connection:
            rows = connection.execute(query, (SourceStatus.DETACHED.value,)).fetchall()
    except sqlite3.Error:
        return []
    return [(str(name), str(collection)) for name, collection in rows]
