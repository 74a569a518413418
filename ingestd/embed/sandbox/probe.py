"""Tries what the sandbox should deny: ``python -m ingestd.embed.sandbox.probe``, one line of JSON.

For ``ingestd doctor``: a wall counts when it holds, not when it was asked for.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import walls

if TYPE_CHECKING:
    from collections.abc import Callable


def attempts() -> dict[str, Callable[[], object]]:
    """What must not be possible, by name."""
    strange = Path("/etc/passwd")
    scratch = Path("/tmp") / f"ingestd-probe-{os.getpid()}"  # noqa: S108 - a name that is free

    def write() -> None:
        scratch.touch()
        scratch.unlink()

    def fork() -> None:
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)

    def own() -> None:
        ours, theirs = os.pipe()
        try:
            fcntl.fcntl(ours, fcntl.F_SETOWN, os.getppid())
        finally:
            os.close(ours)
            os.close(theirs)

    def limit() -> None:
        resource.prlimit(os.getppid(), resource.RLIMIT_CORE)

    def slow() -> None:  # to what it is already: this only tries
        as_it_is = os.getpriority(os.PRIO_PROCESS, os.getppid())
        os.setpriority(os.PRIO_PROCESS, os.getppid(), as_it_is)

    return {
        "open a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "write a file": write,
        "read another file": strange.read_bytes,
        "start a process": fork,
        "signal another process": lambda: os.kill(os.getppid(), 0),
        "have the kernel signal another process": own,
        "change the limits of another process": limit,
        "slow another process down": slow,
    }


def main() -> None:
    """Enter the sandbox, and tell what is still possible."""
    tried = attempts()
    held = walls.enter()
    possible = []
    for name, attempt in tried.items():
        try:
            attempt()
        except OSError:
            continue
        possible.append(name)
    json.dump({"walls": held.as_dict(), "possible": possible}, sys.stdout)


if __name__ == "__main__":
    main()
