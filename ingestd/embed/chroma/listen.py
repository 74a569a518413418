"""Who listens on a port of this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ingestd.errors import PortBusyError

LISTENING = "0A"
"""State of a listening socket in ``/proc/net/tcp``."""
PROC = Path("/proc")
TABLES = frozenset({"tcp", "tcp6"})


def check_port(host: str, port: int) -> None:
    """See that nobody listens there.

    Raises:
        PortBusyError: somebody does, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortBusyError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def listens(pid: int, port: int) -> bool:
    """Whether a process listens on a port; True where the system does not tell.

    Of a process that is just ending the system tells nothing either, but then it does not listen.
    """
    if not (PROC / "self" / "net").exists():
        return True
    try:
        files = list((PROC / str(pid) / "fd").iterdir())
        tables = [table for table in (PROC / str(pid) / "net").iterdir() if table.name in TABLES]
        sockets = _listening(tables, port)
    except OSError:
        return False
    return any(_target(file) in sockets for file in files)


def _listening(tables: list[Path], port: int) -> set[str]:
    """The sockets that listen on a port, as the file table of their process names them.

    The columns are those of proc(5): local address as hexadecimal ``address:port``, state, and in
    the tenth place the inode.
    """
    found = set()
    for table in tables:
        for line in table.read_text("ascii").splitlines()[1:]:
            columns = line.split()
            local, state, inode = columns[1], columns[3], columns[9]
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                found.add(f"socket:[{inode}]")
    return found


def _target(file: Path) -> str:
    try:
        return os.readlink(file)  # noqa: PTH115 - it names no path
    except OSError:
        return ""
