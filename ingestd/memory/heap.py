"""The C library's heap: giving back what is free in it.

What Python and the libraries free stays with the allocator of the C library, in the hope that it is
needed again. After much work, or when memory is short, it is better given back.
"""

from __future__ import annotations

import ctypes
import gc
from functools import lru_cache
from typing import Any

LARGE_BYTES = 1024**2
"""From this size on a block of memory is large."""
_M_MMAP_THRESHOLD = -3


def trim() -> bool:
    """Give free pages back to the system, in all arenas; whether there were any.

    Blocking, some milliseconds; other threads go on. Does nothing where the C library is not
    glibc.
    """
    library = _library()
    return library is not None and bool(library.malloc_trim(0))


def collect() -> None:
    """Drop what only reference cycles hold, and give back what comes free; blocking."""
    gc.collect()
    trim()


def tune() -> bool:
    """Have large blocks come from the system and go back to it at once; whether that is so now.

    By default glibc keeps blocks of up to 32 MB once it has seen such, and what is large and short
    lived, as activations are, holds the heap open. For the whole process, and cheap to repeat.
    """
    library = _library()
    return library is not None and bool(library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))


@lru_cache(maxsize=1)
def _library() -> Any:
    """The C library that runs in this process; None when it cannot trim."""
    try:
        library = ctypes.CDLL(None)
        library.malloc_trim.argtypes = [ctypes.c_size_t]
        library.malloc_trim.restype = ctypes.c_int
        library.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
        library.mallopt.restype = ctypes.c_int
    except (OSError, AttributeError, TypeError):
        return None
    return library
