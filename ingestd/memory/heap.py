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
ARENAS = 2
"""Heaps for all threads together."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8


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
    """Have the heap stay small in a process that runs for long; whether it could be told so.

    For the whole process, best before it has threads, and cheap to repeat. By default glibc gives
    nearly each thread an arena of its own, in which stays what the thread has freed: a daemon grew
    by 5 to 13 MiB with each thread that had much to do once. And it keeps blocks of up to 32 MB
    once it has seen such: what is large and short-lived, as activations are, holds the heap open;
    now large blocks come from the system and go back to it at once.
    """
    library = _library()
    if library is None:
        return False
    settings = {_M_ARENA_MAX: ARENAS, _M_MMAP_THRESHOLD: LARGE_BYTES}
    done = [library.mallopt(name, value) for name, value in settings.items()]
    return all(done)


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
