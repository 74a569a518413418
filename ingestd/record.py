"""Writes into the state table what a comparison with the disk found."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd_state import arrivals, changes, documents, due, failpoint

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ingestd_state.engine import Database

    from .compare import Comparison
    from .ports import Fingerprint, Source


CROWD = 64
"""More new files than that, with what is urgent already, are nobody's save."""


@dataclass(slots=True)
class Recorded:
    """What was written, in documents."""

    new: int = 0
    changed: int = 0
    moved: int = 0


def record(
    database: Database, source: Source, found: Comparison, *, now: float, priority: int
) -> Recorded:
    """Write down a comparison, in one transaction.

    Args:
        database: the state table.
        source: whose files they are.
        found: what differs.
        now: Unix seconds.
        priority: higher is taken up first; a crowd of new files has none.

    Raises:
        DatabaseError: nothing was written.
    """
    recorded = Recorded(changed=len(found.changed))
    with database.write() as connection:
        changes.mark_changed(connection, found.changed, now=now, priority=priority)
        changes.mark_missing(connection, found.missing, now=now)
        changes.mark_found(connection, found.found)
        if found.new:
            _record_new(connection, source, found.new, recorded, now=now, priority=priority)
        failpoint.reached("reconcile.begun")
    failpoint.reached("reconcile.applied")
    return recorded


def _record_new(
    connection: Connection,
    source: Source,
    new: list[tuple[bytes, Fingerprint]],
    recorded: Recorded,
    *,
    now: float,
    priority: int,
) -> None:
    """Record files that the comparison did not know: most are new, some are known or moved."""
    known = arrivals.known_paths(connection, source.id, [path for path, _ in new])
    files = arrivals.known_files(connection, [(key.device, key.inode) for _, key in new])
    unknown = []
    for path, key in new:
        # Looked up again: a move in this very batch may have taken the document away.
        rows = documents.known_at(connection, source.id, path) if path in known else ()
        if rows:  # somebody else recorded it since the comparison
            ids = [row.id for row in rows]
            changes.mark_changed(connection, ids, now=now, priority=priority)
        elif (key.device, key.inode) in files and _moved(connection, source, path, key, now):
            recorded.moved += 1
        else:
            parts = (key.device, key.inode, key.size, key.mtime_ns, key.ctime_ns)
            unknown.append((path, parts))
    recorded.new += len(unknown)
    room = CROWD - len(unknown)
    if priority > 0 and (room < 0 or due.count_urgent(connection, most=room + 1) > room):
        priority = 0
    arrivals.add_all(connection, (source.id, source.name), unknown, now=now, priority=priority)


def _moved(
    connection: Connection, source: Source, path: bytes, fingerprint: Fingerprint, now: float
) -> bool:
    """Whether this new path is a known file under a new name; then it is recorded as such."""
    for old in documents.with_inode(connection, fingerprint.device, fingerprint.inode):
        # The inode of a deleted file soon serves another one; a rename keeps size and mtime.
        same = (old.size, old.mtime_ns) == (fingerprint.size, fingerprint.mtime_ns)
        if old.source_id != source.id or not same:
            continue
        try:
            there = os.lstat(os.path.join(source.root, old.path))
        except (FileNotFoundError, NotADirectoryError):
            there = None
        except OSError:
            continue
        # Where another file took its place, the document is that file's: its path is known.
        if there is None or stat.S_ISDIR(there.st_mode):
            changes.move(connection, old.id, path, now=now)
            return True
    return False
