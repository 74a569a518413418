"""A client that connects when it is first used, for a server that may be away at the start."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class LateClient:
    """Passes everything on to a client, which is made when it is needed, and once.

    Args:
        connect: makes it; raises what httpx and chromadb raise when the server does not answer.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        """An attribute of the client."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
        return getattr(self._client, name)

    def close(self) -> None:
        """Close the client, if there ever was one."""
        if self._client is not None:
            self._client.close()
