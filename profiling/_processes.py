"""The processes of a running daemon by their roles, and what they hold together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measure import children, look, reset_peak

if TYPE_CHECKING:
    from collections.abc import Iterable

DAEMON, CHROMA, PARSER, OTHER = "daemon", "chroma", "parser", "other"
ROLES = (DAEMON, CHROMA, PARSER, OTHER)
"""The daemon itself, its Chroma server, the child that reads files, and what else it starts for a
while: to look whether an index is sound, or to build one anew."""
PROGRAMS = {CHROMA: b"ingestd.embed.chroma.child", PARSER: b"ingestd.embed.reading.child"}
BLOCK = 512
"""What `st_blocks` counts in."""


@dataclass(frozen=True, slots=True)
class Held:
    """What some processes hold together: bytes, except the two counts.

    Attributes:
        rss: resident, shared pages counted whole.
        pss: resident, each shared page divided among those who share it.
        peak: the sum of the most that each had resident.
        threads: how many.
        descriptors: how many.
    """

    rss: int = 0
    pss: int = 0
    peak: int = 0
    threads: int = 0
    descriptors: int = 0


def family(pid: int) -> dict[str, list[int]]:
    """The process ids of a daemon and of all below it, by role."""
    found: dict[str, list[int]] = {DAEMON: [pid], CHROMA: [], PARSER: [], OTHER: []}
    own = _command(pid)
    for child in children(pid):
        command = _command(child)
        if command and command != own:  # else it has ended, or is about to become another program
            found[_role(command)].append(child)
    return found


def held(pids: Iterable[int]) -> Held:
    """What these processes hold; one that has ended holds nothing."""
    looks = []
    for pid in pids:
        with contextlib.suppress(OSError):
            looks.append(look(pid))
    return Held(
        rss=sum(seen.rss for seen in looks),
        pss=sum(seen.pss for seen in looks),
        peak=sum(seen.peak for seen in looks),
        threads=sum(seen.threads for seen in looks),
        descriptors=sum(seen.descriptors for seen in looks),
    )


def forget_peaks(pids: Iterable[int]) -> None:
    """Have the peaks of processes begin anew."""
    for pid in pids:
        with contextlib.suppress(OSError):
            reset_peak(pid)


def disk_bytes(folder: Path) -> int:
    """Bytes on disk of all files below a folder."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.lstat().st_blocks * BLOCK
    return total


def _role(command: bytes) -> str:
    return next((role for role, program in PROGRAMS.items() if program in command), OTHER)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
