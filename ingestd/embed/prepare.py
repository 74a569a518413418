"""From a document that is due to what is to be done with it: read, compare, have it cut."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ingestd.errors import (
    ChangedWhileReadError,
    DocumentError,
    ExtractionError,
    IngestdError,
    UnreadableError,
)
from ingestd.ports import Fingerprint
from ingestd_state.engine import DatabaseError

from .extract.formats import format_of
from .extract.scans import LATER
from .extract.skip import NoTextError, SkipDocument
from .prepared import Outcome, Prepared
from .reading.file import digest_of
from .reading.guarded import SECRET
from .reading.opening import GoneError, look, look_inside, open_inside
from .reading.parts import Batch, Head, StoppedError
from .secrets import care
from .spool import LONG_CHARACTERS, LONG_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.ports import Chunk, Source
    from ingestd_state.documents import Document

    from .reading.parts import FileCutter, Part
    from .spool import Spool

RACY_S = 2.0
"""A file that was written this shortly before it was read may change within the same clock tick
and keep its times; it is looked at once more (git's rule)."""

PATIENCE = 2
"""After so many reads in which a file changed under our hands, the last read is taken as it is."""


class Preparer:
    """Reads documents and has them cut into chunks. Blocking: call it in a thread.

    Args:
        cutter: cuts open files.
        pipeline: version of the pipeline.
        file_bytes: larger files are skipped.
        spools: makes a place on the disk for the chunks of a long document; without it they are
            kept in memory.
        long_chunks: a document with more chunks, now or before, is a long one.
        care_of: tells which files are not opened, and which are not searched for secrets.
        clock: Unix seconds.
    """

    def __init__(
        self,
        cutter: FileCutter,
        pipeline: str,
        *,
        file_bytes: int,
        spools: Callable[[], Spool] | None = None,
        long_chunks: int = LONG_CHUNKS,
        care_of: care.CareOf = care.guarded,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cutter = cutter
        self._pipeline = pipeline
        self._file_bytes = file_bytes
        self._spools = spools
        self._long_chunks = long_chunks
        self._care_of = care_of
        self._clock = clock
        self._stopping = False

    def stop(self) -> None:
        """Break off a long document, now or later: it is due again at the next start."""
        self._stopping = True

    def prepare(self, document: Document, source: Source) -> Prepared:
        """Read a document; never raises for what the file is or does.

        Raises:
            StoppedError: a stop was asked for in the middle of a long document.
            IngestdError: the extractor is broken, or there is no room for a long document.
            OSError: the same.
            DatabaseError: the same.
        """
        prepared = Prepared(document, source)
        try:
            self._prepare(prepared)
        except DocumentError as error:
            prepared.failed(error)
        except SkipDocument as skip:
            is_later = skip.reason == LATER
            prepared.outcome = Outcome.LATER if is_later else Outcome.SKIPPED
            prepared.reason = str(skip)
            prepared.discard()
        except (IngestdError, DatabaseError, OSError, MemoryError):
            prepared.discard()
            raise
        except Exception as error:  # noqa: BLE001 - whatever nobody foresaw: one document fails
            prepared.failed(ExtractionError(f"{type(error).__name__}: {error}"))
        return prepared

    def _prepare(self, prepared: Prepared) -> None:
        found = self._care_of(prepared.source, prepared.document.path)
        fd = self._open(prepared, found.sealed)
        if fd is None:
            return
        try:
            size = self._digest(prepared, fd)
            # From the read on, so that a batch which takes long looks again by itself.
            now = self._clock()
            prepared.recheck_at = now + RACY_S if _is_racy(prepared.fingerprint, now) else None
            if self._is_busy(prepared, fd):
                return
            if self._is_indexed(prepared):
                prepared.outcome = Outcome.SAME
                return
            self._take(prepared, fd, size, guard=found.guard)
        finally:
            os.close(fd)

    def _open(self, prepared: Prepared, sealed: str) -> int | None:
        """The open file, unless a rule has it sealed; None when it is gone."""
        root, path = prepared.source.root, prepared.document.path
        try:
            if sealed:
                prepared.fingerprint = Fingerprint.of(look_inside(root, path)).sealed()
                raise SkipDocument(SECRET, f"by its name, {sealed}")
            return open_inside(root, path)
        except GoneError:
            prepared.outcome = Outcome.GONE
            return None
        except OSError as error:
            # So that the next scan does not take what was not read for another change.
            with contextlib.suppress(OSError):
                prepared.fingerprint = Fingerprint.of(look(root, path))
            raise _unreadable(error) from error

    def _digest(self, prepared: Prepared, fd: int) -> int:
        """Take fingerprint and digest; how many bytes the file has."""
        try:
            before = os.fstat(fd)
            prepared.fingerprint = Fingerprint.of(before)
            if before.st_size > self._file_bytes:
                raise SkipDocument("too big", f"{before.st_size / 1024**2:.0f} MiB")
            digest, size = digest_of(fd, self._file_bytes + 1)
        except OSError as error:
            raise _unreadable(error) from error
        if size > self._file_bytes:
            raise SkipDocument("too big", "it grew while it was read")
        prepared.digest = digest
        return size

    def _is_busy(self, prepared: Prepared, fd: int, *, changed: bool = False) -> bool:
        """Whether the file changed since it was opened, and another read may be more lucky."""
        changed = changed or Fingerprint.of(os.fstat(fd)) != prepared.fingerprint
        if not changed or prepared.document.attempts >= PATIENCE:
            return False
        prepared.discard()
        prepared.outcome = Outcome.BUSY
        prepared.error = ChangedWhileReadError("changed while it was read")
        return True

    def _is_indexed(self, prepared: Prepared) -> bool:
        """Whether these bytes would give what is indexed; a file without chunks is read again."""
        document = prepared.document
        if (
            prepared.digest != document.digest
            or document.pipeline != self._pipeline
            or document.forced
            or not document.chunk_count
        ):
            return False
        # Its name tells how a file is read.
        named = format_of(document.path) if document.relabel else None
        return not document.relabel or (named is not None and named.mime == document.mime)

    def _take(self, prepared: Prepared, fd: int, size: int, *, guard: bool) -> None:
        """Have the file cut; what the cutter read is what counts."""
        name = prepared.document.path.rpartition(b"/")[2]
        digest = prepared.digest
        try:
            with contextlib.closing(self._cutter.cut(fd, name, size, guard=guard)) as parts:
                for part in parts:
                    self._add(prepared, part)
        except (DocumentError, SkipDocument):
            # Half old and half new, anything may seem wrong with it.
            if self._is_busy(prepared, fd):
                return
            raise
        if self._is_busy(prepared, fd, changed=prepared.digest != digest):
            return
        if not prepared.chunk_total:
            raise NoTextError

    def _add(self, prepared: Prepared, part: Part) -> None:
        if isinstance(part, Head):
            prepared.title, prepared.mime = part.title, part.mime
        elif isinstance(part, Batch):
            self._keep(prepared, part.chunks)
        else:
            prepared.digest = part.digest

    def _keep(self, prepared: Prepared, chunks: list[Chunk]) -> None:
        """Keep chunks in memory, or on the disk once they are many."""
        if prepared.spool is None and self._spools is not None:
            held = [*prepared.chunks, *chunks]
            # Also one that was long: its slots are too many for one plan.
            number = max(len(held), prepared.document.chunk_count)
            if (
                number > self._long_chunks
                or sum(len(chunk.text) for chunk in held) > LONG_CHARACTERS
            ):
                prepared.spool = self._spools()
                prepared.chunks, chunks = [], held
        if prepared.spool is None:
            prepared.chunks += chunks
            return
        if self._stopping:
            raise StoppedError("a long document is left for the next start")
        prepared.spool.add(chunks)


def _is_racy(fingerprint: Fingerprint, now: float) -> bool:
    """Whether the file may change once more without its fingerprint showing it.

    The time of the inode counts as well: an edit whose mtime was put back shows in nothing else,
    and not even there when it happens within the same clock tick.
    """
    times = (fingerprint.mtime_ns / 1e9, fingerprint.ctime_ns / 1e9)
    return any(-RACY_S < now - time_s < RACY_S for time_s in times)


def _unreadable(error: OSError) -> UnreadableError:
    return UnreadableError(f"cannot be read: {error.strerror or error}")
