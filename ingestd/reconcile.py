"""Brings the state table in line with the disk: compare, record, decide about deletions.

Events only name paths that may have changed; a scan names them all. Both end here. The decisions
are pure (`compare`, `guard`); `Reconciler` reads, applies them in batches, and never deletes: it
makes tombstones, and only when the source can be believed.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import asdict, astuple, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state import changes, documents, failpoint, runs, sources
from ingestd_state.status import SourceStatus

from .compare import Comparison, compare
from .guard import judge, unusable
from .ports import Fingerprint, Source
from .watch.rules import steps
from .watch.scan import probe_root, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Row

    from ingestd_state.engine import Database

    from .watch.rules import Rules
    from .watch.scan import Listing

log = structlog.get_logger(__name__)

BATCH_FILES = 2_000
"""How many files are compared between two write transactions."""


@dataclass(frozen=True, slots=True)
class WatchedSource(Source):
    """A source with its rules."""

    rules: Rules


@dataclass(slots=True)
class Findings:
    """What a reconcile found, in documents."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    moved: int = 0
    deleted: int = 0
    held: int = 0

    def add(self, other: Findings) -> None:
        """Take the findings of another source in."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


class Reconciler:
    """Writes what the disk says into the state table. Blocking: call it in a thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._scanning: set[int] = set()

    def reconcile(
        self, source: WatchedSource, *, path: bytes = b"", accept_deletes: bool = False
    ) -> Findings:
        """Scan a source, or what is at and below ``path``, and record every difference.

        Raises:
            DatabaseError: the state table cannot be written; what was recorded stays.
        """
        started = time.monotonic()
        findings = Findings()
        if not unusable(probe_root(source.root)):
            self._scanning.add(source.id)
            try:
                self._scan(source, path, findings)
            finally:
                self._scanning.discard(source.id)
        self._decide(source, findings, accept=accept_deletes, scanned=not path)
        if not path:
            self._record(source, findings, time.monotonic() - started)
        return findings

    def look(self, source: WatchedSource, paths: Sequence[bytes]) -> Findings:
        """Look at paths that may have changed, and record what did."""
        findings = Findings()
        if unusable(probe_root(source.root)):
            self._decide(source, findings, accept=False, scanned=False)
            return findings
        for path in paths:
            self._look_at(source, path, findings)
        # A scan has marked but a part of what is missing: how much it is, it knows at its end.
        if source.id not in self._scanning:
            self._decide(source, findings, accept=False, scanned=False)
        return findings

    def _look_at(self, source: WatchedSource, path: bytes, findings: Findings) -> None:
        full = os.path.join(source.root, path) if path else source.root
        try:
            os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            with self._database.write() as connection:
                changes.mark_missing_below(connection, source.id, path, now=self._clock())
            return
        except OSError as error:
            log.warning("path_unknown", source=source.name, path=_text(path), error=str(error))
            return
        self._scan(source, path, findings, priority=changes.INTERACTIVE)

    def _scan(
        self, source: WatchedSource, path: bytes, findings: Findings, *, priority: int = 0
    ) -> None:
        visited: set[bytes] = set()
        unseen: set[bytes] = set()
        for batch in _batches(scan(source.root, source.rules, below=path)):
            total = Comparison()
            with self._database.read() as connection:
                for listing in batch:
                    visited.add(listing.directory)
                    unseen.update(_unseen(source, listing))
                    total.add(compare(listing, _known(connection, source.id, listing, path)))
            self._apply(source, total, findings, priority)
        self._miss_directories(source, path, visited, unseen)

    def _miss_directories(
        self, source: WatchedSource, path: bytes, visited: set[bytes], unseen: set[bytes]
    ) -> None:
        """Mark what the table has in directories that the scan did not come to."""
        with self._database.read() as connection:
            gone = [
                directory
                for directory in documents.directories(connection, source.id, path)
                if directory not in visited and not _is_below_any(directory, unseen)
            ]
        for directory in gone:
            with self._database.write() as connection:
                rows = documents.known_in(connection, source.id, directory)
                ids = [row.id for row in rows if not path or _is_below(row.path, path)]
                changes.mark_missing(connection, ids, now=self._clock())
        failpoint.reached("reconcile.missing")

    def _apply(
        self, source: WatchedSource, found: Comparison, findings: Findings, priority: int
    ) -> None:
        findings.seen += found.seen
        if not found:
            return
        now = self._clock()
        with self._database.write() as connection:
            changes.mark_changed(connection, found.changed, now=now, priority=priority)
            changes.mark_missing(connection, found.missing, now=now)
            changes.mark_found(connection, found.found)
            findings.changed += len(found.changed)
            for path, fingerprint in found.new:
                known = documents.known_at(connection, source.id, path)
                if known:  # somebody else recorded it since the comparison
                    changes.mark_changed(
                        connection, [row.id for row in known], now=now, priority=priority
                    )
                elif self._moved(connection, source, path, fingerprint, now):
                    findings.moved += 1
                else:
                    changes.add(
                        connection,
                        (source.id, source.name),
                        path,
                        astuple(fingerprint),
                        now=now,
                        priority=priority,
                    )
                    findings.new += 1
            failpoint.reached("reconcile.begun")
        failpoint.reached("reconcile.applied")

    @staticmethod
    def _moved(
        connection: Connection,
        source: WatchedSource,
        path: bytes,
        fingerprint: Fingerprint,
        now: float,
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

    def _decide(
        self, source: WatchedSource, findings: Findings, *, accept: bool, scanned: bool
    ) -> None:
        """Make tombstones of what is missing, or hold them."""
        now = self._clock()
        # Looked at again after the scan: the root may have gone while it was read.
        root = probe_root(source.root)
        with self._database.read() as connection:
            remembered = next(s for s in sources.all_sources(connection) if s.id == source.id)
            missing = changes.count_missing(connection, source.id)
            total = documents.total(connection, source.id)
        status, reason = judge(remembered, root, missing=missing, total=total, accept=accept)
        quiet = status is remembered.status and reason == remembered.reason
        if quiet and not scanned and not missing:
            return
        if missing and status is SourceStatus.ONLINE:
            self._clear_found(source)
        with self._database.write() as connection:
            if status is SourceStatus.ONLINE:
                findings.deleted += changes.bury_missing(connection, source.id, now=now)
                if scanned:
                    sources.record_scan(
                        connection,
                        source.id,
                        device=root.device,
                        nonempty=not root.empty,
                        at=now,
                    )
            else:
                findings.held += missing
            sources.set_status(connection, source.id, status, reason)
            failpoint.reached("reconcile.buried")
        failpoint.reached("reconcile.decided")
        if not quiet and status is not SourceStatus.ONLINE:
            event = "source_offline" if status is SourceStatus.OFFLINE else "source_held"
            hint = f"`ingestd reconcile --accept-deletes {source.name}` deletes what is gone"
            log.warning(event, source=source.name, reason=reason, held=missing, hint=hint)
        elif not quiet:
            log.info("source_online", source=source.name)

    def _clear_found(self, source: WatchedSource) -> None:
        """Look once more for what seems gone: it may have come while the scan was elsewhere."""
        with self._database.read() as connection:
            for document in changes.missing(connection, source.id):
                if _may_be_there(source, document.path):
                    with self._database.write() as writing:
                        changes.mark_found(writing, [document.id])

    def _record(self, source: WatchedSource, findings: Findings, seconds: float) -> None:
        counts = {"source": source.name, **asdict(findings)}
        run = runs.Run("reconcile", self._clock() - seconds, seconds, "done", counts)
        with self._database.write() as connection:
            runs.add(connection, run)
        log.info("reconciled", **counts, seconds=round(seconds, 3))


def _may_be_there(source: WatchedSource, path: bytes) -> bool:
    """Whether a file of ours is at this path, or nobody can tell."""
    listing = next(scan(source.root, source.rules, below=path), None)
    # The listing of the path itself is that of a directory which took the file's place.
    return listing is not None and (listing.unreadable is not None or listing.directory != path)


def _unseen(source: WatchedSource, listing: Listing) -> list[bytes]:
    """The places in a listing below which nobody can say what is there."""
    if listing.unreadable is not None:
        log.warning(
            "directory_unreadable",
            source=source.name,
            path=_text(listing.directory),
            error=listing.unreadable,
        )
        return [listing.directory]
    prefix = listing.directory + b"/" if listing.directory else b""
    return [prefix + name for name in listing.unknown]


def _known(
    connection: Connection, source_id: int, listing: Listing, path: bytes
) -> Sequence[Row[Any]]:
    """The rows to compare a listing with: of one file, when the scan was for one file."""
    if not _is_below(listing.directory, path):
        return documents.known_at(connection, source_id, path)
    return documents.known_in(connection, source_id, listing.directory)


def _batches(listings: Iterable[Listing]) -> Iterator[list[Listing]]:
    """Listings in batches of bounded size, so that no list of all files exists."""
    batch: list[Listing] = []
    files = 0
    for listing in listings:
        batch.append(listing)
        files += len(listing.files) + 1
        if files >= BATCH_FILES:
            yield batch
            batch, files = [], 0
    yield from islice([batch], 1 if batch else 0)


def _is_below(path: bytes, top: bytes) -> bool:
    return not top or path == top or path.startswith(top + b"/")


def _is_below_any(path: bytes, tops: set[bytes]) -> bool:
    if not tops:
        return False
    # As many looks as the path is deep, however many tops there are.
    return b"" in tops or any(step in tops for _, step in steps(path))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
