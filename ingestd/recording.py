"""One recording of this process's allocations by memray: what is asked for, its file, its end.

The whole record of allocations is kept, not memray's aggregate of it: an aggregate has neither
totals nor a view over time, and lies in the daemon's own memory until the end, where a crash takes
it along. It is written uncompressed: compressing at the end would hold up the daemon, and the
compressed file would be readable for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ingestd
import ingestd_state

from .errors import BusyError, StateError, UnavailableError
from .serve.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "profile"
"""In the state directory: where traces are written."""
PART = ".part"
"""At the end of a file's name as long as it is written."""
SECONDS = 60.0
LONGEST_S = 3_600.0
SAMPLE_MS = 50
CODE = [str(Path(package.__path__[0])) + os.sep for package in (ingestd, ingestd_state)]
"""The folders of our own code, by which a reader tells it from that of others."""
NATIVE_CHECK = "from memray import _memray; print(_memray.get_symbolic_support().name)"
NATIVE_CHECK_S = 30.0
MEMRAY_MISSING = "Install it into the environment of the daemon: `python -m pip install memray`."


@dataclass(frozen=True, slots=True)
class Wish:
    """What trace is asked for.

    Attributes:
        seconds: how long.
        native: record the frames of native code too.
        objects: record every Python object, not only what Python takes from the system.
        watched: end it when the one who asked for it is gone.
    """

    seconds: float = SECONDS
    native: bool = False
    objects: bool = False
    watched: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Wish:
        """Check a request.

        Raises:
            RequestError: it has a wrong key or value.
        """
        if wrong := set(values) - set(cls.__slots__):
            raise RequestError(f"a profile has no {min(wrong)!r}")
        seconds = values.get("seconds", SECONDS)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise RequestError("`seconds` is a number")
        if not 0 < seconds <= LONGEST_S:
            raise RequestError(f"`seconds` is more than 0 and at most {LONGEST_S:,.0f}")
        flags = {name: values.get(name, False) for name in ("native", "objects", "watched")}
        for name, value in flags.items():
            if not isinstance(value, bool):
                raise RequestError(f"`{name}` is true or false")
        return cls(float(seconds), **flags)


@dataclass(slots=True)
class Recording:
    """One recording, running or ended.

    Attributes:
        wish: what was asked for.
        file: where it is in the end.
        tracker: memray's; None once it has ended.
        began: when, monotonic.
        rss_start: resident memory at the start.
        rss_end: resident memory at the end.
        elapsed_s: how long it took, once it has ended.
        reason: why it ended.
    """

    wish: Wish
    file: Path
    tracker: Any
    began: float
    rss_start: int
    rss_end: int | None = None
    elapsed_s: float = 0.0
    reason: str = ""

    @classmethod
    def begin(cls, memray: Any, folder: Path, wish: Wish) -> Recording:
        """Record from now on.

        Raises:
            StateError: the file cannot be made.
            BusyError: memray records this process already.
        """
        name = time.strftime("ingestd-profile-%Y%m%d-%H%M%S.bin")
        made = cls(wish, folder / name, None, time.monotonic(), rss_bytes())
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            # Made here, for its mode; memray truncates it.
            os.close(os.open(made.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            made.tracker = _tracker(memray, made.part, wish)
        except OSError as error:
            raise StateError(f"the profile cannot be written: {error}") from error
        except RuntimeError as error:  # somebody started the daemon under memray
            made.part.unlink(missing_ok=True)
            raise BusyError(f"memray refuses: {error}") from error
        return made

    @property
    def part(self) -> Path:
        """The file while it is written."""
        return self.file.with_name(self.file.name + PART)

    def age_s(self) -> float:
        """How long it takes by now, or took."""
        return self.elapsed_s if self.tracker is None else time.monotonic() - self.began

    def size(self) -> int:
        """Bytes on disk; 0 once somebody took the file."""
        for file in (self.part, self.file):
            with contextlib.suppress(OSError):
                return file.stat().st_size
        return 0

    def end(self, reason: str) -> None:
        """Record no more.

        Raises:
            Exception: whatever hinders memray or the file system; it has ended nevertheless.
        """
        self.elapsed_s, self.rss_end = self.age_s(), rss_bytes()
        tracker, self.tracker, self.reason = self.tracker, None, reason
        tracker.__exit__(None, None, None)
        self.part.rename(self.file)

    def as_json(self) -> dict[str, Any]:
        """As a client sees it."""
        return {
            "state": "running" if self.tracker else "ended",
            "pid": os.getpid(),
            "file": self.file.name,
            "file_bytes": self.size(),
            "seconds": self.wish.seconds,
            "elapsed_s": round(self.age_s(), 3),
            "native": self.wish.native,
            "objects": self.wish.objects,
            "reason": self.reason,
            "code": CODE,
            "rss_bytes": {"start": self.rss_start, "end": self.rss_end},
        }


def _tracker(memray: Any, file: Path, wish: Wish) -> Any:
    tracker = memray.Tracker(
        destination=memray.FileDestination(file, overwrite=True, compress_on_exit=False),
        native_traces=wish.native,
        trace_python_allocators=wish.objects,
        memory_interval_ms=SAMPLE_MS,
    )
    tracker.__enter__()
    return tracker


def load_memray() -> Any:
    """The library; blocking, about 0.1 s the first time.

    Raises:
        UnavailableError: it is not installed, or does not load.
    """
    try:
        return importlib.import_module("memray")
    except ImportError as error:
        raise UnavailableError(f"memray cannot be loaded: {error}", hint=MEMRAY_MISSING) from error


async def native_problem() -> str:
    """Why native frames cannot be recorded here; empty when they can.

    Asked in a child: the answer takes a second, and 45 MiB that would stay.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", NATIVE_CHECK),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(NATIVE_CHECK_S):
            out, errors = await child.communicate()
    except TimeoutError:
        return f"memray did not say within {NATIVE_CHECK_S:g} s whether it can record native frames"
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.communicate()  # else its pipes are closed when the loop is no longer there
    if child.returncode:
        lines = errors.decode(errors="replace").strip().splitlines() or ["no reason given"]
        return f"memray cannot look at native frames here: {lines[-1]}"
    if out.strip() == b"NONE":
        return "memray cannot name native frames here: its build has no support for it"
    return ""


def rss_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
