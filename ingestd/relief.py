"""What the daemon can give back when memory is short, the cheapest first."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import structlog

from ingestd_state import runs
from ingestd_state.engine import Database, DatabaseError

from .embed import language
from .memory import cgroup, heap, marks
from .memory.guard import MemoryGuard, taken
from .memory.ladder import Ladder, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .instance import Instance
    from .memory.gate import Gate

log = structlog.get_logger(__name__)

KIND = "memory"
"""The kind of run that marks and reliefs are recorded as."""


def guard_of(instance: Instance, gate: Gate, *, on_open: Callable[[], None]) -> MemoryGuard:
    """Who watches the memory of an instance.

    Args:
        instance: whose marks apply, and what can be given back.
        gate: what the embed job asks before each batch.
        on_open: called when it may go on.
    """
    settings = instance.settings.memory
    found = marks.resolve(settings.high, settings.max, cgroup.allowed())
    ladder = Ladder(gate, instance.job.rest, taken)
    for step in steps(instance):
        ladder.add(step)
    if found.high or found.max:
        log.info("memory_marks", high=found.high, max=found.max)
    return MemoryGuard(
        found,
        gate,
        ladder,
        record=lambda outcome, seconds, counts: _record(instance, outcome, seconds, counts),
        on_open=on_open,
    )


def steps(instance: Instance) -> Iterator[Step]:
    """The rungs of the ladder, from what costs nothing to what readers notice."""
    yield Step("caches", lambda: drop_caches(instance.database, instance.cache))
    yield Step("heap", heap.collect)
    pool = getattr(instance, "pool", None)
    if pool is not None:
        yield Step("parser", lambda: _recycle_parsers(instance), recycles=True)
    yield Step("model", lambda: _close_model(instance), recycles=True, gated=True)
    yield Step("chroma", lambda: _recycle_chroma(instance), recycles=True, gated=True)


def _recycle_parsers(instance: Instance) -> None:
    """Give the memory of the children that read files back; blocking."""
    instance.pool.recycle()
    if instance.scanner is not None:
        instance.scanner.recycle()


def drop_caches(*databases: Database) -> None:
    """Drop the pages that SQLite keeps for idle connections, and tables of languages; blocking."""
    language.shrink()
    for database in databases:
        if database.engine.dialect.name != "sqlite":
            continue
        with contextlib.suppress(DatabaseError), ExitStack() as stack:
            idle: int = getattr(database.engine.pool, "checkedin", int)()
            for _ in range(idle):  # one after another would be the same one each time
                stack.enter_context(database.read()).exec_driver_sql("PRAGMA shrink_memory")


async def _close_model(instance: Instance) -> None:
    """Close the model; the next text opens it again."""
    await instance.job.stages.encode.run(instance.texts.close)
    await asyncio.to_thread(heap.collect)


async def _recycle_chroma(instance: Instance) -> None:
    """Start the server anew, or open the embedded client anew; a remote one is left alone."""
    from .embed.chroma.recycle import recycle  # noqa: PLC0415 - seldom needed

    await recycle(instance.store, instance.server, instance.job.lock)
    await asyncio.to_thread(heap.collect)


def _record(instance: Instance, outcome: str, seconds: float, counts: dict[str, Any]) -> None:
    run = runs.Run(KIND, time.time() - seconds, seconds, outcome, counts)
    with contextlib.suppress(DatabaseError), instance.database.write() as connection:
        runs.add(connection, run)
