"""Runs the real program in processes forked from one that has everything imported already.

A start of the interpreter with Chroma and SQLAlchemy costs more than a second of processor time; a
fork of a process that has them costs a hundredth of it. The child is a process like any other: it
is ended by SIGTERM, or killed at any instruction.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = multiprocessing.get_context("forkserver")
RACY_S = 0.25
"""In place of two seconds: still 60 ticks of the kernel's clock."""
PR_SET_PDEATHSIG = 1
CAPABILITY_VERSION = 0x20080522
CAN_READ_ALL = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root read a file of mode 000."""


def preload() -> None:
    """Start the process that the others are forked from."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a fork takes no threads along
    CONTEXT.set_forkserver_preload(["model_warm"])
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


class Process:
    """A child that runs one function, its output in a file."""

    def __init__(
        self, function: Callable[..., None], log: Path, *arguments: Any, **options: Any
    ) -> None:
        self._child = CONTEXT.Process(
            target=_child, args=(function, os.fspath(log), arguments, options), daemon=True
        )
        self._child.start()
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid or 0

    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._child.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; returns the exit status, negative for a signal.

        Raises:
            AssertionError: it runs still; it is killed then.
        """
        self._child.join(timeout_s)
        if self._child.is_alive():
            self._child.kill()
            self._child.join()
            message = f"no end within {timeout_s} s: {self.tail()}"
            raise AssertionError(message)
        return int(self._child.exitcode or 0)

    def tail(self, lines: int = 15) -> str:
        """The end of what it said."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def call(function: Callable[..., Any], log: Path, *arguments: Any, timeout_s: float = 60) -> Any:
    """Run a function in a child of its own; returns what it returns.

    Raises:
        AssertionError: it failed.
    """
    result = log.with_suffix(".result")
    result.unlink(missing_ok=True)
    child = Process(_keep, log, function, os.fspath(result), arguments)
    code = child.wait(timeout_s)
    if code or not result.exists():
        message = f"{function.__name__} ended with {code}: {child.tail()}"
        raise AssertionError(message)
    with result.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - written by our own child


def _keep(function: Callable[..., Any], result: str, arguments: tuple[Any, ...]) -> None:
    found = function(*arguments)
    with Path(result).open("wb") as file:
        pickle.dump(found, file)


def run_cli(
    arguments: list[str], failpoint: str, paces: dict[str, float], *, probe: bool = True
) -> None:
    """Be the program: the entry point of the command line, with these arguments.

    Args:
        arguments: of the command line.
        failpoint: ``NAME:N``, where to die; empty for nowhere.
        paces: waits in seconds, as ``module:CONSTANT``, to be shorter than they are.
        probe: have a new interpreter open the embedded Chroma first, which takes a second.
    """
    import importlib

    from ingestd.cli import main
    from ingestd_state import failpoint as points

    for place, seconds in paces.items():
        module, _, constant = place.partition(":")
        loaded = importlib.import_module(module)
        assert hasattr(loaded, constant), place
        setattr(loaded, constant, seconds)
    if not probe:
        from ingestd.embed.chroma.care import Care

        Care.ask_directory = _ask_nothing  # type: ignore[assignment]
    if failpoint:
        points.reached = points._killer(failpoint)  # noqa: SLF001 - as its import would
    sys.argv = ["ingestd", *arguments]
    main()


def _ask_nothing(_care: object, lock_fd: int) -> None:
    """In place of the probe of an embedded Chroma."""


def _child(
    function: Callable[..., None], log: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # While we hold this, our parent does not see that the tests have died, and outlives them.
    alive = getattr(forkserver, "_forkserver")._forkserver_alive_fd  # noqa: B009, SLF001
    if alive is not None:
        os.close(alive)
    _read_as_others_do(libc)
    with Path(log).open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    for name in [name for name in os.environ if name.startswith("INGESTD_")]:
        del os.environ[name]
    os.environ.update(
        INGESTD_MODEL__NAME="hash", HF_HUB_OFFLINE="1", XDG_CONFIG_HOME="/nonexistent"
    )
    function(*arguments, **options)


def _read_as_others_do(libc: Any) -> None:
    """Give up what lets root read every file, so that a mode of 000 means something."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        for kind in (0, 1, 3, 4):  # effective and permitted, of the lower and the upper half
            sets[kind] &= ~CAN_READ_ALL if kind < 3 else 0xFFFFFFFF
        libc.capset(header, sets)
