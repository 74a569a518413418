"""Runs the child that measures, beside the work."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.embed.engines import child
from ingestd.embed.engines.measured import Measured, keys, recall, remember
from ingestd.embed.engines.shortage import is_shortage
from ingestd.memory import cgroup
from ingestd.memory.guard import taken

if TYPE_CHECKING:
    import subprocess

    from ingestd.embed.engines.choice import Choice
    from ingestd.embed.model import ModelSpec

_TIMEOUT_S = 900
_ROOM_BYTES = 512 * 1024**2
"""What must be free for the child: it loads the model twice."""
_BY_OTHERS = ("exit status -9", "exit status -15", "it took longer")
"""Ends that say nothing of the engines: a kill, a machine that is too busy, and no memory left."""


class Measurement:
    """A measurement of engines in a child process; its result is remembered in a file.

    Args:
        spec: the model.
        graph: its export.
        choice: what is to be measured, with its rival.
        file: where the result goes.
    """

    def __init__(self, spec: ModelSpec, graph: Path, choice: Choice, file: Path) -> None:
        self._arguments = [json.dumps(asdict(spec), default=str), str(graph), str(file)]
        self._arguments += keys(choice)
        self._file = file
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin; once."""
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._run, name="measure", daemon=True)
            self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it was begun and has ended, well or not."""
        return self._thread is not None and not self._thread.is_alive()

    def stop(self) -> None:
        """Break off, and wait until the child is gone; nothing is remembered."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        if not has_room():
            return  # the usual engine will do
        failed = self._measure()
        if not failed or self._stopped:
            return
        import structlog  # noqa: PLC0415  # slow to import, and seldom needed

        structlog.get_logger(__name__).warning("engine_measurement_failed", reason=failed)
        if recall(self._file) is None and not _by_others(failed):
            with contextlib.suppress(OSError):
                remember(self._file, Measured(failed=failed))

    def _measure(self) -> str | None:
        """Run the child; say why it failed."""
        with tempfile.TemporaryDirectory(prefix="ingestd-") as scratch:
            with self._lock:
                if self._stopped:
                    return "it was stopped"
                module = f"{__package__}.measuring"
                self._process = child.start(module, self._arguments, Path(scratch))
            return child.failure(self._process, _TIMEOUT_S)


def has_room() -> bool:
    """Whether the control group leaves memory for one more process."""
    found = cgroup.allowed()
    marks = [mark for mark in (found.high, found.max) if mark is not None]
    return not marks or min(marks) - taken() >= _ROOM_BYTES


def _by_others(failed: str) -> bool:
    short = "MemoryError" in failed or is_shortage(RuntimeError(failed))
    return short or failed.startswith(_BY_OTHERS)
