"""What a running daemon holds: its processes by what they are for, and its files by what they are.

Read from outside, with no help of the daemon but its state table.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.memory import processes

if TYPE_CHECKING:
    from benchmarks.daemon import Daemon

DAEMON, CHROMA, EXTRACTION = processes.DAEMON, "chroma", "extraction"
ROLES = (DAEMON, CHROMA, EXTRACTION)
"""The others are counted with the extraction: they are short."""
FILES = {"chroma": "chroma", "state": "state.db", "vectors": "vectors.db"}
"""What lies in a state directory, and how its names begin."""
BLOCK = 512
"""What `st_blocks` counts in."""
_TICKS = os.sysconf("SC_CLK_TCK")
_OWN, _CHILDREN = slice(11, 13), slice(13, 15)
"""Of the fields of ``/proc/PID/stat`` after the name: time of its own, of children that ended."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a daemon is, and what it holds by then.

    Attributes:
        at_s: since the start.
        documents: indexed.
        chunks: live in the collection.
        rss: bytes resident, by role.
        cpu_s: processor time until now, by role; of children that ended with the extraction.
        disk: bytes on disk, by what they are for.
    """

    at_s: float
    documents: int
    chunks: int
    rss: dict[str, int]
    cpu_s: dict[str, float]
    disk: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        rounded = {role: round(seconds, 2) for role, seconds in self.cpu_s.items()}
        return {**asdict(self), "at_s": round(self.at_s, 2), "cpu_s": rounded}


def look(daemon: Daemon, state: Path, started: float) -> Sample:
    """Look at a daemon that began at ``started``, as the monotonic clock tells it."""
    documents, chunks = daemon.done()
    rss, cpu_s = dict.fromkeys(ROLES, 0), dict.fromkeys(ROLES, 0.0)
    for role, found in processes.by_role(processes.tree(daemon.pid)).items():
        known = role if role in ROLES else EXTRACTION
        for process in found:
            rss[known] += process.rss
            own, ended = used(process.pid)
            cpu_s[known] += own
            cpu_s[EXTRACTION] += ended
    return Sample(time.monotonic() - started, documents, chunks, rss, cpu_s, disk(state))


def used(pid: int) -> tuple[float, float]:
    """Processor seconds of a process, and of its children that ended; 0 where it ended itself."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        own, ended = (sum(map(int, fields[part])) / _TICKS for part in (_OWN, _CHILDREN))
        return own, ended
    return 0.0, 0.0


def disk(state: Path) -> dict[str, int]:
    """Bytes on disk of a state directory, by what they are for."""
    found = dict.fromkeys(FILES, 0)
    for file in state.rglob("*"):
        top = file.relative_to(state).parts[0]
        for name, beginning in FILES.items():
            if top.startswith(beginning):
                with contextlib.suppress(FileNotFoundError):
                    found[name] += file.lstat().st_blocks * BLOCK
    return found
