"""The address at which the daemon answers people and programs: page, health and metrics.

Without it the daemon goes on, unless a certain address was asked for and cannot be had.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import structlog

from .errors import ConfigError, PortBusyError
from .listen import parse

if TYPE_CHECKING:
    from .listen import Listen
    from .serve.app import Routes
    from .serve.server import PathServer, Server
    from .settings.running import HttpSettings

log = structlog.get_logger(__name__)

CONNECTIONS = 32
"""Each page that is looked at takes one for as long as it is open."""
TAKEN = frozenset({errno.EADDRINUSE, errno.EACCES})


class Web:
    """Answers at the address of the configuration.

    Attributes:
        address: where, as a URL or ``unix:PATH``; empty while it does not answer.
    """

    def __init__(self, settings: HttpSettings, routes: Routes) -> None:
        self.address = ""
        self._settings = settings
        self._routes = routes
        self._server: Server | PathServer | None = None

    async def open(self) -> None:
        """Begin to answer.

        Raises:
            PortBusyError: the address that was asked for is taken.
            ConfigError: there is no such address, or the token cannot be read.
        """
        place = parse(self._settings.listen)
        if place is None:
            return
        token = await asyncio.to_thread(_token, self._settings)
        try:
            await self._open(place, token)
        except (OSError, OverflowError) as error:
            if len(place.ports) > 1:
                hint = "The daemon goes on without a page; `http.listen` chooses another address."
                log.warning("page_not_opened", error=str(error), hint=hint)
                return
            raise _as_told(self._settings.listen, error) from error
        log.info("page_opened", address=self.address)

    async def _open(self, place: Listen, token: str | None) -> None:
        # Here, not above: `--once` and the quick verbs do without these libraries.
        from .serve.admission import Admission  # noqa: PLC0415
        from .serve.server import PathServer, Server  # noqa: PLC0415
        from .serve.sockets import GROUP  # noqa: PLC0415

        # At a path its rights decide who asks, and a proxy before it asks for tokens.
        admission = Admission(self._settings.hosts, None if place.path else token)
        server = Server(self._routes, admission, connections=CONNECTIONS)
        if place.path is not None:
            self._server = PathServer(place.path, server, GROUP)
            await self._server.start()
            self.address = f"unix:{place.path}"
            return
        host, port = await self._bind(server, place)
        self._server = server
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    @staticmethod
    async def _bind(server: Server, place: Listen) -> tuple[str, int]:
        from .serve.sockets import at_port  # noqa: PLC0415

        for port in place.ports:
            try:
                listener = await asyncio.to_thread(at_port, place.host, port)
            except OSError as error:
                if error.errno not in TAKEN or port == place.ports[-1]:
                    raise
                continue
            await server.start(listener)
            return place.host, port
        raise OSError("no port to try")

    async def close(self) -> None:
        """Take no more requests."""
        self.address = ""
        if self._server is not None:
            await self._server.stop()


def _token(settings: HttpSettings) -> str | None:
    """What has to be shown; blocking.

    Raises:
        ConfigError: the file that holds it cannot be read, or holds none.
    """
    if settings.token_file is None:
        return settings.token
    try:
        found = settings.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"http.token_file: {settings.token_file}: {error}") from error
    if not found:
        raise ConfigError(f"http.token_file: {settings.token_file} is empty")
    return found


def _as_told(listen: str, error: Exception) -> PortBusyError | ConfigError:
    message = f"http.listen: {listen}: {error}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        hint = "Choose another address as `listen` in [http], or `auto`, or stop what listens."
        return PortBusyError(message, hint=hint)
    return ConfigError(message, hint="`listen` in [http] is auto, off, unix:PATH or HOST:PORT.")
