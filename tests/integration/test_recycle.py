"""Closing and opening Chroma in order: for its memory, or to change its files in between."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import numpy as np
import pytest
from daemon import eventually

from ingestd.embed.chroma.care import Care
from ingestd.embed.chroma.process import end
from ingestd.embed.chroma.recycle import between, recycle
from ingestd.embed.chroma.server import ManagedServer, ServerPlan
from ingestd.embed.chroma.store import Store, open_embedded, open_http
from ingestd.embed.model import locate
from ingestd.errors import PortBusyError, StoreError
from ingestd.lock import FileLock, Owner
from ingestd.settings.content import StoreSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ingestd_state.engine import Database

SPEC = locate("hash:32")
SETTINGS = StoreSettings(attempts=3)
ROWS = np.random.default_rng(0).standard_normal((20, 32)).astype(np.float32)
IDS = [f"s{number}" for number in range(20)]


def fill(store: Store) -> None:
    """Write twenty slots."""
    store.collection("one", SPEC, None).upsert(IDS, ROWS, IDS, [{"n": 1}] * 20)


def count(store: Store) -> int:
    """How many there are."""
    return store.collection("one", SPEC, None).count()


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[ServerPlan]:
    """A plan for a server on a free port."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
    with FileLock(tmp_path / "chroma.lock").acquire(Owner.me("test")) as lock:
        folder = tmp_path / "chroma"
        yield ServerPlan(folder, tmp_path / "logs", "127.0.0.1", number, 60.0, lock.fileno())


@pytest.fixture
async def server(plan: ServerPlan, database: Database) -> AsyncIterator[ManagedServer]:
    """It runs."""
    server = ManagedServer(plan, Care(plan.data, database, timeout_s=20.0))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def store(server: ManagedServer) -> Iterator[Store]:
    """A client of it, with twenty slots."""
    store = open_http(SETTINGS, server.plan.url)
    fill(store)
    yield store
    store.close()


async def test_a_server_is_recycled(server: ManagedServer, store: Store) -> None:
    """Another process serves the same data to the same client, and no crash is counted."""
    before, lock = server.pid, asyncio.Lock()
    seconds = await recycle(store, server, lock)
    assert seconds is not None
    assert server.pid not in {before, None}
    assert server.restarts == 0
    assert await asyncio.to_thread(count, store) == 20
    assert not lock.locked()


async def test_who_writes_is_waited_for(server: ManagedServer, store: Store) -> None:
    """As long as somebody holds the lock of the job, the server is left alone."""
    lock, before = asyncio.Lock(), server.pid
    await lock.acquire()
    task = asyncio.create_task(recycle(store, server, lock))
    done, _ = await asyncio.wait([task], timeout=0.5)
    assert not done
    assert server.pid == before
    lock.release()
    await task
    assert server.pid != before


async def test_nobody_has_it_open_in_between(server: ManagedServer, store: Store) -> None:
    """What changes the files runs while there is no server; when it fails, there is one again."""
    seen = []

    def change() -> None:
        seen.append(server.pid)
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        await between(store, server, change)
    assert seen == [None]
    assert server.pid is not None
    assert await asyncio.to_thread(count, store) == 20


async def test_a_server_that_died_later_is_started_again(
    server: ManagedServer, store: Store
) -> None:
    """Who keeps it does so after a restart, too."""
    await recycle(store, server, asyncio.Lock())
    before = server.pid
    await end(server._process)  # noqa: SLF001 - as if it had been killed
    await asyncio.to_thread(eventually, lambda: server.pid not in {before, None})
    assert server.restarts == 1


async def test_a_port_that_is_taken_meanwhile(server: ManagedServer, store: Store) -> None:
    """It is told, and the server comes back as soon as the port is free."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def take() -> None:
        taken.bind(("127.0.0.1", server.plan.port))
        taken.listen()

    with pytest.raises(PortBusyError):
        await between(store, server, take)
    assert server.pid is None
    taken.close()
    await asyncio.to_thread(eventually, lambda: server.pid is not None)
    assert await asyncio.to_thread(count, store) == 20


async def test_an_embedded_client_is_recycled(tmp_path: Path) -> None:
    """The same, in this process."""
    store = open_embedded(SETTINGS, tmp_path / "chroma")
    fill(store)
    assert await recycle(store, None, asyncio.Lock()) is not None
    assert count(store) == 20

    def fail() -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        await between(store, None, fail)
    assert count(store) == 20
    store.close()


async def test_a_remote_store_is_left_alone(server: ManagedServer, store: Store) -> None:
    """It is not ours to end."""
    before = server.pid
    assert await recycle(store, None, asyncio.Lock()) is None
    assert server.pid == before
