"""Queries about sources: the configured roots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from .schema import documents, sources
from .status import DocumentStatus, SourceStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


_REASON_CHARS = 14


@dataclass(frozen=True, slots=True)
class Source:
    """One row of ``sources``."""

    id: int
    name: str
    path: bytes
    collection: str
    status: SourceStatus
    reason: str
    rules: str
    device: int | None
    seen_nonempty: bool
    last_scan_at: float | None
    watching: str = ""


def _source(row: Row[Any]) -> Source:
    values = dict(row._mapping)  # noqa: SLF001 - the public name of this attribute
    values["status"] = SourceStatus(values["status"])
    return Source(**values)


def named(connection: Connection, name: str) -> Source | None:
    """The source of this name."""
    row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
    return _source(row) if row else None


def ensure(connection: Connection, name: str, path: bytes, collection: str, rules: str) -> Source:
    """Find or make the row of this name, with this configuration; its documents are left alone.

    See `bulk.register` for what becomes of them.
    """
    values: dict[str, Any] = {"path": path, "collection": collection, "rules": rules}
    found = named(connection, name)
    if found is None:
        connection.execute(
            sources.insert().values(name=name, status=SourceStatus.ONLINE.value, **values)
        )
    else:
        if found.status is SourceStatus.DETACHED:
            values["status"] = SourceStatus.ONLINE.value
            values["reason"] = ""
        connection.execute(update(sources).where(sources.c.id == found.id).values(**values))
    return _source(connection.execute(select(sources).where(sources.c.name == name)).one())


def all_sources(connection: Connection) -> list[Source]:
    """Every source, by name."""
    return [_source(row) for row in connection.execute(select(sources).order_by(sources.c.name))]


def detach_others(connection: Connection, names: Sequence[str]) -> list[str]:
    """Mark the sources that are not among ``names``; returns which are newly detached."""
    gone = [
        source.name
        for source in all_sources(connection)
        if source.name not in names and source.status is not SourceStatus.DETACHED
    ]
    if gone:
        connection.execute(
            update(sources)
            .where(sources.c.name.in_(gone))
            .values(status=SourceStatus.DETACHED.value, reason="not in the configuration")
        )
    return gone


def set_status(connection: Connection, source_id: int, status: SourceStatus, reason: str) -> None:
    """Record whether deletions are believed, and why not; one that is detached stays so."""
    connection.execute(
        update(sources)
        .where(sources.c.id == source_id, sources.c.status != SourceStatus.DETACHED.value)
        .values(status=status.value, reason=reason)
    )


def set_watching(connection: Connection, source_id: int, watching: str) -> None:
    """Record how changes of a source are noticed: ``events``, or ``polling: `` and why."""
    connection.execute(update(sources).where(sources.c.id == source_id).values(watching=watching))


def record_scan(
    connection: Connection, source_id: int, *, device: int | None, nonempty: bool, at: float
) -> None:
    """Remember a complete scan: the device of the root, and that it was seen with files in it."""
    values: dict[str, Any] = {"device": device, "last_scan_at": at}
    if nonempty:
        values["seen_nonempty"] = True
    connection.execute(update(sources).where(sources.c.id == source_id).values(**values))


def skipped(connection: Connection) -> dict[str, int]:
    """Documents that were skipped, by reason without its details."""
    # The reasons are short; details would make a group of each document.
    reason = func.substr(documents.c.reason, 1, _REASON_CHARS)
    rows = connection.execute(
        select(reason, func.count())
        .where(documents.c.status == DocumentStatus.SKIPPED.value)
        .group_by(reason)
    )
    found: dict[str, int] = {}
    for text, number in rows:
        name = (text or "").partition(":")[0]
        found[name] = found.get(name, 0) + number
    return dict(sorted(found.items()))


def counts(connection: Connection) -> dict[int, dict[str, int]]:
    """Documents by source id and status."""
    rows = connection.execute(
        select(documents.c.source_id, documents.c.status, func.count()).group_by(
            documents.c.source_id, documents.c.status
        )
    )
    found: dict[int, dict[str, int]] = {}
    for source_id, status, number in rows:
        found.setdefault(source_id, {})[status] = number
    return found
