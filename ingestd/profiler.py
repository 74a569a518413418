"""Traces the allocations of the running daemon, for a while, when somebody asks; one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from .errors import BusyError, DiskFullError, UnavailableError
from .recording import Recording, Wish, load_memray, native_problem

if TYPE_CHECKING:
    from pathlib import Path

    from .space import Space

log = structlog.get_logger(__name__)

LIMIT_BYTES = 512 * 1024**2
"""A larger file takes minutes to read."""
LOOK_S = 0.25
CLIENT_S = 10.0
"""A watched trace ends when nobody has asked for it for so long."""


class Profiler:
    """Runs one trace at a time; belongs to the event loop that it is used on.

    Attributes:
        folder: of ours alone; what is left there is removed.
        space: the watermark of free space.
        limit_bytes: the file ends there.
    """

    def __init__(self, folder: Path, space: Space, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder
        self.space = space
        self.limit_bytes = limit_bytes
        self._trace: Recording | None = None
        self._starting = False
        self._closed = False
        self._asked = 0.0
        self._watching: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether a trace is on."""
        return self._trace is not None and self._trace.tracker is not None

    async def start(self, wish: Wish) -> dict[str, Any]:
        """Begin a trace; returns its state.

        Raises:
            BusyError: one is running.
            UnavailableError: memray is not installed, or cannot do what is asked.
            DiskFullError: too little space is free.
            StateError: the file cannot be made.
        """
        if self._starting or self.running:
            hint = "It ends by itself: try again then."
            raise BusyError("a profile is being taken already", hint=hint)
        self._starting = True
        try:
            self.space.check()
            memray = await asyncio.to_thread(load_memray)
            if wish.native and (problem := await native_problem()):
                raise UnavailableError(problem, hint="Take the profile without --native.")
            if self._closed:  # meanwhile
                raise UnavailableError("the daemon is stopping", hint="Start it again.")
            self.clear()
            self._trace = Recording.begin(memray, self.folder, wish)
        finally:
            self._starting = False
        self._asked = time.monotonic()
        self._watching = asyncio.create_task(self._watch(self._trace), name="profile")
        log.info("profile_started", seconds=wish.seconds, native=wish.native, objects=wish.objects)
        return self.state()

    def state(self) -> dict[str, Any]:
        """The state of the trace that runs, else of the last one; to ask keeps a watched one on."""
        self._asked = time.monotonic()
        return {"state": "none"} if self._trace is None else self._trace.as_json()

    def end(self, reason: str) -> dict[str, Any]:
        """End the trace, if one runs; returns its state.

        It does not wait for anything: nothing can come between, and leave a tracker on.
        """
        trace = self._trace
        if trace is not None and trace.tracker is not None:
            try:
                trace.end(reason)
            except Exception as error:  # noqa: BLE001 - whatever it is, the daemon goes on
                log.error("profile_broken", error=repr(error))  # noqa: TRY400 - it says it all
            log.info("profile_ended", reason=reason, bytes=trace.size())
        return self.state()

    def close(self) -> None:
        """End what runs, with what there is."""
        self._closed = True
        self.end("stop")
        if self._watching is not None:
            self._watching.cancel()

    def clear(self) -> None:
        """Remove the files that nobody took."""
        with contextlib.suppress(OSError):
            for file in self.folder.iterdir():
                file.unlink()

    async def _watch(self, trace: Recording) -> None:
        """End the trace when it is time, whatever happens to those who asked for it."""
        try:
            while trace.tracker is not None:
                if reason := self._over(trace):
                    self.end(reason)
                    return
                left_s = trace.wish.seconds - trace.age_s()
                await asyncio.sleep(max(0.0, min(LOOK_S, left_s)))
        finally:
            if trace.tracker is not None:
                self.end("error")

    def _over(self, trace: Recording) -> str:
        """Why the trace must end now; empty when it may go on."""
        if trace.age_s() >= trace.wish.seconds:
            return "time"
        if trace.wish.watched and time.monotonic() - self._asked >= CLIENT_S:
            return "client"
        if trace.size() >= self.limit_bytes:
            return "size"
        try:
            self.space.check()
        except DiskFullError:
            return "disk"
        return ""
