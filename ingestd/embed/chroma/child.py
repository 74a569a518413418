"""The process of the managed Chroma server: ``python -m ingestd.embed.chroma.child CONFIG DIR``.

It is Chroma's own server, started with two precautions: it ends when its parent ends, however that
happens, and no file of it can grow without bound (a torn index once made one of 11 GB).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from . import ceiling

HELD = "held"
"""Last argument of a server that is to wait for a word before it opens the directory."""
PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the parent ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # it ended before we asked


def wait_for_go() -> None:
    """Say on standard output that everything is loaded, and wait for a line on standard input.

    After it, the output goes where the errors go, and there is no input.
    """
    os.write(1, b"loaded\n")
    os.dup2(2, 1)
    if not os.read(0, 1):
        sys.exit(0)  # whoever would have said so has ended, or does not need us
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def main() -> None:
    """Run the server until SIGTERM."""
    config, directory, parent = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    end_with_parent(parent)
    import chromadb_rust_bindings  # noqa: PLC0415 - only the server's process needs it

    if sys.argv[4:] == [HELD]:
        wait_for_go()
    ceiling.impose(directory)
    chromadb_rust_bindings.cli(["chroma", "run", config])


if __name__ == "__main__":
    main()
