"""Bytes that are held in memory, read as those of a file are: what is packed in a document."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .file import PIECE_BYTES, FileBytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


class HeldBytes(FileBytes):
    """The bytes of what is packed in a document.

    Args:
        data: all of them.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(-1, len(data))
        self._data = data

    def pieces(self) -> Iterator[bytes]:
        """Yield them, to find out about them."""
        for start in range(0, self.size, PIECE_BYTES):
            yield self._data[start : start + PIECE_BYTES]

    def content(self) -> Iterator[bytes]:
        """Yield them; nobody asks for their digest."""
        return self.pieces()

    def head(self, size: int) -> bytes:
        """The first of them."""
        return self._data[:size]

    def read(self) -> bytes:
        """All of them."""
        return self._data

    def view(self) -> BinaryIO:
        """They as a stream to be sought in."""
        return io.BytesIO(self._data)

    def stream(self) -> BinaryIO:
        """The same."""
        return self.view()

    def settle(self) -> None:
        """Nothing: nobody else has them."""
