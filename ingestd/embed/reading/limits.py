"""What the extraction child denies itself: memory, files, signals, and a life after its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LEAST_DESCRIPTORS = 64
_KIB = 1024
_NICE = 10
"""More of it would starve a child for so long beside busy processes that it passes for stuck."""


def leave_signals_to_parent() -> None:
    """Ignore what is meant for the daemon: it decides when the child ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)


def end_with_parent(parent: int) -> None:
    """Ask the kernel for a SIGKILL when the parent ends (Linux only): a parser may be stuck."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # it ended before we asked


def be_first_to_go() -> None:
    """When the machine runs out of memory, the child ends and not the daemon (Linux only)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def step_back() -> None:
    """Let everybody else compute first."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)


def confine(memory_bytes: int) -> None:
    """Bound what this process may take from now on.

    Args:
        memory_bytes: address space in addition to what it has.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _LEAST_DESCRIPTORS)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_AS, _address_space() + memory_bytes)


def allow_cpu(seconds: float) -> None:
    """Have the kernel end this process when it computes for longer than this, from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(time.process_time() + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _lower(kind: int, limit: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def _address_space() -> int:
    """Address space of this process, in bytes."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return pages * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
