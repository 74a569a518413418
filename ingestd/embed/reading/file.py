"""The bytes of an open file, piece by piece and up to a size; its offset is left alone."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

from ingestd.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

PIECE_BYTES = 256 * 1024
PROGRESS_BYTES = 32 * 1024 * 1024
HELD_BYTES = 16 * 1024 * 1024
"""A file that is sought in is held in memory up to this size."""


def pieces(fd: int, size: int, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes from a place on, never more than `PIECE_BYTES` at once.

    Args:
        fd: the open file.
        size: where to end; a file that shrank ends before.
        start: where to begin.
    """
    while start < size:
        piece = os.pread(fd, min(PIECE_BYTES, size - start), start)
        if not piece:
            return
        start += len(piece)
        yield piece


def digest_of(fd: int, size: int) -> tuple[bytes, int]:
    """SHA-256 of the first so many bytes, and how many there were."""
    digest = hashlib.sha256()
    length = 0
    for piece in pieces(fd, size):
        digest.update(piece)
        length += len(piece)
    return digest.digest(), length


class FileBytes:
    """One file to be cut: read as often as needed, digested when it is read for good.

    Args:
        fd: the open file.
        size: how many bytes are read at most.
        progress: called now and then while the file is read.

    Attributes:
        size: how many bytes are read at most.
        digest: SHA-256 of what `read` or `content` gave, once it was read to its end.
    """

    def __init__(self, fd: int, size: int, progress: Callable[[], None] = lambda: None) -> None:
        self._fd = fd
        self._progress = progress
        self._read = 0
        self.size = size
        self.digest = b""

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes, to find out about them."""
        for piece in pieces(self._fd, self.size):
            before = self._read // PROGRESS_BYTES
            self._read += len(piece)
            if self._read // PROGRESS_BYTES > before:
                self._progress()
            yield piece

    def content(self) -> Iterator[bytes]:
        """Yield its bytes and digest them."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
            yield piece
        self.digest = digest.digest()

    def head(self, size: int) -> bytes:
        """Its first bytes."""
        return os.pread(self._fd, min(size, self.size), 0)

    def read(self) -> bytes:
        """All of it."""
        data = bytearray()
        for piece in self.content():
            data += piece
        return bytes(data)

    def view(self) -> BinaryIO:
        """Its bytes as a stream to be sought in, to find out about them."""
        return io.BufferedReader(_View(self._fd, self.size), PIECE_BYTES // 4)

    def stream(self) -> BinaryIO:
        """Its bytes as a stream to be sought in, digested; call `settle` when it was read."""
        if self.size <= HELD_BYTES:
            return io.BytesIO(self.read())
        for _ in self.content():
            pass
        return self.view()

    def settle(self) -> None:
        """See that what was read from the stream is what was digested.

        Raises:
            UnreadableError: the file changed meanwhile.
        """
        if self.size <= HELD_BYTES:
            return
        digest = self.digest
        for _ in self.content():
            pass
        if self.digest != digest:
            raise UnreadableError("it changed while it was read")


class _View(io.RawIOBase):
    """The first bytes of an open file, whose own offset is left alone."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        left = max(0, self._size - self._place)
        count = os.preadv(self._fd, [room[:left]], self._place) if left else 0
        self._place += count
        return count
