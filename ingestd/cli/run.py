"""``ingestd run``: index folders, and keep watching them."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.location import Location
    from ingestd.reload import Reload
    from ingestd.settings.content import StoreMode
    from ingestd.signals import Stop


def run(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders to index; default: those of the configuration."),
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Index what is there, and end.")] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", help="Port of the managed Chroma server.", show_default=False),
    ] = None,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    collection: options.Collection = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Index folders into Chroma, and keep them up to date until stopped.

    Ctrl-C (or SIGTERM) finishes the document in hand; a second one ends at once. Without a
    terminal, SIGHUP has the configuration read again.
    """
    import asyncio

    from ingestd import logs
    from ingestd.config import load
    from ingestd.errors import ConfigError, PartialError
    from ingestd.reload import Reload

    overrides: dict[str, Any] = {
        "store.mode": store,
        "store.port": port,
        "store.collection": collection,
        "sources": [{"path": path} for path in directories] if directories else None,
    }
    settings, location = load(config=config, state_dir=state_dir, overrides=overrides)
    if not settings.sources:
        raise ConfigError(
            "no folder to watch",
            hint="Name one, `ingestd run DIR`, or put [[sources]] into the configuration.",
        )
    level = "debug" if verbose else settings.log.level
    logs.configure(level, settings.log.format, (settings.store.token, settings.http.token))
    mode: StoreMode = settings.store.mode or ("embedded" if once else "managed")
    reload = Reload(
        settings,
        lambda: load(config=config, state_dir=state_dir, overrides=overrides)[0],
        fixed_level=verbose > 0,
    )
    report = asyncio.run(_run(settings, location, mode, reload, once=once, verbose=verbose > 0))
    if report is None:
        return
    if json:
        typer.echo(jsonlib.dumps(report, ensure_ascii=False))
    else:
        from .summary import print_report

        print_report(report)
    if failed := report["documents"]["failed"]:
        raise PartialError(f"{failed} document{'s' if failed > 1 else ''} failed")


async def _run(
    settings: Settings,
    location: Location,
    mode: StoreMode,
    reload: Reload,
    *,
    once: bool,
    verbose: bool,
) -> dict[str, Any] | None:
    from ingestd.signals import end_by, listening

    report: dict[str, Any] | None = None
    with listening() as stop:
        if once:
            report = await _once(settings, location, mode, stop, verbose=verbose)
        else:
            await _serve(settings, location, mode, stop, reload, verbose=verbose)
    end_by(stop.signal)
    return report


async def _once(
    settings: Settings, location: Location, mode: StoreMode, stop: Stop, *, verbose: bool
) -> dict[str, Any]:
    verb, found = "run --once", None
    if mode == "embedded":
        from ingestd.glance import glance

        seen = await glance(settings, location, stop.event, verb=verb)
        if seen.report is not None:
            return seen.report
        found = seen.findings
    from ingestd.instance import open_instance
    from ingestd.once import run_once

    from .progress import make_reporter

    with make_reporter(settings.log.level, quiet_end=True, verbose=verbose) as reporter:
        async with open_instance(settings, location, mode, verb=verb) as instance:
            return await run_once(instance, stop, reporter, found)


async def _serve(
    settings: Settings,
    location: Location,
    mode: StoreMode,
    stop: Stop,
    reload: Reload,
    *,
    verbose: bool,
) -> None:
    import faulthandler
    import os

    from ingestd.herald import Herald
    from ingestd.instance import open_instance
    from ingestd.notify import Notifier
    from ingestd.service import Service

    from .progress import make_reporter

    notifier = Notifier.of(os.environ)
    if notifier.watchdog_s:
        faulthandler.enable()  # the watchdog ends by SIGABRT: the log then says where it hung
    herald = Herald(notifier, reload, stop.reload)
    with make_reporter(settings.log.level, quiet_end=False, verbose=verbose) as reporter:
        async with (
            herald.lifetime(),
            open_instance(settings, location, mode, verb="run") as instance,
        ):
            await Service(instance, stop, reporter, herald).run()
