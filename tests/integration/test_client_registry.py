"""Clients that are closed leave nothing behind in the registry of Chroma's library."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
from chromadb.api.shared_system_client import SharedSystemClient

from ingestd.embed.chroma.client import BoundedClient

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "profiling"))

from _server import PlainServer


def known() -> set[str]:
    """What Chroma's library keeps open."""
    return set(SharedSystemClient._identifier_to_system)  # noqa: SLF001 - there is no public way


def opened(port: int) -> BoundedClient:
    """A client of the server at this port."""
    return BoundedClient(
        f"http://127.0.0.1:{port}",
        headers={},
        tenant="default_tenant",
        database="default_database",
        timeout_s=10.0,
    )


def test_a_closed_client_is_forgotten(tmp_path: Path) -> None:
    """However many clients were opened and closed, Chroma's registry is as it was before."""
    before = known()
    with PlainServer(tmp_path) as server:
        for _ in range(5):
            client = opened(server.port)
            assert client.list_collections() == []
            client.close()
    assert known() == before


def test_a_client_that_finds_nobody_is_forgotten() -> None:
    """A connection that fails leaves nothing behind either."""
    before = known()
    with pytest.raises(Exception, match="refused"):
        opened(9)
    assert known() == before


def test_other_clients_stay_open(tmp_path: Path) -> None:
    """Closing one client does not close another one of the same server."""
    with PlainServer(tmp_path) as server:
        first, second = opened(server.port), opened(server.port)
        first.close()
        assert second.list_collections() == []
        second.close()


def test_a_client_of_this_machine_reads_no_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is encrypted there: the 50 ms and the memory for all certificates are saved."""

    def read(*_: object, **__: object) -> None:
        pytest.fail("the certificates of the system were read")

    with PlainServer(tmp_path) as server:
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", read)
        monkeypatch.setattr(ssl.SSLContext, "load_default_certs", read)
        client = opened(server.port)
        assert client.list_collections() == []
        client.close()
