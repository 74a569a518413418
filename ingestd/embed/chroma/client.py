"""Chroma's HTTP client with what it lacks: a time limit from the first request on.

Importing this module imports chromadb.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from chromadb.api import ServerAPI
from chromadb.api.client import Client
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings as ChromaSettings

from ingestd.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = {"http": 80, "https": 443}


class QuietSettings(ChromaSettings):  # type: ignore[misc] # chromadb is not typed
    """Chroma's settings as we give them: none from the environment or from a file ``.env``."""

    @classmethod
    def settings_customise_sources(cls, _settings: Any, init_settings: Any, **_: Any) -> Any:
        """Read nothing but the arguments."""
        return (init_settings,)


class BoundedClient(Client):  # type: ignore[misc] # chromadb is not typed
    """Chroma's client for one server, with a time limit.

    Chroma's own constructor already asks the server three times, without one, and tells a
    server that is busy from a tenant that is unknown only by the text of the error.

    Args:
        url: address of the server: scheme, host, port, and a path where a proxy has one.
        headers: sent with every request.
        tenant: Chroma's tenant.
        database: Chroma's database.
        timeout_s: longest wait for the server to take or send anything.

    Raises:
        ConfigError: the address is none.
        Exception: what httpx and chromadb raise when the server does not answer.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str], tenant: str, database: str, timeout_s: float
    ) -> None:
        self._timeout_s = timeout_s
        scheme, host, port = address(url)
        self._proxies = not is_loopback(host)
        # Where nothing is encrypted, all the certificates of the system need not be read: that
        # takes 50 ms and leaves the heap in pieces, each minute when a store is looked after.
        self._verify = scheme == "https" or self._proxies
        settings = QuietSettings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=url.rstrip("/"),
            chroma_server_http_port=port,
            chroma_server_ssl_enabled=scheme == "https",
            chroma_server_headers=dict(headers),
            chroma_server_ssl_verify=None if self._verify else False,
            anonymized_telemetry=False,
        )
        self._made_with = settings
        try:
            super().__init__(tenant=tenant, database=database, settings=settings)
        except BaseException:
            _forget(settings)
            raise

    def get_user_identity(self) -> Any:
        """The constructor's first request; bounds the session before it is sent."""
        self._bound(self._server)
        return self._server.get_user_identity()

    def close(self) -> None:
        """Close the connections, too, and have Chroma forget them."""
        super().close()
        _forget(self._made_with)

    def _validate_tenant_database(self, tenant: str, database: str) -> None:
        """Ask with the bounded session, and let errors through as they are."""
        self._server.get_tenant(tenant)
        self._server.get_database(database, tenant)

    def _bound(self, server: Any) -> None:
        session = getattr(server, "_session", None)
        if not isinstance(session, httpx.Client):
            raise StoreError("this version of chromadb cannot be given a time limit")
        server._session = httpx.Client(  # noqa: SLF001 - there is no public way
            timeout=self._timeout_s,
            limits=server.http_limits,
            headers=session.headers,
            trust_env=self._proxies,
            verify=self._verify,
        )
        session.close()


def _forget(settings: ChromaSettings) -> None:
    """Close what Chroma opened for one client, and strike it from its registry.

    Chroma files each connection under names that it makes up, and its own ``close`` knows only two
    of them: each client would leave half a megabyte behind for ever.
    """
    registry = SharedSystemClient._identifier_to_system  # noqa: SLF001 - there is no public way
    for name, system in list(registry.items()):
        if system.settings is not settings:
            continue
        registry.pop(name, None)
        session = getattr(system.instance(ServerAPI), "_session", None)
        if session is not None:
            session.close()
        system.stop()


def address(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a server's address.

    Raises:
        ConfigError: it has none.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"store.url: {error}") from error
    if scheme not in PORTS or not host:
        shown = url.rpartition("@")[2]  # never a password
        raise ConfigError(f"store.url: {shown!r} is no address such as http://127.0.0.1:8000")
    return scheme, host, port or PORTS[scheme]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: then no proxy of the environment stands in between."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
