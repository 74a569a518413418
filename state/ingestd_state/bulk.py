"""Changes of any number of documents at once: a slice at a time, so that others write in between.

A million rows take seconds, and whoever else wants to write gives up after five. Each slice is a
transaction of its own. So each of these changes says what a kill between two slices leaves; all can
be begun again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select, update

from . import failpoint, orphans, owned, pages, sources
from .changes import INTERACTIVE
from .parts import parts, unindexed
from .schema import documents
from .status import DocumentStatus, sources_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection

    from .engine import Database
    from .sources import Source

SLICE = 2_000
"""Rows changed in one transaction."""


def bury_missing(
    database: Database,
    source_id: int,
    *,
    most: int,
    until: float,
    now: float,
    kept: Collection[str] = (),
) -> int:
    """Make tombstones of the missing documents of a source that were judged; returns how many.

    After a kill some are buried and others are missing: those are judged again, and are no larger
    a part of the source than they were.

    Args:
        database: the state table.
        source_id: the source.
        most: so many were judged; no more are buried.
        until: when the last of them went missing, in Unix seconds; what went missing since was
            not judged, and stays.
        now: Unix seconds.
        kept: ids of documents that stay.
    """
    where = and_(
        documents.c.missing_since <= until,
        unindexed(documents.c.status).in_(sources_of(DocumentStatus.DELETED)),
    )
    values = {
        "status": DocumentStatus.DELETED.value,
        "reason": "the file is gone",
        "changed_at": now,
        "priority": INTERACTIVE,
        "retry_at": None,
        "recheck_at": None,
    }
    if most <= 0:
        return 0
    buried = 0
    for found in pages.ids(database, where, size=SLICE, source_id=source_id):
        going = [document_id for document_id in found if document_id not in kept]
        buried += _mark(database, going[: most - buried], where, values)
        failpoint.reached("reconcile.buried")
        if buried >= most:
            break
    return buried


def mark_outdated(database: Database, pipeline: str, *, now: float) -> int:
    """Take up again what another version of the pipeline indexed; returns how many.

    Also what was given up since: chunks of the old version are still in the collection. After a
    kill the next start, with whatever version, takes up what is another one's then.
    """
    where = _outdated(pipeline)
    values = {
        "status": DocumentStatus.PENDING.value,
        "changed_at": now,
        "priority": -1,
        "attempts": 0,
    }
    marked = 0
    for found in pages.ids(database, where, size=SLICE):
        marked += _mark(database, found, where, values)
        failpoint.reached("backfill.part")
    return marked


def mark_skipped(database: Database, reasons: Sequence[str], *, now: float) -> int:
    """Take up again what was skipped for a reason that begins so; returns how many.

    After a kill some are taken up and others are not: the next start asks again.
    """
    where = and_(
        unindexed(documents.c.status) == DocumentStatus.SKIPPED.value,
        or_(*(documents.c.reason.startswith(reason, autoescape=True) for reason in reasons)),
    )
    values = {"status": DocumentStatus.PENDING.value, "changed_at": now, "priority": -1}
    return sum(
        _mark(database, found, where, values) for found in pages.ids(database, where, size=SLICE)
    )


def mark_scanned(database: Database, reason: str, mime: str, *, now: float) -> int:
    """Take up again what may have more text than was read; returns how many.

    Args:
        database: the state table.
        reason: that of what was skipped begins so.
        mime: the media type of what is indexed.
        now: Unix seconds.
    """
    skipped = and_(
        unindexed(documents.c.status) == DocumentStatus.SKIPPED.value,
        documents.c.reason.startswith(reason, autoescape=True),
    )
    indexed = and_(
        unindexed(documents.c.status) == DocumentStatus.INDEXED.value, documents.c.mime == mime
    )
    # Indexed ones as forced: their bytes are the same.
    values = {"status": DocumentStatus.PENDING.value, "changed_at": now, "priority": -1}
    marked = 0
    for where in (skipped, indexed):
        for found in pages.ids(database, where, size=SLICE):
            marked += _mark(database, found, where, {**values, "forced": where is indexed})
    return marked


def is_outdated(connection: Connection, pipeline: str) -> bool:
    """Whether another version of the pipeline indexed something that is in a collection."""
    found = select(documents.c.id).where(_outdated(pipeline)).exists()
    return bool(connection.execute(select(found)).scalar_one())


def _outdated(pipeline: str) -> ColumnElement[bool]:
    finished = (DocumentStatus.INDEXED, DocumentStatus.SKIPPED, DocumentStatus.DEAD)
    return and_(
        unindexed(documents.c.status).in_([status.value for status in finished]),
        documents.c.pipeline != pipeline,
    )


def register(database: Database, name: str, path: bytes, collection: str, rules: str) -> Source:
    """Find or make the source of this name, with this configuration; for one process at a time.

    When it writes to another collection than before, every chunk is written there, and the old one
    loses them; when its root has another path, every chunk is labelled anew.

    The source itself is changed last. After a kill it writes to where it did, what is said to be
    left behind is owned, so that nobody deletes it, and some documents are written needlessly;
    or else it is registered again, and all of this is done again.
    """
    with database.read() as connection:
        found = sources.named(connection, name)
    if found is not None and found.collection != collection:
        _leave_behind(database, found)
        _take_up(database, found.id, forced=True)
    elif found is not None and found.path != path:
        _take_up(database, found.id, relabel=True)
    with database.write() as connection:
        return sources.ensure(connection, name, path, collection, rules)


def _leave_behind(database: Database, source: Source) -> None:
    """Have every slot of a source deleted from its collection, once it writes to another one."""
    for slots in owned.of_source(database, source.id, page=SLICE):
        with database.write() as connection:
            orphans.add(connection, source.collection, slots)
        failpoint.reached("register.part")


def _take_up(database: Database, source_id: int, **flags: bool) -> None:
    """Have every document that may be in the collection taken up again."""
    states = {*sources_of(DocumentStatus.PENDING), DocumentStatus.PENDING.value}
    states -= {DocumentStatus.DELETED.value, DocumentStatus.SKIPPED.value}
    where = unindexed(documents.c.status).in_(sorted(states))
    values = {"status": DocumentStatus.PENDING.value, "attempts": 0, "retry_at": None, **flags}
    for found in pages.ids(database, where, size=SLICE, source_id=source_id):
        _mark(database, found, where, values)
        failpoint.reached("register.part")


def _mark(
    database: Database, ids: Collection[str], where: ColumnElement[bool], values: dict[str, Any]
) -> int:
    """Change those of these documents that still meet the condition; returns how many."""
    changed = 0
    with database.write() as connection:
        for part in parts([*ids]):
            changed += connection.execute(
                update(documents).where(documents.c.id.in_(part), where).values(**values)
            ).rowcount
    return changed
