"""One extraction child: started, asked, watched, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd import errors

from .parts import ExtractorError
from .wire import Channel, EndedError, NonsenseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .orders import Orders

PROGRAM = ("-P", "-m", "ingestd.embed.reading.child")
"""-P: what lies in the current folder is data, and must not be imported."""
START_S = 60.0
"""How long a child may take to start, on a machine that is very busy."""
END_S = 5.0
TOO_SLOW = "took too much time of the processor"
_KEPT_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TESSDATA_PREFIX",
)
_KIB = 1024
_MOST_THREADS = 4


class Child:
    """A running child that is ready to cut files.

    Args:
        orders: what it works by.
        program: arguments of the Python interpreter.

    Attributes:
        documents: how many it was given.
        without: the walls of the sandbox that the kernel did not grant.

    Raises:
        ExtractorError: it cannot be started.
        ModelMissingError: the model's tokenizer cannot be read.
    """

    def __init__(self, orders: Orders, program: Sequence[str] = PROGRAM) -> None:
        ours, theirs = socket.socketpair()
        self.documents = 0
        self.without: list[str] = []
        self.channel = Channel(ours)
        try:
            self._process = _start(theirs, program)
        except OSError as error:
            ours.close()
            raise ExtractorError(f"the extraction child cannot be started: {error}") from error
        finally:
            theirs.close()
        try:
            self._greet(orders)
        except BaseException:
            self.end()
            raise
        self._at_start = self.memory()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes that it holds now, or at most held (``VmHWM``); 0 where nobody tells."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
            return int(status.split(f"{name}:")[1].split(None, 1)[0]) * _KIB
        return 0

    def is_large(self, allowed: int) -> bool:
        """Whether it holds more than is allowed; a large tokenizer must leave room for documents.

        Args:
            allowed: bytes; half of them always come on top of what it had when it was ready.
        """
        return self.memory() > max(allowed, self._at_start + allowed // 2)

    def kill(self) -> None:
        """End it at once, from any thread; whoever waits for its answer hears that it is gone."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> int | None:
        """End it, and forget it; returns its exit status, negative for a signal."""
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in a disk that is away
            self._process.wait(END_S)
        self.channel.close()
        return self._process.returncode

    def obituary(self) -> str:
        """How it ended by itself, in words."""
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if status == -signal.SIGXCPU:
            return TOO_SLOW
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def _greet(self, orders: Orders) -> None:
        """Tell it what to do, and hear that it is ready."""
        try:
            self.channel.send(orders.message(), timeout_s=START_S)
            answer = self.channel.receive(START_S)
        except (EndedError, NonsenseError, TimeoutError) as error:
            how = self.obituary() if isinstance(error, EndedError) else "gives no sense"
            raise ExtractorError(f"the extraction child {how} at its start") from error
        _raise_broken(answer)
        self.without = [str(wall) for wall in answer.get("without", ())]


def _start(theirs: socket.socket, program: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C at the terminal must reach us, not the child.
    return subprocess.Popen(
        [sys.executable, *program, str(theirs.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment(),
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
        cwd="/",
    )


def environment() -> dict[str, str]:
    """What a child needs to find its libraries; no secrets, and few threads and arenas."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "MALLOC_ARENA_MAX": "2",
        "OMP_THREAD_LIMIT": "1",
        "RAYON_NUM_THREADS": str(min(os.cpu_count() or 1, _MOST_THREADS)),
        "PYTHONUTF8": "1",
    }


def _raise_broken(answer: Any) -> None:
    """Raise what hindered a child from getting ready."""
    match answer:
        case {"ready": True}:
            return
        case {"broken": [str(code), str(message), str(hint)]}:
            if code == errors.ModelMissingError.code:
                raise errors.ModelMissingError(message, hint=hint)
            raise ExtractorError(message, hint=hint)
    raise ExtractorError("the extraction child gives no sense at its start")
