"""What processes hold, as the kernel says: resident memory, threads, descriptors, CPU seconds."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

KIB = 1024
MIB = 1024**2
_TICKS = os.sysconf("SC_CLK_TCK")
_FEWEST = 100


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a process.

    Attributes:
        rss: resident bytes, shared pages counted whole.
        pss: resident bytes, each shared page divided among those who share it.
        anonymous: bytes of its own: heap, stacks, arenas; no files.
        peak: the most resident bytes since the start, or since `reset_peak`.
        threads: how many.
        descriptors: open files, sockets and pipes.
        cpu_s: processor time in seconds, user and system.
    """

    rss: int
    pss: int
    anonymous: int
    peak: int
    threads: int
    descriptors: int
    cpu_s: float


def look(pid: int | str = "self") -> Look:
    """Look at a process.

    Raises:
        OSError: it is not there any more.
    """
    status = _fields(pid, "status")
    rollup = _fields(pid, "smaps_rollup")
    return Look(
        rss=status.get("VmRSS", 0),
        pss=rollup.get("Pss", 0),
        anonymous=status.get("RssAnon", 0),
        peak=status.get("VmHWM", 0),
        threads=status.get("Threads", 0),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - names alone are counted
        cpu_s=cpu_seconds(pid),
    )


def rss(pid: int | str = "self") -> int:
    """Resident bytes of a process; 0 when it is not there any more."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def reset_peak(pid: int | str = "self") -> None:
    """Have the peak begin anew, at what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def cpu_seconds(pid: int | str = "self") -> float:
    """Processor time of a process, without its children."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def children(pid: int) -> list[int]:
    """All processes below one, whole tree, in no order."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                below = [int(word) for word in task.read_text(encoding="ascii").split()]
            except OSError:
                continue
            found += below
            waiting += below
    return found


def _fields(pid: int | str, name: str) -> dict[str, int]:
    """The numbers of a file of `/proc`; those given in kB as bytes."""
    values = {}
    for line in Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8").splitlines():
        key, _, rest = line.partition(":")
        number, _, unit = rest.strip().partition(" ")
        if number.isdecimal():
            values[key] = int(number) * (KIB if unit == "kB" else 1)
    return values


@dataclass(frozen=True, slots=True)
class Sample:
    """What some processes held at one moment.

    Attributes:
        at_s: seconds since sampling began.
        x: how far the work was.
        rss: resident bytes by name of the process; one that is not there is left out.
    """

    at_s: float
    x: float
    rss: dict[str, int]


class Sampler:
    """Samples resident memory in a thread, at an even interval, until it is left.

    It keeps at most ``most`` samples: when there are more, each second one is dropped and the
    interval doubles.

    Args:
        pids: names and ids of the processes; a function, since a server may be restarted.
        every_s: between two samples.
        progress: how far the work is; by default the seconds since the start.
        most: samples to keep.
    """

    def __init__(
        self,
        pids: Callable[[], Mapping[str, int]],
        *,
        every_s: float = 1.0,
        progress: Callable[[], float] | None = None,
        most: int = 2_000,
    ) -> None:
        self.samples: list[Sample] = []
        self._pids = pids
        self._every_s = every_s
        self._progress = progress
        self._most = max(_FEWEST, most)
        self._ended = threading.Event()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def series(self, name: str) -> tuple[list[float], list[int]]:
        """Progress and resident bytes of one process, sample by sample."""
        found = [(sample.x, sample.rss[name]) for sample in self.samples if name in sample.rss]
        return [x for x, _ in found], [value for _, value in found]

    def take(self) -> Sample:
        """Take a sample now, and keep it."""
        at_s = time.monotonic() - self._started
        seen = {name: rss(pid) for name, pid in self._pids().items()}
        x = self._progress() if self._progress else at_s
        sample = Sample(round(at_s, 2), x, {name: value for name, value in seen.items() if value})
        self.samples.append(sample)
        if len(self.samples) > self._most:
            self.samples = self.samples[::2]
            self._every_s *= 2
        return sample

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.take()
