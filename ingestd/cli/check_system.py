"""Checks of the machine: Python, SQLite, disk space, the kernel's limits, the file systems."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.embed.sandbox.walls import Walls
from ingestd.errors import DiskFullError, NotFoundError
from ingestd.paths import text_of
from ingestd.space import Space
from ingestd.visible import counted
from ingestd.watch import mounts
from ingestd_state.status import SourceStatus

from . import output, table
from .checks import Check, Finding, Level

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.location import Location

LEAST_PYTHON = (3, 11)
SOUND_SQLITE = (3, 51, 3)
NEAR = 0.8
NEAR_FREE = 2
"""Less than this many times what must stay free is worth a warning."""
USUAL_QUEUE = 16_384
PROBE_S = 30.0
INOTIFY = Path("/proc/sys/fs/inotify")
NO_LOCKS = ("nfs", "cifs", "smb")
"""File systems where a lock of one machine may mean nothing on another."""


def python(_settings: Settings, _location: Location) -> Iterator[Finding]:
    """The interpreter is one that ingestd supports."""
    version = platform.python_version()
    if sys.version_info < LEAST_PYTHON:
        yield Finding("Python", "fail", version, "Install Python 3.11 or newer.")
    else:
        yield Finding("Python", "ok", version)


def sqlite(_settings: Settings, _location: Location) -> Iterator[Finding]:
    """SQLite is there; an old one is safe because writers take turns."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SOUND_SQLITE:
        version += ", below 3.51.3: writers take turns by a lock file, as they must"
    yield Finding("SQLite", "ok", version)


def state_directory(settings: Settings, location: Location) -> Iterator[Finding]:
    """The state directory can be written, has space left, and lies where locks hold."""
    directory = location.state_dir
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
        mend = "Give this user the right to write there, or name another with --state-dir."
        yield Finding("state directory", "fail", f"{nearest} cannot be written", mend)
        return
    here = mounts.around(os.fsencode(nearest.resolve()), mounts.table())
    kind = here.kind if here else ""
    free = shutil.disk_usage(nearest).free
    on = f" on {kind}" if kind else ""
    yield Finding("state directory", "ok", f"{directory}{on}, {output.size(free)} free")
    yield from _space(settings.limits.free_bytes, location, nearest)
    if kind.startswith(NO_LOCKS):
        mend = "Move it to a local disk: --state-dir."
        yield Finding("file system", "fail", f"{kind}: locks do not hold there", mend)
    elif here and here.silent:
        mend = "A local disk is safer: --state-dir."
        yield Finding("file system", "warn", f"{kind}: locks may not hold there", mend)


def _space(keep: int, location: Location, nearest: Path) -> Iterator[Finding]:
    """Whether writing waits for space, or soon will."""
    mend = "Free some space, or lower `limits.free_bytes`."
    directories = (nearest, location.chroma_dir)
    steps: tuple[tuple[Level, int], ...] = (("fail", keep), ("warn", NEAR_FREE * keep))
    for level, least in steps:
        try:
            Space(directories, least).check()
        except DiskFullError as error:
            what = "nothing is written until then" if level == "fail" else "that is not much"
            yield Finding("free space", level, f"{error.message}: {what}", mend)
            return


def inotify(settings: Settings, location: Location) -> Iterator[Finding]:
    """The kernel allows a watch for each directory of the sources."""
    limit = _kernel("max_user_watches")
    if limit is None:
        yield Finding("inotify", "warn", "this system has none", "Rely on `watch.reconcile_s`.")
        return
    needed = sum(_directories(root) for root in _roots(settings, location).values())
    message = f"{counted(needed, 'directory')}, {limit:,} watches allowed"
    wanted = 1 << max(19, (needed * 2).bit_length())
    mend = f"sudo sysctl fs.inotify.max_user_watches={wanted}"
    if needed > limit:
        yield Finding("inotify watches", "fail", message, mend)
    elif needed > NEAR * limit:
        yield Finding("inotify watches", "warn", message, mend)
    else:
        yield Finding("inotify watches", "ok", message)
    queue = _kernel("max_queued_events") or 0
    if queue < USUAL_QUEUE:
        mend = f"sudo sysctl fs.inotify.max_queued_events={USUAL_QUEUE}"
        yield Finding("inotify queue", "warn", f"{queue:,} events", mend)
    else:
        yield Finding("inotify queue", "ok", f"{queue:,} events")


def sources(settings: Settings, location: Location) -> Iterator[Finding]:
    """Each source is there, can be read, and lies where events come from."""
    mounted = mounts.table()
    for name, root in _roots(settings, location).items():
        folder = Path(os.fsdecode(root))
        shown = text_of(root)
        label = f"source {name}"
        if not folder.is_dir():
            yield Finding(label, "warn", f"{shown} is not there", "Mount it; nothing was deleted.")
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Finding(label, "fail", f"{shown} cannot be read", "Give this user the right.")
        else:
            real = os.path.realpath(root)
            here = mounts.around(real, mounted)
            if why := mounts.why_silent(real, mounted):
                message = f"{shown}: {why}; it is scanned every {settings.watch.poll_s:g} s"
                yield Finding(label, "warn", message, "Change `watch.poll_s` if that is too rare.")
            else:
                kind = here.kind if here else "an unknown file system"
                yield Finding(label, "ok", f"{shown} on {kind}")


def sandbox(settings: Settings, _location: Location) -> Iterator[Finding]:
    """What keeps in the process that reads files: tried, not asked."""
    if settings.extract.sandbox == "off":
        mend = 'Leave out `extract.sandbox = "off"`, unless a reader of your own needs it.'
        yield Finding("sandbox", "warn", "switched off: limits of memory and time only", mend)
        return
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ingestd.embed.sandbox.probe"],
        capture_output=True,
        check=True,
        timeout=PROBE_S,
    )
    found = json.loads(done.stdout)
    walls = Walls(**found["walls"])
    if possible := found["possible"]:
        mend = f"Use a kernel, or a container, that grants {' and '.join(walls.missing)}."
        yield Finding("sandbox", "warn", f"a hostile file could {', '.join(possible)}", mend)
        return
    parts = [
        {"user": "a user and a network namespace", "network": "a network namespace"}.get(
            walls.network, "no network namespace"
        ),
        f"Landlock {walls.files}" if walls.files else "no Landlock",
        "seccomp" if walls.calls else "no seccomp",
    ]
    yield Finding("sandbox", "ok", f"no network, files or processes: {', '.join(parts)}")


def _roots(settings: Settings, location: Location) -> dict[str, bytes]:
    """The folders of the configuration, and those of the last run, by name."""
    folders = [source.path.expanduser().absolute() for source in settings.sources]
    found = {str(folder): os.fsencode(folder) for folder in folders}
    last = {name: root for name, root in _known(location).items() if root not in found.values()}
    return found | last


def _known(location: Location) -> dict[str, bytes]:
    from ingestd_state import sources as rows

    try:
        with table.opened(location) as database, database.read() as connection:
            return {
                row.name: row.path
                for row in rows.all_sources(connection)
                if row.status is not SourceStatus.DETACHED
            }
    except NotFoundError:
        return {}


def _kernel(name: str) -> int | None:
    try:
        return int((INOTIFY / name).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _directories(root: bytes) -> int:
    """How many directories are at and below a root, links not followed."""
    number, waiting = 0, [root]
    while waiting:
        number += 1
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    return number


CHECKS: tuple[Check, ...] = (python, sqlite, state_directory, inotify, sandbox, sources)
