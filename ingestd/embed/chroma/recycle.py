"""Closes the Chroma of an instance and opens it anew: for its memory, or to change its files.

Readers of a managed server get connection errors meanwhile; see ``docs/rag-apps.md``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from ingestd.embed.threads import in_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .server import ManagedServer
    from .store import Store

log = structlog.get_logger(__name__)


async def recycle(store: Store, server: ManagedServer | None, lock: asyncio.Lock) -> float | None:
    """Close and open Chroma, for its memory.

    Args:
        store: of the instance.
        server: the managed server; None where there is none.
        lock: of the embed job, which is taken here: the batch in hand is finished first.

    Returns:
        Seconds in which nobody answered; None for a remote store, which is left alone.

    Raises:
        StoreError: it does not come up again; it is tried again without being asked.
        DatabaseError: the state table cannot be asked what is to be filled anew.
    """
    if server is None and store.directory is None:
        return None
    async with lock:
        seconds = await between(store, server, lambda: None)
    log.info("store_recycled", seconds=round(seconds, 2))
    return seconds


async def between(store: Store, server: ManagedServer | None, change: Callable[[], None]) -> float:
    """Close Chroma, have its files changed, and open it; for who holds the lock of the embed job.

    Args:
        store: of the instance; not a remote one.
        server: the managed server; None where there is none.
        change: called in a thread while nobody has the directory open.

    Returns:
        Seconds in which nobody answered.

    Raises:
        StoreError: it does not come up again; see `recycle`.
        Exception: what ``change`` raised; Chroma is open again.
    """
    if server is not None:
        return await server.restart(change)
    started = time.monotonic()
    await in_thread(lambda: store.reopen(change))
    return time.monotonic() - started
