"""Compares the files of a source with the state table, a directory at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ingestd.compare import compare
from ingestd.guard import Devices, judge, unusable
from ingestd.watch.scan import probe_root, scan
from ingestd_state import documents
from ingestd_state.status import DocumentStatus, SourceStatus

from .findings import Finding, Kind, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Row

    from ingestd.ports import Fingerprint
    from ingestd.watch.rules import Rules
    from ingestd.watch.scan import Listing
    from ingestd_state.engine import Database
    from ingestd_state.sources import Source

    from .findings import Summary

WAITING = frozenset(
    status.value
    for status in (DocumentStatus.PENDING, DocumentStatus.WORKING, DocumentStatus.FAILED)
)
"""Whoever is in one of these states is read again before long."""


class DiskCheck:
    """Finds files that the table does not know as they are, and documents without a file."""

    def __init__(self, database: Database, summary: Summary) -> None:
        self._database = database
        self._summary = summary

    def findings(self, source: Source, rules: Rules) -> Iterator[Finding]:
        """What differs in a source; nothing is said of what cannot be looked at."""
        if why := unusable(probe_root(source.path)):
            self._summary.notes.append(f"{source.name}: {why}; its files were not looked at")
            return
        for listing in scan(source.path, rules):
            if listing.unreadable is not None:
                where = listing.directory.decode("utf-8", "backslashreplace") or "."
                self._summary.notes.append(f"{source.name}: {where}: {listing.unreadable}")
            self._summary.files += len(listing.files)
            with self._database.read() as connection:
                rows = documents.known_in(connection, source.id, listing.directory)
            yield from _present(source, listing, rows)
        gone = hidden = 0
        for row, devices in self._gone(source, rules):
            gone += 1
            hidden += _is_hidden(row, devices)
        if hidden:
            self._summary.notes.append(
                f"{source.name}: {hidden:,} documents were on a file system that is not there now"
            )
        if gone > hidden and self._believed(source, gone):
            for row, devices in self._gone(source, rules):
                if not _is_hidden(row, devices):
                    yield _orphan(source, row)

    def at(self, source: Source, rules: Rules, path: bytes) -> Finding | None:
        """What differs at one path now."""
        if unusable(probe_root(source.path)):
            return None
        listing = next(scan(source.path, rules, below=path), None)
        with self._database.read() as connection:
            rows = documents.known_at(connection, source.id, path)
        if listing is not None and listing.unreadable is not None:
            return None
        if listing is not None and listing.directory != path:
            return next(_present(source, listing, rows), None)
        devices = Devices(source.path)
        lost = (row for row in rows if _is_lost(row) and not _is_hidden(row, devices))
        return next((_orphan(source, row) for row in lost), None)

    def _gone(self, source: Source, rules: Rules) -> Iterator[tuple[Row[Any], Devices]]:
        """Rows of documents without a file, tombstones left out.

        Asked directory by directory of the table, so that no list of those on disk is needed.
        """
        devices = Devices(source.path)
        with self._database.read() as connection:
            for directory in documents.directories(connection, source.id):
                there = _names(source, rules, directory)
                if there is None:
                    continue
                cut = len(directory) + 1 if directory else 0
                for row in documents.known_in(connection, source.id, directory):
                    if row.path[cut:] not in there and _is_lost(row):
                        yield row, devices

    def _believed(self, source: Source, gone: int) -> bool:
        """Whether a scan would take out what is gone; a source that it holds is noted."""
        if not gone:
            return False
        with self._database.read() as connection:
            total = documents.total(connection, source.id)
        root = probe_root(source.path)
        status, reason = judge(source, root, missing=gone, total=total, accept=False)
        if status is not SourceStatus.ONLINE:
            self._summary.notes.append(
                f"{source.name} is {status.value}: {reason}; {gone:,} documents without a file stay"
            )
        return status is SourceStatus.ONLINE


def _names(source: Source, rules: Rules, directory: bytes) -> frozenset[bytes] | None:
    """Names of the files in a directory, with those that nobody can tell; None: nobody can."""
    listing = next(scan(source.path, rules, below=directory), None)
    if listing is not None and listing.unreadable is not None:
        return None
    if listing is None or listing.directory != directory:
        return frozenset()
    return listing.unknown.union(name for name, _ in listing.files)


def _is_hidden(row: Any, devices: Devices) -> bool:
    """Whether the file may be there still, on a file system that is not mounted."""
    return devices.hides(row)


def _is_lost(row: Row[Any]) -> bool:
    return str(row.status) != DocumentStatus.DELETED.value


def _present(source: Source, listing: Listing, rows: Sequence[Row[Any]]) -> Iterator[Finding]:
    """Files that the table does not know, or not as they are."""
    found = compare(listing, rows)
    for path, _ in found.new:
        yield Finding(
            Kind.MISSING,
            Remedy.SCAN,
            expected="a document",
            found="the state table does not know the file",
            source=source.name,
            path=path,
        )
    by_id = {row.id: row for row in rows}
    now = dict(listing.files)
    for document_id in found.changed:
        row = by_id[document_id]
        if row.status not in WAITING:
            yield _changed(source, row, now[row.path.rpartition(b"/")[2]])


def _changed(source: Source, row: Row[Any], now: Fingerprint) -> Finding:
    came_back = row.status == DocumentStatus.DELETED.value
    then = _shown(row.size, row.mtime_ns, row.ctime_ns, row.inode)
    return Finding(
        Kind.MISSING if came_back else Kind.STALE,
        Remedy.SCAN,
        expected="a document" if came_back else f"the file as it was read: {then}",
        found="the document is about to be deleted"
        if came_back
        else _shown(now.size, now.mtime_ns, now.ctime_ns, now.inode),
        source=source.name,
        path=row.path,
        document_id=row.id,
    )


def _orphan(source: Source, row: Row[Any]) -> Finding:
    return Finding(
        Kind.ORPHAN,
        Remedy.SCAN,
        expected="a file",
        found="the file is gone, or the rules leave it out",
        source=source.name,
        path=row.path,
        document_id=row.id,
    )


def _shown(size: int | None, mtime_ns: int | None, ctime_ns: int | None, inode: int | None) -> str:
    modified, changed = (_moment(moment) for moment in (mtime_ns, ctime_ns))
    return f"{size} bytes, modified {modified}, changed {changed}, inode {inode}"


def _moment(nanoseconds: int | None) -> str:
    if nanoseconds is None:
        return "never"
    whole, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(whole)) + f".{rest:09}"
