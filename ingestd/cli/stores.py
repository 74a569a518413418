"""The store as verbs open it that run beside a daemon, or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingestd.errors import NotFoundError, StoreError

from . import table

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.embed.chroma.store import Store
    from ingestd.location import Location

LOCK_WAIT_S = 0.5


@contextmanager
def opened(settings: Settings, location: Location) -> Iterator[Store]:
    """The store: that of the running daemon, else the one of the configuration.

    Raises:
        NotFoundError: nothing was ever stored.
        StoreError: Chroma does not answer, or another process has its directory.
    """
    from ingestd.embed.chroma.store import open_embedded, open_http
    from ingestd.memory import collector

    collector.steady()  # each answer of Chroma is part of a cycle, and what is asked may be long
    owner = table.running(location)
    mode = settings.store.mode
    if mode == "remote":
        store = open_http(settings.store, settings.store.url or "")
    elif owner is not None and owner.store_url and mode != "embedded":
        store = open_http(settings.store, owner.store_url)
    elif owner is not None:
        raise StoreError(
            f"the Chroma data in {location.chroma_dir} is in use by {owner}",
            hint="Ask again when it has ended.",
        )
    elif not location.chroma_dir.is_dir():
        raise NotFoundError(f"nothing is indexed in {location.state_dir}", hint=table.START)
    else:
        from ingestd.instance import lock_chroma

        with lock_chroma(location, wait_s=LOCK_WAIT_S):
            store = open_embedded(settings.store, location.chroma_dir)
            try:
                yield store
            finally:
                store.close()
        return
    try:
        yield store
    finally:
        store.close()
