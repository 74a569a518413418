"""A network of its own, with nothing in it, and no rights of the administrator.

A user namespace goes with it wherever that is allowed: it needs no right, and takes those of root.
To be called while the process has one thread.
"""

from __future__ import annotations

import contextlib
import struct

from . import kernel

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE = 4
_CAPABILITIES_3 = 0x20080522


def enter() -> str:
    """Leave the network; returns ``user``, ``network`` (without a user namespace), or nothing."""
    if not kernel.is_linux():
        return ""
    for name, flags in (("user", _CLONE_NEWUSER | _CLONE_NEWNET), ("network", _CLONE_NEWNET)):
        with contextlib.suppress(OSError):
            kernel.checked(kernel.libc().unshare(flags))
            _let_parent_look()
            return name
    return ""


def drop_capabilities() -> bool:
    """Give up every capability; True when none is left."""
    if not kernel.is_linux():
        return False
    header = struct.pack("=Ii", _CAPABILITIES_3, 0)
    with contextlib.suppress(OSError, AttributeError):
        kernel.checked(kernel.libc().capset(header, bytes(24)))
        _let_parent_look()
        return True
    return False


def _let_parent_look() -> None:
    """Whoever changes its rights cannot be measured by others, unless it says so."""
    with contextlib.suppress(OSError):
        kernel.prctl(_PR_SET_DUMPABLE, 1)
