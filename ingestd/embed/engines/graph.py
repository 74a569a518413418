"""Writing ONNX files without further packages.

An ONNX file is a protocol buffer; a graph of a few operators needs only the handful of message
fields below. Their numbers are those of ``onnx.proto`` (ONNX, IR version 9). Weights lie in a file
beside it, which the engines map into memory: what they do not touch takes none.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Constant = NDArray[np.float32] | NDArray[np.int64] | NDArray[np.int8]

WEIGHTS = "weights.bin"
Attribute = int | float | str | list[int]

_IR_VERSION = 9
_OPSET = 20
_TYPES = {"float32": 1, "int8": 3, "int64": 7}
_BESIDE_BYTES = 16 * 1024
"""From this size on a constant is a weight; what is smaller, engines want to see in the graph."""
_PAGE = 4096
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
        self._weights: list[tuple[int, Constant]] = []
        self._end = 0
        self._made = 0

    def constant(self, array: Constant) -> str:
        """Add a constant; weights are such. It must not be changed until the graph is written."""
        name = self._next("c")
        dims = b"".join(_integer(1, size) for size in array.shape)
        tensor = dims + _integer(2, _TYPES[array.dtype.name]) + _text(8, name)
        if array.nbytes < _BESIDE_BYTES:
            tensor += _message(9, np.ascontiguousarray(array).tobytes())
        else:
            start = -(-self._end // _PAGE) * _PAGE  # pages are what can be mapped
            self._weights.append((start, array))
            self._end = start + array.nbytes
            place = {"location": WEIGHTS, "offset": str(start), "length": str(array.nbytes)}
            tensor += b"".join(
                _message(13, _text(1, key) + _text(2, value)) for key, value in place.items()
            )
            tensor += _integer(14, 1)  # the data are not here
        self._parts.append(_message(5, tensor))
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
        self._node(operator, inputs, [output], attributes)
        return output

    def add_many(self, operator: str, *inputs: str, outputs: int) -> list[str]:
        """Add a node with several outputs; returns their names."""
        names = [self._next("v") for _ in range(outputs)]
        self._node(operator, inputs, names, {})
        return names

    def input(self, name: str, kind: str, shape: Sequence[str | int]) -> str:
        """Declare an input; a dimension with a name is free."""
        self._parts.append(_value(11, name, kind, shape))
        return name

    def output(self, name: str, kind: str, shape: Sequence[str | int]) -> None:
        """Declare a value as an output."""
        self._parts.append(_value(12, name, kind, shape))

    def write(self, path: Path) -> None:
        """Write the file, and its weights as `WEIGHTS` beside it."""
        size = sum(map(len, self._parts))
        name = _text(2, self._name)
        with path.with_name(WEIGHTS).open("wb") as file:
            for start, array in self._weights:
                file.seek(start)
                file.write(np.ascontiguousarray(array).data)
        with path.open("wb") as file:
            file.write(_integer(1, _IR_VERSION) + _message(8, _text(1, "") + _integer(2, _OPSET)))
            file.write(_tag(7, _LENGTH) + _varint(size + len(name)) + name)
            file.writelines(self._parts)

    def _node(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: Mapping[str, Attribute],
    ) -> None:
        node = b"".join(_text(1, name) for name in inputs)
        node += b"".join(_text(2, name) for name in outputs) + _text(4, operator)
        node += b"".join(_attribute(name, value) for name, value in attributes.items())
        self._parts.append(_message(1, node))

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
