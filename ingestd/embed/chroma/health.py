"""Looks at a Chroma directory that nobody has open: which collections can be trusted to open?

Read only, but for one thing that SQLite does by itself: it takes a transaction back that a killed
process had begun. Memory does not grow with the collection. What it cannot see is damage that
leaves the form intact, such as a changed number in a vector: that a check against the vectors
cache finds.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ingestd.errors import StoreError

from .ours import MARK
from .segment import PICKLE, TornError, probe_segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .pickled import Labels

DATABASE = "chroma.sqlite3"
CHECK_S = 10.0
"""How long the pages of the database are checked, at most."""
STEPS = 20_000
"""Instructions of SQLite's machine between two looks at the clock."""
MOST_MOVING = 100_000
"""Entries of the log up to which indexed and stored ids are compared."""
UNREADABLE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
MISSING_TABLE = "no such"


class Verdict(Enum):
    """What the files of a collection look like."""

    SOUND = "sound"
    """Nothing speaks against opening it."""
    TORN = "torn"
    """They do not fit together, or vectors are missing."""
    UNREADABLE = "unreadable"
    """The database that says what belongs to what cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One collection.

    Attributes:
        collection: its name; empty where the whole directory is meant.
        ours: whether ingestd made it.
        segment: name of the folder of its index; the folder need not be there.
        verdict: what it looks like.
        reason: why, for people; empty for a sound one.
    """

    collection: str
    ours: bool
    segment: str
    verdict: Verdict
    reason: str = ""


@dataclass(slots=True)
class Health:
    """What was found.

    Attributes:
        findings: one a collection, or a single one where the database is unreadable.
        orphans: names of index folders that belong to no collection.
        logged: writes that are only in Chroma's log, and are carried out again at an opening.
    """

    findings: list[Finding] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    logged: int = 0

    @property
    def unreadable(self) -> str:
        """Why the whole directory is lost; empty when it is not."""
        return next((f.reason for f in self.findings if f.verdict is Verdict.UNREADABLE), "")


def probe(directory: Path, *, quick: bool = False, check_s: float = CHECK_S) -> Health:
    """Look at a directory that no process has open.

    Args:
        directory: Chroma's data.
        quick: only say which collection is where; all of them count as sound.
        check_s: longest time for the pages of the database; what is left over is not checked.

    Raises:
        StoreError: it cannot be told, for a reason that has nothing to do with damage.
    """
    health = Health()
    try:
        if not directory.is_dir():
            return health
        if not (directory / DATABASE).exists():
            return _unreadable(f"{DATABASE} is missing") if _folders(directory) else health
        with _opened(directory / DATABASE) as database:
            reason = "" if quick else check_pages(database, check_s)
            if reason:
                return _unreadable(reason)
            health.findings = list(_findings(database, directory, quick=quick))
            (health.logged,) = database.execute("SELECT count(*) FROM embeddings_queue").fetchone()
    except sqlite3.Error as error:
        return _unreadable(_damage(directory, error))
    except OSError as error:
        raise StoreError(f"cannot look at {error.filename}: {error.strerror}") from error
    known = {finding.segment for finding in health.findings}
    health.orphans = sorted(_folders(directory) - known)
    return health


def check_pages(database: sqlite3.Connection, limit_s: float) -> str:
    """Check the pages of all plain tables; what is wrong with them, or nothing.

    Full-text tables are checked as the plain tables that they consist of: what SQLite says of
    them beyond that depends on its version.
    """
    end = time.monotonic() + limit_s
    database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        tables = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
        ).fetchall()
        for (name,) in tables:
            quoted = str(name).replace("'", "''")
            (said,) = database.execute(f"PRAGMA quick_check('{quoted}')").fetchone()
            if said != "ok":
                return f"{DATABASE}: {' '.join(str(said).split())}"
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        database.set_progress_handler(None, 0)
    return ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for reading; for writing where a killed process left a transaction to take back."""
    hot = path.with_name(f"{path.name}-journal").exists()
    uri = f"{path.resolve().as_uri()}?mode={'rw' if hot else 'ro'}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
        yield database


def _findings(database: sqlite3.Connection, directory: Path, *, quick: bool) -> Iterator[Finding]:
    for row in database.execute(
        "SELECT c.id, c.name, v.id, m.id, o.key IS NOT NULL FROM collections c "
        "JOIN segments v ON v.collection = c.id AND v.scope = 'VECTOR' "
        "JOIN segments m ON m.collection = c.id AND m.scope = 'METADATA' "
        "LEFT JOIN collection_metadata o ON o.collection_id = c.id AND o.key = ? ORDER BY c.name",
        (MARK,),
    ).fetchall():
        collection, name, segment, rows, ours = row
        verdict, reason = Verdict.SOUND, ""
        if not quick:
            try:
                _check(database, directory / segment, collection, segment, rows)
            except TornError as error:
                verdict, reason = Verdict.TORN, str(error)
        yield Finding(name, bool(ours), segment, verdict, reason)


def _check(
    database: sqlite3.Connection, folder: Path, collection: str, segment: str, rows: str
) -> None:
    saved = database.execute(
        "SELECT seq_id FROM max_seq_id WHERE segment_id = ?", (segment,)
    ).fetchone()
    moving = _moving(database, collection, saved[0] if saved else -1)
    labels = probe_segment(folder, moving or frozenset(), saved=saved is not None)
    if labels is not None and moving is not None:
        _compare(database, rows, moving, labels)


def _moving(database: sqlite3.Connection, collection: str, saved: int) -> frozenset[str] | None:
    """Ids in the log since the last save, which need not show; None when they are too many."""
    rows = database.execute(
        "SELECT DISTINCT id FROM embeddings_queue WHERE topic LIKE ? AND seq_id > ? LIMIT ?",
        (f"%/{collection}", saved, MOST_MOVING + 1),
    ).fetchall()
    return None if len(rows) > MOST_MOVING else frozenset(slot for (slot,) in rows)


def _compare(
    database: sqlite3.Connection, rows: str, moving: frozenset[str], labels: Labels
) -> None:
    """Each id of the table has a place in the index, and no other id has; but for those moving."""
    number = hashes = 0
    for (slot,) in database.execute(
        "SELECT embedding_id FROM embeddings WHERE segment_id = ?", (rows,)
    ):
        if slot not in moving:
            number += 1
            hashes += hash(slot)
    if (number, hashes) == (labels.settled, labels.hashes):
        return
    if labels.settled < number:
        raise TornError(f"{number - labels.settled} of {number} vectors are missing")
    raise TornError(f"{PICKLE} holds other ids than {DATABASE}")


def _folders(directory: Path) -> set[str]:
    """The folders that are named as those of indexes are."""
    return {entry.name for entry in directory.iterdir() if entry.is_dir() and _is_uuid(entry.name)}


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _unreadable(reason: str) -> Health:
    return Health([Finding("", ours=True, segment="", verdict=Verdict.UNREADABLE, reason=reason)])


def _damage(directory: Path, error: sqlite3.Error) -> str:
    """What is wrong with the database.

    Raises:
        StoreError: nothing is, it only cannot be read now.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in UNREADABLE or MISSING_TABLE in str(error):
        return f"{DATABASE}: {error}"
    raise StoreError(f"cannot look at {directory / DATABASE}: {error}") from error
