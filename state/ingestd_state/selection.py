"""Documents that a person names, to be listed, taken up again, and waited for.

Everything goes page by page: a selection may be all that there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select, true

from . import changes, pages
from .documents import COLUMNS, Document, below, document
from .schema import documents
from .status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import ColumnElement, Connection

    from .engine import Database

PAGE = 1_000
MARK_PAGE = 500
"""Documents marked in one transaction: other writers get their turn in between."""
LOST = frozenset({DocumentStatus.FAILED, DocumentStatus.DEAD})


@dataclass(frozen=True, slots=True)
class Selection:
    """Some documents.

    Attributes:
        source_id: of this source; None for all sources.
        path: at this path or below it; empty for all of the source.
        statuses: in one of these states; empty for any.
        reason: with a reason that begins so; empty for any.
        present: only those that are neither tombstones nor missing.
    """

    source_id: int | None = None
    path: bytes = b""
    statuses: frozenset[DocumentStatus] = frozenset()
    reason: str = ""
    present: bool = False

    def where(self) -> ColumnElement[bool]:
        """The condition on ``documents``."""
        conditions: list[ColumnElement[bool]] = [true()]
        if self.source_id is not None:
            conditions += [documents.c.source_id == self.source_id, below(self.path)]
        if self.statuses:
            conditions.append(_in(self.statuses))
        if self.reason:
            conditions.append(documents.c.reason.startswith(self.reason, autoescape=True))
        if self.present:
            conditions.append(documents.c.missing_since.is_(None))
            conditions.append(documents.c.status != DocumentStatus.DELETED.value)
        return and_(*conditions)


def walk(
    database: Database, selection: Selection, *, limit: int | None = None
) -> Iterator[Document]:
    """The documents by source and path; no transaction stays open while the reader is slow."""
    found = pages.by_path(
        database,
        selection.where(),
        columns=COLUMNS,
        size=PAGE if limit is None else max(1, min(PAGE, limit)),
        source_id=selection.source_id,
    )
    yield from (document(row) for row in islice(chain.from_iterable(found), limit))


def count(connection: Connection, selection: Selection) -> int:
    """How many there are."""
    query = select(func.count()).select_from(documents).where(selection.where())
    return connection.execute(query).scalar_one()


def mark_again(
    database: Database, selection: Selection, *, now: float, forced: bool, priority: int
) -> int:
    """Have the documents taken up again; returns how many.

    Args:
        database: the state table.
        selection: which; those that are gone or missing are left alone.
        now: Unix seconds.
        forced: also those whose bytes are what is indexed.
        priority: higher is taken up first.
    """
    marked = 0
    present = and_(
        documents.c.missing_since.is_(None), documents.c.status != DocumentStatus.DELETED.value
    )
    where = and_(selection.where(), present)
    for found in pages.ids(database, where, size=MARK_PAGE, source_id=selection.source_id):
        with database.write() as connection:
            # Asked again: meanwhile its file may have gone.
            still = select(documents.c.id).where(documents.c.id.in_(found), present)
            ids = connection.execute(still).scalars().all()
            changes.mark_changed(connection, ids, now=now, priority=priority, forced=forced)
        marked += len(ids)
    return marked


def unfinished(connection: Connection, selection: Selection, *, until: float) -> int:
    """How many wait since ``until`` (Unix seconds) or longer; those that are missing do not."""
    waiting = or_(
        and_(
            _in({DocumentStatus.PENDING, DocumentStatus.WORKING}),
            documents.c.missing_since.is_(None),
        ),
        documents.c.status == DocumentStatus.DELETED.value,
    )
    query = select(func.count()).where(selection.where(), waiting, documents.c.changed_at <= until)
    return connection.execute(query).scalar_one()


def lost(connection: Connection, selection: Selection, *, until: float) -> int:
    """How many of those that changed until then (Unix seconds) have failed."""
    query = select(func.count()).where(
        selection.where(), _in(LOST), documents.c.changed_at <= until
    )
    return connection.execute(query).scalar_one()


def _in(statuses: Collection[DocumentStatus]) -> ColumnElement[bool]:
    return documents.c.status.in_(sorted(status.value for status in statuses))
