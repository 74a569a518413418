"""HTTP on a socket: the control socket of a daemon, and the address of its page.

It costs nothing while nobody asks: no timer ticks. Whatever goes wrong with it, the daemon goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ingestd import __version__

from .app import make_app
from .sockets import OWNER, at_path

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from .admission import Admission
    from .app import Routes

log = structlog.get_logger(__name__)

CONNECTIONS = 8
"""Requests over more are answered with 503; twice as many are not even heard."""
IDLE_S = 15.0
"""How long a connection may stay without a request."""
KEEP_ALIVE_S = 5
GRACE_S = 1
"""How long requests may take to end when the daemon stops."""
HEAD_BYTES = 16 * 1024


class Server:
    """Answers at a socket.

    Args:
        routes: what it answers.
        admission: who is let in; None where the rights of the socket decide that.
        connections: requests at the same time; over more, the answer is 503.
    """

    def __init__(
        self, routes: Routes, admission: Admission | None = None, *, connections: int = CONNECTIONS
    ) -> None:
        self._app = make_app(routes, admission)
        self._connections = connections
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, listener: socket.socket) -> None:
        """Answer what comes in at a socket, which is closed at the end."""
        config = uvicorn.Config(
            self._app,
            http=_protocol(self._connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            headers=[("server", f"ingestd/{__version__}")],
            limit_concurrency=self._connections + 1,  # uvicorn counts the one that asks, too
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=HEAD_BYTES,
            backlog=self._connections,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([listener]), name="http")
        self._task.add_done_callback(_tell)
        opened = asyncio.create_task(self._server.opened.wait())
        await asyncio.wait([self._task, opened], return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()

    async def stop(self) -> None:
        """Take no more requests, and end within about `GRACE_S`."""
        if self._server is None or self._task is None:
            return
        self._server.ended.set()
        done, _ = await asyncio.wait([self._task], timeout=2 * GRACE_S)
        if not done:
            self._task.cancel()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


class PathServer:
    """Answers at a path, for whom the rights of the socket let in.

    Args:
        path: of the socket.
        server: what answers there.
        mode: who may connect.
    """

    def __init__(self, path: Path, server: Server, mode: int = OWNER) -> None:
        self.path = path
        self._server = server
        self._mode = mode
        self._identity: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen. The lock of the instance must be held: a socket that is there is a dead one's.

        Raises:
            OSError: the socket cannot be made.
        """
        listener = at_path(self.path, self._mode)
        found = self.path.stat()
        self._identity = found.st_dev, found.st_ino
        await self._server.start(listener)

    async def stop(self) -> None:
        """Take the socket away, and end."""
        with contextlib.suppress(OSError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._identity:
                self.path.unlink()
        await self._server.stop()


class _Server(uvicorn.Server):
    """Uvicorn's server without its ticks and its signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()
        self.ended = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait for the end; the original wakes up ten times a second."""
        self.opened.set()
        self.server_state.default_headers = self.config.encoded_headers
        await self.ended.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: they are the service's."""
        yield


class _Protocol(H11Protocol):
    """One connection: one of a few, and closed when it asks for nothing."""

    most = CONNECTIONS
    _look: asyncio.TimerHandle | None = None
    _seen: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or turn it away."""
        super().connection_made(transport)
        if len(self.connections) > 2 * self.most:
            transport.abort()
            return
        self._look = self.loop.call_later(IDLE_S, self._close_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _close_if_idle(self) -> None:
        """Close it when no request came, and none is being answered, since the last look."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.cycle is self._seen and not answering:
            self.transport.abort()
            return
        self._seen = self.cycle
        self._look = self.loop.call_later(IDLE_S, self._close_if_idle)


def _protocol(most: int) -> type[_Protocol]:
    """The protocol for so many connections."""
    return type("_Bounded", (_Protocol,), {"most": most})


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("http_ended", error=repr(error), hint="The daemon goes on without it.")
