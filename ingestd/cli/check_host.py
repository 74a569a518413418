"""Checks of the host that runs the daemon: its clock, its memory, its control groups."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.memory import cgroup
from ingestd.visible import counted
from ingestd.watch import mounts

from . import output, table
from .checks import Check, Finding

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.location import Location

TIMEX_BYTES = 512
"""More than the kernel's ``struct timex`` has anywhere; all zero, it only asks."""
UNSYNCHRONISED = 5
SKEW_S = 2.0
VOLATILE = frozenset({"tmpfs", "ramfs"})
LAYERED = frozenset({"overlay", "aufs"})
BASE_BYTES = 450 * 1024**2
"""Daemon, parser and an empty Chroma."""
VECTOR_BYTES = 2_200
"""What Chroma keeps of a chunk in memory: measured with 384 dimensions."""
LEAST_TASKS = 128
MEMINFO = Path("/proc/meminfo")


def clock(_settings: Settings, location: Location) -> Iterator[Finding]:
    """The clock is right, and that of the state directory goes with it."""
    state = _adjtimex()
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if state is None:
        yield Finding("clock", "ok", f"{now}; whether it is synchronised cannot be told here")
    elif state == UNSYNCHRONISED:
        mend = "sudo timedatectl set-ntp true"
        said = f"{now}, not synchronised: times in the index may be wrong, waits may jump"
        yield Finding("clock", "warn", said, mend)
    else:
        yield Finding("clock", "ok", f"{now}, synchronised")
    skew = _skew(location.state_dir)
    if skew is not None and abs(skew) > SKEW_S:
        mend = "Have both machines take the time from the same place."
        said = f"files there are {skew:+.0f} s by the clock of this machine"
        yield Finding("clock of the state directory", "fail", said, mend)


def lasting(_settings: Settings, location: Location) -> Iterator[Finding]:
    """What is indexed is there after a restart of the machine or container."""
    directory = location.state_dir
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    here = mounts.around(os.fsencode(nearest.resolve()), mounts.table())
    kind = here.kind if here else ""
    if kind in VOLATILE:
        mend = "Name a folder on a disk: --state-dir, or `StateDirectory=` of the unit."
        yield Finding("state directory lasts", "warn", f"{kind}: lost at the next start", mend)
    elif kind in LAYERED:
        mend = f"Mount a volume at {directory}."
        said = f"{kind}: in a container, lost with it"
        yield Finding("state directory lasts", "warn", said, mend)


def memory(settings: Settings, location: Location) -> Iterator[Finding]:
    """What the kernel allows is enough for the vectors that there are."""
    owner = table.running(location)
    proc = Path("/proc") / (str(owner.pid) if owner else "self")
    allowed = cgroup.allowed(proc)
    bounds = [bound for bound in (allowed.max, settings.memory.max or None, _installed()) if bound]
    if not bounds:
        yield Finding("memory", "ok", "how much there is cannot be told")
        return
    number = _vectors(location)
    needed = BASE_BYTES + number * VECTOR_BYTES
    whose = "its control group" if allowed.max == min(bounds) else "this machine"
    if settings.memory.max and settings.memory.max == min(bounds):
        whose = "`memory.max`"
    what = f"with {counted(number, 'chunk')} it takes about {output.size(needed)}"
    said = f"{output.size(min(bounds))} by {whose}; {what}"
    if needed > min(bounds):
        mend = f"systemctl set-property ingestd MemoryMax={_rounded(2 * needed)}"
        yield Finding("memory", "fail", said, mend)
    elif 2 * needed > min(bounds) and number:
        mend = f"systemctl set-property ingestd MemoryMax={_rounded(3 * needed)}"
        yield Finding("memory", "warn", f"{said}: room for less than twice as many", mend)
    else:
        yield Finding("memory", "ok", said)


def tasks(_settings: Settings, location: Location) -> Iterator[Finding]:
    """The control group allows as many threads as daemon and Chroma have."""
    owner = table.running(location)
    most = cgroup.tasks(Path("/proc") / (str(owner.pid) if owner else "self"))
    if most is not None and most < LEAST_TASKS:
        mend = "systemctl set-property ingestd TasksMax=512"
        yield Finding("tasks", "fail", f"its control group allows {most} threads", mend)
    elif most is not None:
        yield Finding("tasks", "ok", f"{most:,} threads allowed")


def _adjtimex() -> int | None:
    """The state of the kernel's clock; None where nobody can tell."""
    try:
        found = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return found if found >= 0 else None


def _skew(directory: Path) -> float | None:
    """By how many seconds the time of a new file differs; None where none can be made."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-") as file:
            return os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        return None


def _vectors(location: Location) -> int:
    from ingestd.errors import NotFoundError
    from ingestd_state import chunks

    try:
        with table.opened(location) as database, database.read() as connection:
            return chunks.count_live(connection)
    except NotFoundError:
        return 0


def _installed() -> int | None:
    try:
        line = next(line for line in MEMINFO.read_text("ascii").splitlines() if "MemTotal" in line)
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _rounded(size: float) -> str:
    return f"{max(1, -(-int(size) // 1024**3))}G"


CHECKS: tuple[Check, ...] = (clock, lasting, memory, tasks)
