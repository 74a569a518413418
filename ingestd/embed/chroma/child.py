"""The process of the managed Chroma server: ``python -m ingestd.embed.chroma.child CONFIG DIR``.

It is Chroma's own server, started with two precautions: it ends when its parent ends, however that
happens, and no file of it can grow without bound (a torn index once made one of 11 GB).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .aside import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

HELD = "held"
"""Last argument of a server that is to wait for a word before it opens the directory."""
PR_SET_PDEATHSIG = 1
LEAST_FILE_LIMIT = 4 * 1024**3
GROWTH = 8
"""No file may grow to more than this many times the largest one at start."""


def end_with_parent(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the parent ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # it ended before we asked


def limit_file_size(directory: Path) -> None:
    """Bound the size of any file this process writes, in bytes."""
    largest = max((file.stat().st_size for file in _files(directory)), default=0)
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = max(LEAST_FILE_LIMIT, GROWTH * largest)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    # Python ignores it. An index that hit the bound is broken: end, and have it looked at.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _files(directory: Path) -> Iterator[Path]:
    """Chroma's files; not those of a broken index that was set aside, which may be huge."""
    for file in directory.rglob("*"):
        if file.is_file() and OURS.isdisjoint(file.relative_to(directory).parts):
            yield file


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
    limit_file_size(directory)
    chromadb_rust_bindings.cli(["chroma", "run", config])


if __name__ == "__main__":
    main()
