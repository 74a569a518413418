"""What a process and all processes below it hold in memory.

Told as PSS: a page that several processes map counts once, in equal parts. Their sum is what really
is in memory, while a sum of RSS counts the libraries that the daemon, the Chroma server and the
extraction child share once for each. Where the kernel does not tell it, RSS without shared pages
stands in.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROC = Path("/proc")
DAEMON = "daemon"
ROLES = {
    "ingestd.embed.chroma.child": "chroma",
    "ingestd.embed.reading.child": "extraction",
    "ingestd.embed.chroma.build": "compaction",
    "ingestd.embed.chroma.squeeze": "compaction",
    "ingestd.embed.chroma.examine": "examination",
    "ingestd.embed.engines.exporting": "export",
    "ingestd.embed.engines.measuring": "measurement",
}
"""What the children of the daemon are for, by the module that they run."""
OTHER = "other"
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        pid: its number.
        parent: the number of the process that started it.
        name: what it runs, as far as its command line tells.
        rss: bytes in memory that it maps, shared ones included.
        pss: its part of the bytes in memory.
    """

    pid: int
    parent: int
    name: str
    rss: int
    pss: int


def tree(pid: int, proc: Path = PROC) -> list[Process]:
    """A process and all below it, the process first; those that end meanwhile are left out.

    Empty where there is no proc file system, or no such process. Blocking: about a millisecond
    for each 100 MB.
    """
    found = []
    for number, parent in _family(pid, proc):
        process = look(number, parent, proc)
        if process is not None:
            found.append(process)
    return found


def by_role(found: list[Process]) -> dict[str, list[Process]]:
    """The processes of a `tree` by what they are for; the first is the daemon."""
    roles: dict[str, list[Process]] = defaultdict(list)
    for at, process in enumerate(found):
        roles[ROLES.get(process.name, OTHER) if at else DAEMON].append(process)
    return dict(roles)


def look(pid: int, parent: int = 0, proc: Path = PROC) -> Process | None:
    """One process; None when it is not there."""
    folder = proc / str(pid)
    try:
        pages = (folder / "statm").read_text("ascii").split()
        name = _name((folder / "cmdline").read_bytes())
    except (OSError, UnicodeError):
        return None
    if len(pages) < 3:  # noqa: PLR2004 - size, resident, shared
        return None
    rss, shared = int(pages[1]) * _PAGE, int(pages[2]) * _PAGE
    return Process(pid, parent, name, rss, _pss(folder) or max(0, rss - shared))


def _pss(folder: Path) -> int:
    """The kernel's own sum; 0 where it does not tell."""
    try:
        with (folder / "smaps_rollup").open("rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
    return 0


def _family(pid: int, proc: Path) -> Iterator[tuple[int, int]]:
    """The process and those below it, with their parents; parents come first."""
    children = _lister(pid, proc)
    waiting = [(pid, 0)]
    while waiting:
        one, parent = waiting.pop()
        yield one, parent
        waiting += [(child, one) for child in children(one)]


def _lister(pid: int, proc: Path) -> Callable[[int], list[int]]:
    """Tells the children of a process: some kernels list them, others have all to be looked at."""
    if (proc / str(pid) / "task" / str(pid) / "children").exists():
        return lambda parent: _listed(parent, proc)
    everybody = _everybody(proc)
    return lambda parent: everybody.get(parent, [])


def _listed(pid: int, proc: Path) -> list[int]:
    """The children that each thread of a process has started."""
    children: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for thread in (proc / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):  # the thread has
                listed = (thread / "children").read_text("ascii")
                children += [int(child) for child in listed.split()]
    return children


def _everybody(proc: Path) -> dict[int, list[int]]:
    """All processes by their parents."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in proc.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                status = (entry / "stat").read_text("utf-8", "replace")
                children[int(status.rpartition(")")[2].split()[1])].append(int(entry.name))
    return children


def _name(cmdline: bytes) -> str:
    """The module or program that a command line names."""
    words = [word.decode("utf-8", "replace") for word in cmdline.split(b"\0") if word]
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return Path(words[0]).name if words else ""
