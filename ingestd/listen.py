"""Where the daemon answers people and programs: an address, a path, or nowhere. Cheap to import."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOCAL = "127.0.0.1"
FIRST_PORT = 8766
PORTS = 10
"""With ``auto``, the first free one of so many ports is taken."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen.

    Attributes:
        host: an address or a name; empty for a path.
        ports: the first one that is free is taken; one, unless nobody asked for a certain one.
        path: of a Unix socket.
    """

    host: str = ""
    ports: tuple[int, ...] = ()
    path: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it; of names, only ``localhost`` is known to."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str) -> Listen | None:
    """Read what the configuration says; None for ``off``.

    Args:
        text: ``auto``, ``off``, ``unix:PATH``, or an address and a port such as ``0.0.0.0:8766``
            and ``[::1]:8766``.

    Raises:
        ValueError: it is none of these.
    """
    if text == "off":
        return None
    if text == "auto":
        return Listen(LOCAL, tuple(range(FIRST_PORT, FIRST_PORT + PORTS)))
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        if not path.is_absolute():
            raise ValueError(f"the path of a socket must be absolute: {text!r}")
        return Listen(path=path)
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not port or parts.netloc != text or "@" in text:
        message = f"{text!r} is no place to listen: auto, off, unix:PATH, or HOST:PORT"
        raise ValueError(message)
    return Listen(host, (port,))
