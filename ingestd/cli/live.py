"""What only the running daemon knows: its gauges, asked for at the control socket.

Without the client of `ingestd.serve`, because `status` shall be quick, and shall tell the rest when
the daemon does not answer.
"""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from ingestd.serve.address import short_name, socket_of

if TYPE_CHECKING:
    from ingestd.location import Location

ANSWER_S = 3.0
"""How long the daemon is waited for."""


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, name: str) -> None:
        super().__init__("ingestd", timeout=ANSWER_S)
        self._name = name

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._name)


def gauges(location: Location) -> list[dict[str, Any]]:
    """The gauges of the daemon on a state directory; empty when it does not answer."""
    listed = _asked(location, "/v1/gauges").get("gauges")
    return listed if isinstance(listed, list) else []


def health(location: Location) -> dict[str, Any] | None:
    """Its health, as `/readyz` tells it; None when it does not answer."""
    found = _asked(location, "/readyz")
    return found if "status" in found and "problems" in found else None


def _asked(location: Location, path: str) -> dict[str, Any]:
    """What the daemon answers; nothing when it does not."""
    try:
        with short_name(socket_of(location.state_dir)) as name:
            connection = _Connection(name)
            try:
                connection.request("GET", path)
                found = json.loads(connection.getresponse().read())
            finally:
                connection.close()
    except (OSError, HTTPException, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
