"""``ingestd rebuild``: fill the index of a collection anew from the vectors cache.

The daemon does this by itself when it finds an index broken. This verb is for when somebody wants
it: after a copy from a backup, or because the files cannot be read at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import AlreadyRunningError, NotFoundError, PartialError
from ingestd.visible import clean, counted

from . import options, output, table

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.drain import Drain
    from ingestd.instance import Instance
    from ingestd.location import Location
    from ingestd_state.engine import Database

REASON = "`ingestd rebuild`"
Report = Callable[[str, int, int], None]
"""Called with the name of a collection, its slots that are dealt with, and all of them."""


def rebuild(
    *,
    collection: options.Collection = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done; change nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Fill collections anew from the vectors cache: nothing is embedded that it holds.

    Works when Chroma's files are torn or unreadable. Texts that are lost with them are read from
    the files again. Needs the daemon stopped; a running one mends a broken index by itself.
    """
    from ingestd import logs

    from . import comparing

    settings, location = comparing.configured(config, state_dir, store)
    with table.opened(location) as database:
        _refuse_beside(location)
        names = _chosen(database, collection)
        logs.configure("debug" if verbose else "error", settings.log.format)
        if dry_run:
            _tell(database, settings, location, names, json=json)
            return
        _flag(database, names)
    started = time.monotonic()
    import asyncio

    level = "debug" if verbose else "error"
    result = asyncio.run(_run(settings, location, level))
    result["seconds"] = round(time.monotonic() - started, 2)
    _end(names, result, json=json)


def _refuse_beside(location: Location) -> None:
    owner = table.running(location)
    if owner is not None:
        raise AlreadyRunningError(
            f"{location.state_dir} is in use by {owner}",
            hint="Stop it first. A daemon that finds an index broken fills it anew by itself.",
        )


def _chosen(database: Database, named: str | None) -> list[str]:
    from ingestd_state import work

    with database.read() as connection:
        known = work.collections_of(connection)
    if named is not None and named not in known:
        raise NotFoundError(
            f"no source writes to a collection {named!r}",
            hint="`ingestd status` lists the sources.",
        )
    if not known:
        raise NotFoundError("there is no source", hint=table.START)
    return known if named is None else [named]


def _flag(database: Database, names: list[str]) -> None:
    """The flags alone have everything done, now or, after a crash, at the next start."""
    from ingestd_state import collections

    with database.write() as connection:
        for name in names:
            collections.flag(connection, name, REASON, now=time.time())


def _tell(
    database: Database, settings: Settings, location: Location, names: list[str], *, json: bool
) -> None:
    """Print what would be done."""
    from ingestd.embed.chroma.opening import ORPHAN_WAIT_S
    from ingestd.embed.model import configured
    from ingestd.tables import open_state

    from . import comparing

    model = configured(settings.model, location.models_dir, location.digests_file).fingerprint
    torn = comparing.broken(settings, location, wait_s=ORPHAN_WAIT_S)
    again, cache = open_state(location)
    try:
        for name in names:
            slots, cached = _count(database, cache, name, model)
            found = {
                "type": "rebuild",
                "dry_run": True,
                "collection": name,
                "slots": slots,
                "cached": cached,
                "to_embed": slots - cached,
                "broken": torn.get(name, torn.get("", "")),
            }
            if json:
                output.emit(found)
            else:
                state = f"broken: {found['broken']}" if found["broken"] else "no damage seen"
                typer.echo(
                    f"{name}: {counted(slots, 'slot')}, {cached:,} of them with their "
                    f"vector in the cache; {clean(state)}"
                )
    finally:
        cache.close()
        again.close()
    if not json:
        output.note("nothing was changed")


def _count(database: Database, cache: Database, name: str, model: str) -> tuple[int, int]:
    """Slots of a collection, and those of them whose vector the cache holds."""
    from itertools import islice

    from ingestd_state import projection, vectors

    slots = cached = 0
    walk = projection.walk(database, name)
    while page := [expected.digest for expected in islice(walk, projection.PAGE)]:
        with cache.read() as connection:
            absent = vectors.missing(connection, model, page)
        slots += len(page)
        cached += sum(digest not in absent for digest in page)
    return slots, cached


async def _run(settings: Settings, location: Location, level: str) -> dict[str, Any]:
    import asyncio

    from ingestd.drain import Drain
    from ingestd.instance import open_instance
    from ingestd.signals import end_by, listening

    from .progress import make_reporter

    mode = settings.store.mode or "embedded"
    with listening() as stop, make_reporter(level, quiet_end=True, verbose=False):
        async with open_instance(settings, location, mode, verb="rebuild") as instance:
            drain = Drain(instance)
            result: dict[str, Any] = {}
            work = asyncio.create_task(_work(instance, drain, result), name="work")
            stopping = asyncio.create_task(stop.event.wait(), name="stop")
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await drain.finish(work)
            stopping.cancel()
            if not stop.event.is_set():
                await work
    end_by(stop.signal)
    return result


async def _work(instance: Instance, drain: Drain, result: dict[str, Any]) -> None:
    """Fill, then write what was lost with the files; says in ``result`` what was done."""
    await instance.job.settle()
    with _bar() as report:
        instance.healer.progress = report
        await instance.healer.heal(instance.job.lock)
    while await drain.once():
        pass
    filled, totals = instance.healer.filled, instance.totals
    result |= {
        "refilled": filled.slots,
        "lost": filled.lost,
        "embedded": totals.chunks["embedded"],
        "reused": totals.chunks["reused"],
        "failed": totals.documents["failed"],
    }


def _end(names: list[str], result: dict[str, Any], *, json: bool) -> None:
    if json:
        output.emit({"type": "rebuild", "dry_run": False, "collections": names, **result})
    else:
        typer.echo(
            f"{counted(result['refilled'], 'slot')} refilled in {result['seconds']:g} s; "
            f"{counted(result['embedded'], 'text')} embedded"
        )
        if result["lost"]:
            output.note(f"{counted(result['lost'], 'slot')} written anew from the files")
    if result["failed"]:
        raise PartialError(f"{counted(result['failed'], 'document')} failed")


def _bar() -> AbstractContextManager[Report]:
    """Shows how far it is: a bar on a terminal, nothing otherwise."""
    import sys

    if not sys.stderr.isatty():
        return nullcontext(lambda _name, _done, _total: None)
    return _shown()


@contextmanager
def _shown() -> Iterator[Report]:
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn("[bold]Filling {task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("slots"),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, progress.TaskID] = {}

    def report(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=total)
        bar.update(tasks[name], completed=done)

    with bar:
        yield report
