"""Calls of the kernel that Python does not know, and what they said."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache


@cache
def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def is_linux() -> bool:
    """Whether there is a Linux kernel below; not a constant for the type checker."""
    return sys.platform == "linux"


def checked(result: int) -> int:
    """The result of a call.

    Raises:
        OSError: the call failed.
    """
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def syscall(number: int, *arguments: object) -> int:
    """Call the kernel by number.

    Raises:
        OSError: it refused.
    """
    call = libc().syscall
    call.restype = ctypes.c_long
    return checked(call(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: object) -> int:
    """Change something about this process.

    Raises:
        OSError: the kernel refused.
    """
    rest = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    rest += [ctypes.c_ulong(0)] * (4 - len(rest))
    return checked(libc().prctl(option, *rest))
