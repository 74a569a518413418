"""Brings the state table in line with the disk: compare, and record every difference.

Events only name paths that may have changed; a scan names them all. Both end here. The comparison
is pure (`compare`); `Reconciler` reads, and applies it in batches. It never deletes: what is not
found is marked, and `Deletions` decides for the whole source.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state import changes, documents, failpoint, runs

from .compare import Comparison, compare
from .deletions import Deletions
from .guard import unusable
from .record import record
from .scanlock import ScanBusyError, ScanLock
from .watch.rules import steps
from .watch.scan import probe_root, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Row

    from ingestd_state.engine import Database

    from .watch.scan import Listing
    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)

BATCH_FILES = 2_000
"""How many files are compared between two write transactions."""
LOCK_WAIT_S = 30.0
"""How long a scan waits for another one of the same source, in whatever process."""


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
    """Writes what the disk says into the state table. Blocking: call it in a thread.

    Attributes:
        database: the state table.
        unreachable: names of the sources whose roots could not be looked at the last time.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.unreachable: set[str] = set()
        self._clock = clock
        self._deletions = Deletions(database, clock)
        self._unsettled: set[str] = set()
        self._stopped = threading.Event()

    def interrupt(self) -> None:
        """Have the scans that run end early, and decide nothing; from any thread, for a stop."""
        self._stopped.set()

    def reconcile(
        self, source: WatchedSource, *, path: bytes = b"", accept_deletes: bool = False
    ) -> Findings:
        """Scan a source, or what is at and below ``path``, and record every difference.

        Raises:
            DatabaseError: the state table cannot be written; what was recorded stays.
            ScanBusyError: another scan of the source does not end.
        """
        findings = Findings()
        with ScanLock(self.database, source.id).held(LOCK_WAIT_S, self._stopped.is_set) as held:
            if not held:
                if self._stopped.is_set():
                    return findings
                raise ScanBusyError(f"another scan of {source.name} goes on")
            started = time.monotonic()
            there = not unusable(probe_root(source.root))
            if there:
                self._scan(source, path, findings)
            if self._stopped.is_set():
                return findings
            self._settle(source, findings, accept=accept_deletes, scanned=there and not path)
            if not path:
                self._record(source, findings, time.monotonic() - started)
        return findings

    def look(self, source: WatchedSource, paths: Sequence[bytes]) -> Findings:
        """Look at paths that may have changed, record what did, and decide about deletions."""
        findings, _ = self.note(source, paths)
        self.decide(source, findings)
        return findings

    def note(self, source: WatchedSource, paths: Sequence[bytes]) -> tuple[Findings, bool]:
        """Look at paths that may have changed, and record what did, but decide nothing.

        Returns:
            What was found; and whether `decide` has something to decide.

        Raises:
            DatabaseError: the state table is away; some of the paths may be recorded.
        """
        findings = Findings()
        if unusable(probe_root(source.root)):
            return findings, True
        missed = False
        for path in paths:
            missed |= self._look_at(source, path, findings)
        return findings, missed or source.name in self._unsettled

    def decide(self, source: WatchedSource, findings: Findings) -> bool:
        """Make tombstones of what is missing, or hold it.

        Args:
            source: the source.
            findings: where to count it.

        Returns:
            False when a scan is at work: it has marked but a part of what is missing, and decides
            at its end; ask again, for what it may have overlooked.

        Raises:
            DatabaseError: the state table is away.
        """
        with ScanLock(self.database, source.id).held(0) as held:
            if held:
                self._settle(source, findings, accept=False, scanned=False)
            return held

    def _settle(
        self, source: WatchedSource, findings: Findings, *, accept: bool, scanned: bool
    ) -> None:
        decided = self._deletions.decide(source, accept=accept, scanned=scanned)
        findings.deleted += decided.deleted
        findings.held += decided.held
        for names, holds in (
            (self.unreachable, decided.reachable),
            (self._unsettled, decided.online),
        ):
            names.discard(source.name) if holds else names.add(source.name)

    def _look_at(self, source: WatchedSource, path: bytes, findings: Findings) -> bool:
        """Record what is at a path; returns whether something is missing."""
        full = os.path.join(source.root, path) if path else source.root
        try:
            os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            with self.database.write() as connection:
                changes.mark_missing_below(connection, source.id, path, now=self._clock())
            return True
        except OSError as error:
            log.warning("path_unknown", source=source.name, path=_text(path), error=str(error))
            return False
        return self._scan(source, path, findings, priority=changes.INTERACTIVE)

    def _scan(
        self, source: WatchedSource, path: bytes, findings: Findings, *, priority: int = 0
    ) -> bool:
        """Compare and record what is at and below a path; returns whether something is missing."""
        visited: set[bytes] = set()
        unseen: set[bytes] = set()
        missed = False
        for batch in _batches(scan(source.root, source.rules, below=path)):
            if not path and self._stopped.is_set():
                return False
            total = Comparison()
            with self.database.read() as connection:
                for listing in batch:
                    visited.add(listing.directory)
                    unseen.update(_unseen(source, listing))
                    total.add(compare(listing, _known(connection, source.id, listing, path)))
            self._apply(source, total, findings, priority)
            missed |= bool(total.missing)
        return self._miss_directories(source, path, visited, unseen) or missed

    def _miss_directories(
        self, source: WatchedSource, path: bytes, visited: set[bytes], unseen: set[bytes]
    ) -> bool:
        """Mark what the table has in directories that the scan did not come to; whether any."""
        with self.database.read() as connection:
            gone = [
                directory
                for directory in documents.directories(connection, source.id, path)
                if directory not in visited and not _is_below_any(directory, unseen)
            ]
        for directory in gone:
            while self._miss_some(source, directory, path):
                pass
        failpoint.reached("reconcile.missing")
        return bool(gone)

    def _miss_some(self, source: WatchedSource, directory: bytes, path: bytes) -> bool:
        """Mark some documents in a directory that is gone; whether there may be more."""
        with self.database.write() as connection:
            ids = documents.present_in(connection, source.id, directory, at=path, limit=BATCH_FILES)
            changes.mark_missing(connection, ids, now=self._clock())
        return len(ids) == BATCH_FILES

    def _apply(
        self, source: WatchedSource, found: Comparison, findings: Findings, priority: int
    ) -> None:
        findings.seen += found.seen
        if not found:
            return
        # A single directory may hold any number of files: others write in between.
        for part in found.parts(BATCH_FILES):
            recorded = record(self.database, source, part, now=self._clock(), priority=priority)
            findings.new += recorded.new
            findings.changed += recorded.changed
            findings.moved += recorded.moved

    def _record(self, source: WatchedSource, findings: Findings, seconds: float) -> None:
        counts = {"source": source.name, **asdict(findings)}
        run = runs.Run("reconcile", self._clock() - seconds, seconds, "done", counts)
        with self.database.write() as connection:
            runs.add(connection, run)
        log.info("reconciled", **counts, seconds=round(seconds, 3))


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
) -> Iterable[Row[Any]]:
    """The rows to compare a listing with: of one file, when the scan was for one file."""
    if not _is_below(listing.directory, path):
        return documents.known_at(connection, source_id, path)
    return documents.stream_in(connection, source_id, listing.directory)


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
