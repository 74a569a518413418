"""Writing ONNX files without further packages.

An ONNX file is a protocol buffer; a graph of a few operators needs only the handful of message
fields below. Their numbers are those of ``onnx.proto`` (ONNX, IR version 9).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Attribute = int | float | str | list[int]

MAX_BYTES = 2**31 - 2**20
"""Protocol buffers end at 2 GiB."""

_IR_VERSION = 9
_OPSET = 20
_TYPES = {"float32": 1, "int64": 7}
_VARINT, _LENGTH, _FIXED32 = 0, 2, 5
_INT, _FLOAT, _STRING, _INTS = 2, 1, 3, 7  # kinds of attribute


class Graph:
    """A graph under construction. Values are known by their names, as in ONNX.

    Args:
        name: shown by tools.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts: list[bytes] = []
        self._made = 0

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Add a constant; weights are such."""
        name = self._next("c")
        dims = b"".join(_integer(1, size) for size in array.shape)
        kind = _integer(2, _TYPES[array.dtype.name])
        raw = np.ascontiguousarray(array).tobytes()
        self._parts.append(_message(5, dims + kind + _text(8, name) + _message(9, raw)))
        return name

    def numbers(self, *values: int) -> str:
        """Add a constant list of integers, as axes and shapes are."""
        return self.constant(np.array(values, dtype=np.int64))

    def scalar(self, value: float) -> str:
        """Add a constant float without dimensions."""
        return self.constant(np.array(value, dtype=np.float32))

    def add(self, operator: str, *inputs: str, result: str = "", **attributes: Attribute) -> str:
        """Add a node with one output.

        Args:
            operator: of the default operator set.
            inputs: names of values.
            result: name of the output; by default a fresh one.
            attributes: by their names in the operator's definition.

        Returns:
            The name of the output.
        """
        output = result or self._next("v")
        node = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, operator)
        node += b"".join(_attribute(name, value) for name, value in attributes.items())
        self._parts.append(_message(1, node))
        return output

    def input(self, name: str, kind: str, shape: Sequence[str | int]) -> str:
        """Declare an input; a dimension with a name is free."""
        self._parts.append(_value(11, name, kind, shape))
        return name

    def output(self, name: str, kind: str, shape: Sequence[str | int]) -> None:
        """Declare a value as an output."""
        self._parts.append(_value(12, name, kind, shape))

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            ValueError: the graph with its weights is too large for the format.
        """
        size = sum(map(len, self._parts))
        if size > MAX_BYTES:
            raise ValueError(f"{size / 1e9:.1f} GB of weights do not fit into one ONNX file")
        name = _text(2, self._name)
        with path.open("wb") as file:
            file.write(_integer(1, _IR_VERSION) + _message(8, _text(1, "") + _integer(2, _OPSET)))
            file.write(_tag(7, _LENGTH) + _varint(size + len(name)) + name)
            file.writelines(self._parts)

    def _next(self, letter: str) -> str:
        self._made += 1
        return f"{letter}{self._made}"


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative numbers are written in two's complement
    out = bytearray()
    while rest := value >> 7:
        out.append(value & 0x7F | 0x80)
        value = rest
    out.append(value)
    return bytes(out)


def _tag(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _integer(field: int, value: int) -> bytes:
    return _tag(field, _VARINT) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _tag(field, _LENGTH) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        content, kind = _integer(3, value), _INT
    elif isinstance(value, float):
        content, kind = _tag(2, _FIXED32) + struct.pack("<f", value), _FLOAT
    elif isinstance(value, str):
        content, kind = _text(4, value), _STRING
    else:
        content, kind = b"".join(_integer(8, item) for item in value), _INTS
    return _message(5, _text(1, name) + content + _integer(20, kind))


def _value(field: int, name: str, kind: str, shape: Sequence[str | int]) -> bytes:
    dims = (_text(2, size) if isinstance(size, str) else _integer(1, size) for size in shape)
    tensor = _integer(1, _TYPES[kind]) + _message(2, b"".join(_message(1, dim) for dim in dims))
    return _message(field, _text(1, name) + _message(2, _message(1, tensor)))
