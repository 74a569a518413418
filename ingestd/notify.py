"""Tells the service manager how it goes: systemd's notify protocol, sd_notify(3).

One datagram of ``NAME=value`` lines to the Unix socket that ``NOTIFY_SOCKET`` names. Without that
variable nobody listens, and every call is empty.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

ADDRESS = "NOTIFY_SOCKET"
WATCHDOG = ("WATCHDOG_USEC", "WATCHDOG_PID")
STATUS_CHARS = 400


class Notifier:
    """Sends datagrams; whoever does not read them, or is gone, hinders nothing.

    Args:
        address: path of the socket, or ``@name`` in the abstract namespace; empty: nobody listens.
        watchdog_s: how long the service manager waits for a sign of life; 0: for ever.
    """

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        self.watchdog_s = watchdog_s if address else 0.0
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Notifier:
        """What the environment asks for; taken out of it: our children have nothing to tell."""
        address = environment.pop(ADDRESS, "")
        usec, pid = (environment.pop(name, "") for name in WATCHDOG)
        if not address.startswith(("/", "@")):
            return cls()
        ours = not pid or pid == str(os.getpid())
        return cls(address, int(usec) / 1e6 if ours and usec.isdigit() else 0.0)

    @property
    def listened(self) -> bool:
        """Whether somebody listens."""
        return bool(self._address)

    def send(self, *fields: str) -> None:
        """Send these fields, such as ``READY=1``; never blocks, never raises."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto("\n".join(fields).encode("utf-8", "replace"), self._address)

    def status(self, text: str, *fields: str) -> None:
        """Send a line for people, where it is another than before, and these fields anyhow."""
        line = " ".join(text.split())[:STATUS_CHARS]
        news = () if line == self._status else (f"STATUS={line}",)
        self._status = line
        if news or fields:
            self.send(*fields, *news)

    def reloading(self) -> None:
        """A reload begins; `status` with ``READY=1`` ends it."""
        now_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send("RELOADING=1", f"MONOTONIC_USEC={now_usec}")

    def extend(self, seconds: float) -> None:
        """Ask for this much more time from now, to start or to stop."""
        self.send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")
