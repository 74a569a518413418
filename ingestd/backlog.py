"""How much is done, and how much waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from ingestd_state import due
from ingestd_state.engine import DatabaseError

from .visible import counted

if TYPE_CHECKING:
    from .instance import Instance


class Progress(Protocol):
    """Who wants to know how far it is."""

    def progress(self, done: int, waiting: int, chunks: int) -> None:
        """So many documents are done since the start, so many wait; so many chunks embedded."""


async def report_progress(instance: Instance, reporter: Progress) -> None:
    """Tell a reporter how far the work is."""
    try:
        waiting = await asyncio.to_thread(count_open, instance)
    except DatabaseError:
        return  # it is told where it matters
    reporter.progress(instance.totals.done, waiting, instance.totals.chunks["embedded"])


def count_open(instance: Instance) -> int:
    """Documents that wait for the job, or are in its hands; blocking."""
    ids = [source.id for source in instance.sources.values()]
    with instance.database.read() as connection:
        return due.count_open(connection, instance.clock(), ids)


async def in_words(instance: Instance) -> str:
    """How far the work is, in a line; nothing of the documents themselves."""
    try:
        waiting = await asyncio.to_thread(count_open, instance)
    except DatabaseError as error:
        return f"the state table cannot be read: {error}"
    totals = instance.totals
    failed = totals.documents["failed"]
    tail = f" · {failed:,} failed" if failed else ""
    if waiting:
        return f"indexing {totals.done:,} of {totals.done + waiting:,}{tail}"
    watched, done = counted(len(instance.sources), "folder"), counted(totals.done, "document")
    return f"watching {watched} · {done} done since the start{tail}"
