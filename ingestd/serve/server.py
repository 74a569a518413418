"""The control socket: HTTP on a Unix socket in the state directory, for its owner alone.

It costs nothing while nobody asks: no timer ticks. Whatever goes wrong with it, the daemon goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ingestd import __version__

from .address import short_name
from .app import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .app import Handler

log = structlog.get_logger(__name__)

CONNECTIONS = 8
"""Requests over more are answered with 503; twice as many are not even heard."""
IDLE_S = 15.0
"""How long a connection may stay without a request."""
KEEP_ALIVE_S = 5
GRACE_S = 1
"""How long requests may take to end when the daemon stops."""
HEAD_BYTES = 16 * 1024


class Control:
    """The control socket of a running daemon."""

    def __init__(self, path: Path, routes: Mapping[str, Mapping[str, Handler]]) -> None:
        self.path = path
        self._routes = routes
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._identity: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen. The lock of the instance must be held: a socket that is there is a dead one's.

        Raises:
            OSError: the socket cannot be made.
        """
        listener = listen(self.path)
        found = self.path.stat()
        self._identity = found.st_dev, found.st_ino
        config = uvicorn.Config(
            make_app(self._routes),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            headers=[("server", f"ingestd/{__version__}")],
            limit_concurrency=CONNECTIONS + 1,  # uvicorn counts the one that asks, too
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=HEAD_BYTES,
            backlog=CONNECTIONS,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([listener]), name="control")
        self._task.add_done_callback(_tell)
        opened = asyncio.create_task(self._server.opened.wait())
        await asyncio.wait([self._task, opened], return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()

    async def stop(self) -> None:
        """Take the socket away, and end within about `GRACE_S`."""
        with contextlib.suppress(OSError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._identity:
                self.path.unlink()
        if self._server is None or self._task is None:
            return
        self._server.ended.set()
        done, _ = await asyncio.wait([self._task], timeout=2 * GRACE_S)
        if not done:
            self._task.cancel()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


def listen(path: Path) -> socket.socket:
    """A socket that listens at ``path``, for its owner alone.

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
        os.fchmod(listener.fileno(), 0o600)
        with short_name(path) as name:
            listener.bind(name)
        path.chmod(0o600)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


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

    _look: asyncio.TimerHandle | None = None
    _seen: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or turn it away."""
        super().connection_made(transport)
        if len(self.connections) > 2 * CONNECTIONS:
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


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("control_ended", error=repr(error), hint="The daemon goes on without it.")
