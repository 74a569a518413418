"""The bytes of a compressed file as a stream, never more of them in hand than were asked for."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol

from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

XZ_BYTES = 128 * 1024 * 1024
"""Memory that unpacking may take: a small file may ask for 4 GiB."""
_PIECE_BYTES = 64 * 1024
_GZIP = 31  # zlib's word for its own header, or that of gzip
MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Gzip:
    """What zlib has, in the form that the others have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_MAKERS: dict[bytes, Callable[[], _Decompressor]] = {
    MAGICS[0]: _Gzip,
    MAGICS[1]: bz2.BZ2Decompressor,
    MAGICS[2]: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_BYTES),
}


def unpacked(file: BinaryIO, spend: Callable[[int], None]) -> io.RawIOBase | None:
    """What a compressed file unpacks to; None when it is none.

    Args:
        file: the file.
        spend: told of each piece before it is handed out.
    """
    file.seek(0)
    head = file.read(max(map(len, MAGICS)))
    file.seek(0)
    magic = next((magic for magic in MAGICS if head.startswith(magic)), None)
    return None if magic is None else _Unpacked(file, magic, spend)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes, one behind the other; several compressed streams are one."""

    def __init__(self, file: BinaryIO, magic: bytes, spend: Callable[[int], None]) -> None:
        self._file = file
        self._magic = magic
        self._maker = _MAKERS[magic]
        self._inner = self._maker()
        self._spend = spend
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        most = min(len(room), _PIECE_BYTES)
        try:
            data = self._some(most) if most else b""
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise ExtractionError(f"damaged archive: {error}") from error
        self._spend(len(data))
        room[: len(data)] = data
        return len(data)

    def _some(self, most: int) -> bytes:
        """Some bytes; none at the end."""
        while True:
            data = self._inner.decompress(self._waiting, most)
            self._waiting = b""
            if data:
                return data
            if self._inner.eof:
                rest = self._inner.unused_data.lstrip(b"\0")
                self._waiting = rest or self._file.read(_PIECE_BYTES).lstrip(b"\0")
                if not self._waiting.startswith(self._magic):  # nothing, or nothing of ours
                    return b""
                self._inner = self._maker()
            elif not (piece := self._file.read(_PIECE_BYTES)):
                raise EOFError("its end is missing")
            else:
                self._waiting = piece
