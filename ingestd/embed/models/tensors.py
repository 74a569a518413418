"""Writing safetensors files, one tensor after the other: memory holds a block, never a model.

The format: eight bytes of length, a header in JSON, the tensors (safetensors 0.4).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from ingestd.errors import ModelRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_ALIGNMENT = 8
_LENGTH_BYTES = 8
_MOST_HEADER = 64 * 1024**2
_HALF_BYTES = 2


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that is to be written in half precision.

    Attributes:
        name: in the model.
        shape: its dimensions.
        blocks: gives its values in order, in arrays of any shape.
    """

    name: str
    shape: tuple[int, ...]
    blocks: Callable[[], Iterable[NDArray[np.float16]]]


def write(path: Path, tensors: Sequence[Tensor]) -> None:
    """Write a file; the same tensors give the same bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + prod(tensor.shape) * _HALF_BYTES
        header[tensor.name] = {
            "dtype": "F16",
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        for tensor in tensors:
            for block in tensor.blocks():
                file.write(block.astype("<f2", copy=False).tobytes())
        if file.tell() != _LENGTH_BYTES + len(text) + end:
            raise ValueError("a tensor is not of the shape that it tells")
        file.flush()
        os.fsync(file.fileno())


def check(path: Path) -> None:
    """See that a file is what it says: a header, and as many bytes as it names.

    Raises:
        ModelRefusedError: it is not.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 0 < length <= min(_MOST_HEADER, size - _LENGTH_BYTES):
            raise ModelRefusedError(f"{path.name} is no safetensors file: its header is missing")
        text = file.read(length)
    try:
        header = json.loads(text)
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        told = _LENGTH_BYTES + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ModelRefusedError(f"{path.name} is no safetensors file: {error!r}") from error
    if told != size:
        raise ModelRefusedError(f"{path.name} is cut off: it has {size:,} of {told:,} bytes")
