"""Opens the store of an instance in its mode, with nothing broken in it, and closes it in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingestd import lock
from ingestd.errors import StoreError

from .care import BrokenError, Care
from .exchange import settle
from .plan import ServerPlan, server_url
from .server import LAUNCHES, ManagedServer
from .store import Store, open_embedded, open_http, open_later

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from ingestd.config import Settings
    from ingestd.location import Location
    from ingestd.settings.content import StoreMode
    from ingestd_state.engine import Database

ORPHAN_WAIT_S = 20.0
"""How long a Chroma server that outlived a killed daemon may take to end."""


def store_url(settings: Settings, mode: StoreMode) -> str:
    """The address at which others reach the store; empty for an embedded one."""
    if mode == "remote":
        return settings.store.url or ""
    if mode == "managed":
        return server_url(settings.store.host, settings.store.port)
    return ""


async def open_store(
    settings: Settings,
    location: Location,
    mode: StoreMode,
    database: Database,
    stack: AsyncExitStack,
    *,
    patient: bool = False,
) -> tuple[Store, ManagedServer | None]:
    """Open the store; what is broken in a Chroma of ours is flagged and set aside before.

    Args:
        settings: the configuration.
        location: where things lie.
        mode: how Chroma is reached.
        database: the state table, which keeps the flags.
        stack: closes what is opened here.
        patient: a remote store may be away, and a managed server starts in the background: the
            store connects when it is needed.

    Returns:
        The store, and the server where we manage one.

    Raises:
        PortBusyError: the managed server's port is taken.
        StoreError: Chroma cannot be reached, or its data is in use.
    """
    if mode == "remote":
        url = settings.store.url or ""
        store = await asyncio.to_thread(open_http, settings.store, url, patient=patient)
        stack.callback(store.close)
        return store, None
    guard = await asyncio.to_thread(lock_chroma, location)
    stack.callback(guard.release)
    await asyncio.to_thread(settle, location.chroma_dir)
    care = Care(location.chroma_dir, database, timeout_s=settings.store.probe_timeout_s)
    if mode == "embedded":
        await asyncio.to_thread(_make_sound, care, guard.fileno())
        store = await asyncio.to_thread(
            open_embedded, settings.store, location.chroma_dir, trusted=True
        )
        stack.callback(care.closed)
        stack.callback(store.close)
        return store, None
    plan = ServerPlan(
        data=location.chroma_dir,
        log_dir=location.log_dir,
        host=settings.store.host,
        port=settings.store.port,
        start_timeout_s=settings.store.start_timeout_s,
        lock_fd=guard.fileno(),
    )
    server = ManagedServer(plan, care)
    stack.push_async_callback(server.stop)
    if patient:
        server.begin()
        store = open_later(settings.store, plan.url)
    else:
        await server.start()
        store = await asyncio.to_thread(open_http, settings.store, plan.url)
    stack.callback(store.close)
    return store, server


def _make_sound(care: Care, lock_fd: int) -> None:
    """Look at the files; after an end that was not in order, have a child open them first."""
    for left in reversed(range(LAUNCHES)):
        care.before()
        if care.clean:
            return
        try:
            care.ask_directory(lock_fd)
        except BrokenError:
            if not left:
                raise
        else:
            return


def lock_chroma(location: Location, *, wait_s: float = ORPHAN_WAIT_S) -> lock.FileLock:
    """Be the only process with this Chroma directory: Chroma itself takes no lock.

    Args:
        location: where things lie.
        wait_s: how long to wait for another process to end.

    Raises:
        StoreError: another process has it, and keeps it.
    """
    try:
        guard = lock.FileLock(location.chroma_lock_file)
        return guard.acquire(lock.Owner.me("chroma"), wait_s=wait_s)
    except lock.LockHeldError as error:
        who = error.owner or "another process"
        raise StoreError(
            f"the Chroma data in {location.chroma_dir} is in use by {who}",
            hint="A Chroma directory can be open in one process only; stop the other one.",
        ) from error
