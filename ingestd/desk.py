"""What a running daemon answers at its control socket. Without it the daemon goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from .profiler import Profiler
from .recording import FOLDER, Wish
from .serve.address import socket_of
from .space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .instance import Instance
    from .maintain import Maintainer
    from .serve.app import Routes
    from .serve.server import PathServer

log = structlog.get_logger(__name__)


class Desk:
    """Takes requests for an instance, and for who maintains it.

    Args:
        instance: whose socket it is.
        maintainer: does what is asked for.
        public: what is answered here as well as at the address of the page.
    """

    def __init__(self, instance: Instance, maintainer: Maintainer, public: Routes) -> None:
        self._public = public
        self._maintainer = maintainer
        self._path = socket_of(instance.location.state_dir)
        space = Space.of(instance.location, instance.settings.limits.free_bytes)
        self._profiler = Profiler(instance.location.state_dir / FOLDER, space)
        self._control: PathServer | None = None

    async def open(self) -> None:
        """Begin to take requests; where that fails, it is logged."""
        self._profiler.clear()
        try:
            # Here, not above: `--once` and the quick verbs do without these libraries.
            from .serve.server import PathServer, Server  # noqa: PLC0415

            self._control = PathServer(self._path, Server(self._routes()))
            await self._control.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, indexing goes on
            log.warning(
                "control_not_opened",
                error=str(error) or repr(error),
                path=str(self._path),
                hint="The daemon goes on; `ingestd profile` and other requests do not reach it.",
            )

    async def close(self) -> None:
        """End what was asked for, and take no more requests."""
        self._profiler.close()
        if self._control is not None:
            await self._control.stop()

    def _routes(self) -> Routes:
        return {
            **self._public,
            "/v1/compact": {"GET": self._maintainer.state, "POST": self._maintainer.order},
            "/v1/profile": {
                "GET": self._profile_state,
                "POST": self._profile_start,
                "DELETE": self._profile_end,
            },
        }

    async def _profile_state(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        return self._profiler.state()

    async def _profile_start(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return await self._profiler.start(Wish.of(values))

    async def _profile_end(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        return self._profiler.end("asked")
