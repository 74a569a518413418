"""From a document that is due to what is to be done with it: read, compare, extract, cut."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ingestd.errors import (
    ChangedWhileReadError,
    DocumentError,
    ExtractionError,
    UnreadableError,
)
from ingestd.ports import Fingerprint

from .extract import SkipDocument, extract
from .extract.formats import format_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.ports import Chunk, Source
    from ingestd_state.documents import Document

    from .chunk import Chunker

RACY_S = 2.0
"""A file that was written this shortly before it was read may change within the same clock tick
and keep its times; it is looked at once more (git's rule)."""

PATIENCE = 2
"""After so many reads in which a file changed under our hands, the last read is taken as it is."""

NOWHERE = Fingerprint(0, 0, 0, 0, 0)


class Outcome(Enum):
    """What reading a document came to."""

    SAME = "same"
    """The bytes are those that are indexed; at most its labels have changed."""
    CONTENT = "content"
    """There is something to index."""
    SKIPPED = "skipped"
    """There is nothing to index, for a reason."""
    FAILED = "failed"
    """It could not be read or extracted."""
    BUSY = "busy"
    """It changed while it was read."""
    GONE = "gone"
    """It is not there any more."""


@dataclass(slots=True, eq=False)
class Prepared:
    """A document as read.

    Attributes:
        fingerprint: as of before the read: if the file changed since, the next look sees it.
        digest: SHA-256 of the bytes.
        embedded: how many of its chunks went through the model.
        recheck: the file is so fresh that it must be looked at again.
    """

    document: Document
    source: Source
    outcome: Outcome = Outcome.CONTENT
    fingerprint: Fingerprint = NOWHERE
    digest: bytes = b""
    title: str = ""
    mime: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    reason: str = ""
    error: DocumentError | None = None
    recheck: bool = False
    embedded: int = 0
    started: float = field(default_factory=time.monotonic)

    def failed(self, error: DocumentError) -> Prepared:
        """Turn this into a failure."""
        self.outcome, self.error, self.chunks = Outcome.FAILED, error, []
        return self


class Preparer:
    """Reads documents and cuts them into chunks. Blocking: call it in a thread."""

    def __init__(
        self,
        chunker: Chunker,
        pipeline: str,
        *,
        file_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._chunker = chunker
        self._pipeline = pipeline
        self._file_bytes = file_bytes
        self._clock = clock

    def prepare(self, document: Document, source: Source) -> Prepared:
        """Read a document; never raises for what the file is or does."""
        prepared = Prepared(document, source)
        try:
            self._prepare(prepared)
        except DocumentError as error:
            prepared.failed(error)
        except SkipDocument as skip:
            prepared.outcome, prepared.reason = Outcome.SKIPPED, str(skip)
        except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes in a parser
            prepared.failed(ExtractionError(f"{type(error).__name__}: {error}"))
        return prepared

    def _prepare(self, prepared: Prepared) -> None:
        data = self._read(prepared)
        if data is None:
            return
        document = prepared.document
        prepared.digest = hashlib.sha256(data).digest()
        prepared.recheck = _is_racy(prepared.fingerprint, self._clock())
        if self._is_indexed(prepared):
            prepared.outcome = Outcome.SAME
            return
        extracted = extract(data, document.path)
        prepared.title, prepared.mime = extracted.title, extracted.mime
        prepared.chunks = list(self._chunker.chunks(extracted))
        if not prepared.chunks:
            prepared.outcome, prepared.reason = Outcome.SKIPPED, "no text"

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

    def _read(self, prepared: Prepared) -> bytes | None:
        """The bytes of the file; None when the outcome is settled without them."""
        root, path = prepared.source.root, prepared.document.path
        full = os.path.join(root, path)
        try:
            if not _inside(root, full):
                prepared.outcome = Outcome.GONE
                return None
            with os.fdopen(_open_regular(full), "rb") as file:
                before = os.fstat(file.fileno())
                prepared.fingerprint = Fingerprint.of(before)
                if before.st_size > self._file_bytes:
                    megabytes = before.st_size / 1024**2
                    raise SkipDocument("too big", f"{megabytes:.0f} MiB")
                data = file.read(self._file_bytes + 1)
                after = os.fstat(file.fileno())
                if len(data) > self._file_bytes:
                    raise SkipDocument("too big", "it grew while it was read")
        except (FileNotFoundError, NotADirectoryError):
            prepared.outcome = Outcome.GONE
            return None
        except OSError as error:
            if error.errno == errno.ENXIO:  # replaced by something that is no file
                prepared.outcome = Outcome.GONE
                return None
            # So that the next scan does not take what was not read for another change.
            with contextlib.suppress(OSError):
                prepared.fingerprint = Fingerprint.of(_look(full))
            raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
        changed = Fingerprint.of(after) != prepared.fingerprint
        if changed and prepared.document.attempts < PATIENCE:
            prepared.outcome = Outcome.BUSY
            prepared.error = ChangedWhileReadError("changed while it was read")
            return None
        return data


def _is_racy(fingerprint: Fingerprint, now: float) -> bool:
    """Whether the file may change once more without its fingerprint showing it.

    The time of the inode counts as well: an edit whose mtime was put back shows in nothing else,
    and not even there when it happens within the same clock tick.
    """
    times = (fingerprint.mtime_ns / 1e9, fingerprint.ctime_ns / 1e9)
    return any(-RACY_S < now - time_s < RACY_S for time_s in times)


def _inside(root: bytes, full: bytes) -> bool:
    """Whether a path leads to a place within its source: a link on the way may lead out of it."""
    top = os.path.realpath(root)
    return os.path.realpath(full).startswith(top.rstrip(b"/") + b"/")


def _look(path: bytes) -> os.stat_result:
    """Look at what a path leads to, through links."""
    return os.stat(path)  # noqa: PTH116 - bytes paths


def _open_regular(path: bytes) -> int:
    """Open without waiting for a writer, should it be a pipe; only regular files are read."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ENXIO, "not a regular file")
    return fd
