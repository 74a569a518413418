"""Sockets that listen: on an address of this machine, or at a path."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

from .address import short_name

if TYPE_CHECKING:
    from pathlib import Path

OWNER = 0o600
GROUP = 0o660


def at_path(path: Path, mode: int = OWNER) -> socket.socket:
    """A socket that listens at ``path``, for whom ``mode`` lets in.

    Raises:
        OSError: it cannot be made there, or something that is no socket is in its place.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is there, and is no socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before it has a name: at no moment may others connect.
        os.fchmod(listener.fileno(), mode)
        with short_name(path) as name:
            listener.bind(name)
        path.chmod(mode)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def at_port(host: str, port: int) -> socket.socket:
    """A socket that listens at a port of an address; blocking: a name is looked up.

    Raises:
        OSError: there is no such address, or it is taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
