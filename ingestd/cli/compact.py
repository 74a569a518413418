"""``ingestd compact``: have Chroma's files written anew without what was deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import NotFoundError, StoreError

from . import options, output, table

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.location import Location
    from ingestd.lock import Owner

Tell = Callable[[str, int, int], None]
POLL_S = 0.3


def compact(
    *,
    collection: options.Collection = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure; change nothing.")] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Give back what deleted chunks take, and have their texts gone from the disk.

    Chroma keeps the place of each chunk that it ever held. The index of every collection is built
    anew beside the old one, from the vectors cache, and exchanged; so is the database. A running
    daemon does it, and readers find nobody for about a second; without one it is done here.
    The daemon does it by itself when it is worth it: see `store.compact_at`.
    """
    from ingestd import logs

    from . import compact_page, comparing

    settings, location = comparing.configured(config, state_dir, store)
    level = "debug" if verbose else "error"
    logs.configure(level, settings.log.format)
    with table.opened(location):
        owner = table.running(location)
    if dry_run or settings.store.mode == "remote":
        found = _measured(settings, location, collection)
    elif owner is not None:
        found = _by_daemon(location, owner, collection)
    else:
        found = _here(settings, location, collection, level)
    if json:
        output.emit({"type": "compact", "dry_run": dry_run, **found})
    else:
        compact_page.show(found, dry_run=dry_run)
    if settings.store.mode == "remote" and not dry_run:
        raise StoreError(
            "a remote store is not compacted", hint="That is for whoever runs that server."
        )


def _measured(settings: Settings, location: Location, named: str | None) -> dict[str, Any]:
    """How the collections are, from their files; of a remote store only how much they hold."""
    if settings.store.mode == "remote":
        return {"store": "remote", "before": _counts(settings, location, named)}
    from ingestd.embed.chroma.growth import measure
    from ingestd.embed.compacted import as_json, due

    growth = measure(location.chroma_dir)
    found = [as_json(one) for one in growth if named in {None, one.collection}]
    _check_there(found, named)
    at = settings.store.compact_at
    return {"store": "ours", "compact_at": at, "due": due(growth, at) is not None, "before": found}


def _counts(settings: Settings, location: Location, named: str | None) -> list[dict[str, Any]]:
    from ingestd.embed import model
    from ingestd_state import work

    from . import stores

    spec = model.configured(settings.model, location.models_dir, location.digests_file)
    with table.opened(location) as database, database.read() as connection:
        names = work.collections_of(connection)
    found = []
    with stores.opened(settings, location) as store:
        for name in names:
            handle = store.existing(name, spec) if named in {None, name} else None
            if handle is not None:
                found.append({"collection": name, "live": handle.count()})
    _check_there(found, named)
    return found


def _check_there(found: list[dict[str, Any]], named: str | None) -> None:
    if named is not None and not found:
        raise NotFoundError(
            f"there is no collection {named!r}", hint="`ingestd status` lists the collections."
        )


def _by_daemon(location: Location, owner: Owner, named: str | None) -> dict[str, Any]:
    """Have the running daemon do it, and show how far it is."""
    from concurrent.futures import Future
    from concurrent.futures import TimeoutError as NotYet
    from threading import Thread

    from ingestd.serve.client import Client

    from . import compact_page

    answer: Future[dict[str, Any]] = Future()
    with Client(location) as watch, compact_page.bar() as tell:
        # A daemon that is too old to know this says so here.
        known = watch.get("/v1/compact")["collections"]
        _check_there([one for one in known if named in {None, one["collection"]}], named)
        # Not waited for at Ctrl-C: the daemon goes on without us.
        Thread(target=_ask, args=(location, named, answer), daemon=True).start()
        while True:
            try:
                return {"store": "ours", "daemon": owner.pid, **answer.result(POLL_S)}
            except NotYet:
                _look(watch, tell)


def _ask(location: Location, named: str | None, answer: Any) -> None:
    from ingestd.serve.client import Client

    values = {} if named is None else {"collection": named}
    try:
        with Client(location) as daemon:
            answer.set_result(daemon.post("/v1/compact", values, timeout_s=None))
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is taken
        answer.set_exception(error)


def _look(watch: Any, tell: Tell) -> None:
    from ingestd.errors import IngestdError

    try:
        state = watch.get("/v1/compact")
    except IngestdError:
        return  # the answer to the request itself tells what happened
    if state["busy"] and state["what"]:
        tell(state["what"], state["done"], state["total"])


def _here(settings: Settings, location: Location, named: str | None, level: str) -> dict[str, Any]:
    """Do it in this process."""
    import asyncio

    found = asyncio.run(_run(settings, location, named, level))
    return {"store": "ours", "daemon": None, **found}


async def _run(
    settings: Settings, location: Location, named: str | None, level: str
) -> dict[str, Any]:
    import asyncio

    from ingestd.instance import open_instance
    from ingestd.signals import end_by, listening

    from . import compact_page
    from .progress import make_reporter

    mode = settings.store.mode or "embedded"
    result: dict[str, Any] = {}
    with listening() as stop, make_reporter(level, quiet_end=True, verbose=False):
        async with open_instance(settings, location, mode, verb="compact") as instance:
            with compact_page.bar() as tell:
                work = asyncio.create_task(_work(instance, named, tell), name="work")
                stopping = asyncio.create_task(stop.event.wait(), name="stop")
                await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    instance.compactor.stop()
                    await asyncio.wait([work])
                stopping.cancel()
            if not stop.event.is_set():
                result = work.result()
            else:
                work.exception()  # that it was broken off is told by the signal
    end_by(stop.signal)
    return result


async def _work(instance: Any, named: str | None, tell: Tell) -> dict[str, Any]:
    await instance.job.settle()
    await instance.healer.heal(instance.job.lock)
    growth = await instance.compactor.growth()
    names = [one.collection for one in growth if named in {None, one.collection}]
    if named is not None and not names:
        raise NotFoundError(
            f"there is no collection {named!r}", hint="`ingestd status` lists the collections."
        )
    done = await instance.compactor.compact(instance.job.lock, names, tell=tell)
    found: dict[str, Any] = done.as_json()
    return found
