"""Signals: the first asks for a stop, the second ends the process at once; SIGHUP: a reload."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

BORROWED = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class Stop:
    """A stop that was asked for, and by which signal; or a reload of the configuration."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    signal: int | None = None
    reload: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.contextmanager
def listening() -> Iterator[Stop]:
    """Borrow SIGTERM and SIGINT for the block, on the running event loop.

    They are handed back at the first signal already: then a second one does what it does to any
    program, it ends this one at once. The managed Chroma server ends by itself, gracefully.
    """
    loop = asyncio.get_running_loop()
    stop = Stop()

    def hand_back() -> None:
        for number in BORROWED:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    def ask(number: int) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.signal = number
        stop.event.set()
        hand_back()

    for number in BORROWED:
        loop.add_signal_handler(number, ask, number)
    reloads = _is_detached() and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    if reloads:
        loop.add_signal_handler(signal.SIGHUP, stop.reload.set)
    try:
        yield stop
    finally:
        hand_back()
        if reloads:
            loop.remove_signal_handler(signal.SIGHUP)


def _is_detached() -> bool:
    """Whether there is no terminal: where there is one, SIGHUP says that it goes away."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return True
    return False


def end_by(number: int | None) -> None:
    """End the process by the signal that stopped it: the exit status tells the truth."""
    if number is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.kill(os.getpid(), number)
