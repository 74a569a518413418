"""Where the control socket is, by a name that the kernel takes. Cheap to import.

The address of a Unix socket has room for 107 bytes, a path may be longer. A longer one is reached
through the descriptor of its folder, whose name in ``/proc`` is short.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST = 107
"""Bytes of a path that fit into the address of a socket."""


def socket_of(state_dir: Path) -> Path:
    """The control socket of the daemon on a state directory."""
    return state_dir / "control.sock"


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name for the socket at ``path`` that fits into an address, for as long as the block lasts.

    Raises:
        OSError: its folder is not there, or may not be entered.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
