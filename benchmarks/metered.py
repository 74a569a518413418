"""Runs a command and measures it: wall time, and processor time and memory of all its processes."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOOK_S = 0.2
KIB = 1024
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    Attributes:
        wall_s: from its start to its end.
        cpu_s: of all its processes that have ended.
        peak_mib: the most that all its processes together had resident at one time, looked at a few
            times a second; a page that several share is divided among them.
        exit_code: negative where a signal ended it.
        output: its standard output.
        errors: its standard error.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    exit_code: int
    output: str
    errors: str


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    limit_s: float,
    given: str = "",
) -> Usage:
    """Run a command to its end; nothing else that this process started may end meanwhile.

    Args:
        command: program and arguments.
        env: its environment.
        cwd: where it runs.
        limit_s: it is killed when it takes longer.
        given: its standard input.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        cpu_s, started = _cpu_s(), time.monotonic()
        with subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=out, stderr=errors
        ) as process:
            watch = _Watch(process.pid)
            try:
                process.communicate(given.encode(), timeout=limit_s)
            except BaseException:
                process.kill()
                raise
            finally:
                wall_s = time.monotonic() - started
                watch.stop()
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Usage(wall_s, _cpu_s() - cpu_s, watch.peak / MIB, process.returncode, *texts)


class _Watch:
    """Looks, in a thread, at the memory of a process and of all below it."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.peak = max(self.peak, sum(map(resident_bytes, family(self._pid))))


def family(pid: int) -> Iterator[int]:
    """A process and all below it, those that have ended left out."""
    yield pid
    for threads in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in threads.read_text(encoding="ascii").split():
                yield from family(int(child))


def resident_bytes(pid: int) -> int:
    """What a process has resident; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
    return 0


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
