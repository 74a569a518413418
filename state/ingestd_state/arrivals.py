"""New files in bulk: a first scan records hundreds of thousands, many in one statement."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from . import changes
from .chunks import of_origin
from .parts import parts
from .schema import chunks, documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from .changes import Key

RANGES = 50
"""How many ranges of slots go into one statement."""


def known_paths(connection: Connection, source_id: int, paths: Sequence[bytes]) -> set[bytes]:
    """Those of these paths at which a source has a document."""
    found: set[bytes] = set()
    for part in parts(paths):
        found.update(
            connection.execute(
                select(documents.c.path).where(
                    documents.c.source_id == source_id, documents.c.path.in_(part)
                )
            ).scalars()
        )
    return found


def known_files(
    connection: Connection, files: Iterable[tuple[int, int]]
) -> set[tuple[int | None, int | None]]:
    """Those of these files, as device and inode, that some document was last seen as."""
    by_device: dict[int, list[int]] = defaultdict(list)
    for device, inode in files:
        by_device[device].append(inode)
    found: set[tuple[int | None, int | None]] = set()
    for device, inodes in by_device.items():
        for part in parts(inodes):
            rows = connection.execute(
                select(documents.c.device, documents.c.inode).where(
                    documents.c.device == device, documents.c.inode.in_(part)
                )
            )
            found.update((row.device, row.inode) for row in rows)
    return found


def add_all(
    connection: Connection,
    source: tuple[int, str],
    files: Sequence[tuple[bytes, Key]],
    *,
    now: float,
    priority: int = 0,
) -> None:
    """Record files that are not known yet, as `changes.add` does for one.

    Args:
        connection: a write transaction.
        source: id and name of their source.
        files: paths, relative to the source's root, and what `changes.add` takes as key.
        now: Unix seconds.
        priority: higher is taken up first.
    """
    wanted = {changes.first_id(source[1], path): (path, key) for path, key in files}
    taken = _taken(connection, list(wanted))
    rows = [
        changes.new_row(document_id, source[0], path, key, now=now, priority=priority)
        for document_id, (path, key) in wanted.items()
        if document_id not in taken
    ]
    for part in parts(rows):
        connection.execute(documents.insert(), list(part))
    added = {row["path"] for row in rows}
    for path, key in files:
        if path not in added:
            changes.add(connection, source, path, key, now=now, priority=priority)


def _taken(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these ids that a document has, or had and left a slot that another one took over."""
    found: set[str] = set()
    for part in parts(ids):
        own = select(documents.c.id).where(documents.c.id.in_(part))
        found.update(connection.execute(own).scalars())
    for start in range(0, len(ids), RANGES):
        ranges = [of_origin(candidate) for candidate in ids[start : start + RANGES]]
        # Cut short by the database: a document may have left a million slots.
        origin = func.substr(chunks.c.slot, 1, changes.ID_LENGTH)
        found.update(connection.execute(select(origin).where(or_(*ranges)).distinct()).scalars())
    return found
