"""Decides what becomes of the documents that were not found: tombstones, or hold them.

What is missing is marked bit by bit, by scans and by looks; here it is judged for the whole source
at once. Tombstones are made only of what can be believed to be deleted, after one more look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ingestd_state import bulk, changes, documents, failpoint, sources
from ingestd_state.status import SourceStatus

from .guard import Devices, judge, unusable
from .watch.scan import probe_root, scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd_state.engine import Database

    from .watch.scan import RootState
    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)

AWAY_LISTED = 10_000
"""So many documents on file systems that went away are told from others; above it, all wait."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the missing documents of a source.

    Attributes:
        deleted: so many became tombstones.
        held: so many wait.
        online: nothing had to be held.
        reachable: the root could be looked at.
    """

    deleted: int
    held: int
    online: bool
    reachable: bool


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to be recorded.

    Attributes:
        status: of the source from now on.
        reason: why it is not online; empty when it is.
        believed: what is missing may go, save what is away.
        away: missing documents on file systems that are not at their places.
    """

    status: SourceStatus
    reason: str
    believed: bool
    away: tuple[str, ...] = ()


class Deletions:
    """Makes tombstones, and only when a source can be believed. Blocking."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        # Of held sources, how many were missing and what was recorded: a file system that stays
        # away shall not have its documents walked at every edit.
        self._held: dict[int, tuple[int, SourceStatus, str]] = {}

    def decide(self, source: WatchedSource, *, accept: bool, scanned: bool) -> Decided:
        """Make tombstones of what is missing, or hold it; only for the holder of the scan lock.

        Args:
            source: the source.
            accept: a person said that the deletions are meant.
            scanned: after a complete scan.

        Raises:
            DatabaseError: the state table is away.
        """
        while True:
            decided = self._try(source, accept=accept, scanned=scanned)
            if decided is not None:
                return decided

    def _try(self, source: WatchedSource, *, accept: bool, scanned: bool) -> Decided | None:
        """Judge, and write it down; None when more went missing meanwhile."""
        # Looked at after the scan: the root may have gone while it was read.
        root = probe_root(source.root)
        with self._database.read() as connection:
            remembered = next(s for s in sources.all_sources(connection) if s.id == source.id)
            missing = changes.count_missing(connection, source.id)
            until = changes.last_missed(connection, source.id) if missing else 0.0
            total = documents.total(connection, source.id)
        reachable = not unusable(root)
        if remembered.status is SourceStatus.DETACHED:  # since it was asked for
            return Decided(0, 0, online=True, reachable=reachable)
        status, reason = judge(remembered, root, missing=missing, total=total, accept=accept)
        before = (remembered.status, remembered.reason)
        as_before = self._held.get(source.id) == (missing, *before)
        if as_before and not accept and not scanned and status is not SourceStatus.OFFLINE:
            return Decided(0, missing, online=False, reachable=reachable)
        verdict = _Verdict(status, reason, believed=status is SourceStatus.ONLINE)
        if missing and not accept and status is not SourceStatus.OFFLINE:
            away = self._find_away(source)
            verdict = _with_away(remembered, root, missing, total, away) if away else verdict
        told = before == (verdict.status, verdict.reason)
        if told and not missing and not scanned:
            online = verdict.status is SourceStatus.ONLINE
            return Decided(0, 0, online=online, reachable=reachable)
        if verdict.believed and missing > len(verdict.away):
            self._clear_found(source, set(verdict.away))
        deleted = self._write(source, verdict, root, (missing, until), scanned=scanned)
        if deleted is None:
            return None
        if not told:
            _tell(source, verdict, missing)
        if verdict.status is SourceStatus.ONLINE:
            self._held.pop(source.id, None)
            return Decided(deleted, 0, online=True, reachable=True)
        self._held[source.id] = (missing - deleted, verdict.status, verdict.reason)
        return Decided(deleted, missing - deleted, online=False, reachable=reachable)

    def _find_away(self, source: WatchedSource) -> tuple[str, ...]:
        """Which missing documents were on a file system that is not at their place now.

        At most one more than `AWAY_LISTED`.
        """
        devices = Devices(source.root)
        ids: list[str] = []
        with self._database.read() as connection:
            for document in changes.missing(connection, source.id):
                if devices.hides(document):
                    ids.append(document.id)
                    if len(ids) > AWAY_LISTED:
                        break
        return tuple(ids)

    def _clear_found(self, source: WatchedSource, away: set[str]) -> None:
        """Look once more for what seems gone: it may have come while the scan was elsewhere."""
        with self._database.read() as connection:
            for document in changes.missing(connection, source.id):
                if document.id not in away and _may_be_there(source, document.path):
                    with self._database.write() as writing:
                        changes.mark_found(writing, [document.id])

    def _write(
        self,
        source: WatchedSource,
        verdict: _Verdict,
        root: RootState,
        judged: tuple[int, float],
        *,
        scanned: bool,
    ) -> int | None:
        """Make the tombstones that a verdict allows, and record it.

        Args:
            source: the source.
            verdict: of it.
            root: as it was looked at.
            judged: how many were missing, and since when at the latest, in Unix seconds.
            scanned: after a complete scan.

        Returns:
            How many; None when more is missing than was judged, and nothing was written.
        """
        missing, until = judged
        deleted, now = 0, self._clock()
        if verdict.believed:
            with self._database.read() as connection:
                if changes.count_missing(connection, source.id) > missing:
                    return None
            deleted = bulk.bury_missing(
                self._database,
                source.id,
                most=missing - len(verdict.away),
                until=until,
                now=now,
                kept=frozenset(verdict.away),
            )
        with self._database.write() as connection:
            if verdict.believed and scanned:
                sources.record_scan(
                    connection, source.id, device=root.device, nonempty=not root.empty, at=now
                )
            sources.set_status(connection, source.id, verdict.status, verdict.reason)
        failpoint.reached("reconcile.decided")
        return deleted


def _with_away(
    remembered: sources.Source,
    root: RootState,
    missing: int,
    total: int,
    away: tuple[str, ...],
) -> _Verdict:
    """The verdict when some of what is missing is but out of sight: the rest is judged alone."""
    number = len(away)
    why = f"{number:,} documents were on a file system that is not mounted there now"
    if number > AWAY_LISTED:
        why = f"more than {AWAY_LISTED:,}{why.removeprefix(f'{number:,}')}"
        return _Verdict(SourceStatus.HELD, why, believed=False)
    rest, total = missing - number, total - number
    status, reason = judge(remembered, root, missing=rest, total=total, accept=False)
    if status is not SourceStatus.ONLINE:
        return _Verdict(status, reason, believed=False)
    return _Verdict(SourceStatus.HELD, why, believed=True, away=away)


def _tell(source: WatchedSource, verdict: _Verdict, missing: int) -> None:
    if verdict.status is SourceStatus.ONLINE:
        log.info("source_online", source=source.name)
        return
    event = "source_offline" if verdict.status is SourceStatus.OFFLINE else "source_held"
    hint = f"`ingestd reconcile --accept-deletes {source.name}` deletes what is gone"
    log.warning(event, source=source.name, reason=verdict.reason, held=missing, hint=hint)


def _may_be_there(source: WatchedSource, path: bytes) -> bool:
    """Whether a file of ours is at this path, or nobody can tell."""
    listing = next(scan(source.root, source.rules, below=path), None)
    # The listing of the path itself is that of a directory which took the file's place.
    return listing is not None and (listing.unreadable is not None or listing.directory != path)
