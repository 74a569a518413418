"""Tells a shortage of memory from other failures of a model, whatever the library calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLASSES = frozenset({"OutOfMemoryError", "_ArrayMemoryError"})
"""Of torch, on a GPU (a RuntimeError), and of numpy (a MemoryError)."""
_MESSAGES = (
    "bad_alloc",  # the C++ library, through ONNX Runtime
    "bad allocation",  # the same on other systems
    "failed to allocate memory",  # ONNX Runtime's arena
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # the system
    "out of memory",  # drivers of GPUs
    "not enough memory",
)


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory was short, itself or by what caused it."""
    return any(_says_so(one) for one in _chain(error))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in _CLASSES:
        return True
    if not isinstance(error, (RuntimeError, OSError)) and type(error).__module__ == "builtins":
        return False
    message = str(error).lower()
    return any(part in message for part in _MESSAGES)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
