"""``ingestd reindex``: take documents up again, by the daemon or, without one, here and now."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import PartialError, WaitTimeoutError
from ingestd.location import locate
from ingestd.paths import text_of
from ingestd.visible import clean, counted

from . import options, output, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.config import Settings
    from ingestd.location import Location
    from ingestd.lock import Owner
    from ingestd_state.engine import Database

    from .again import Marked, Wish


def reindex(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="These files, and what is below these folders, changed or not."),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every document, changed or not.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Those that failed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be done; change nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.0, help="Wait at most so many seconds.")
    ] = None,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Take documents up again: without arguments, those that changed on disk.

    Texts that were embedded before are not embedded again. With a running daemon the work is
    handed to it; without one it is done here.
    """
    if everything and (paths or failed):
        raise typer.BadParameter("it stands alone", param_hint="--all")
    if timeout is not None and not wait:
        raise typer.BadParameter("it needs --wait", param_hint="--timeout")
    location = locate(config=config, state_dir=state_dir)
    with table.opened(location) as database:
        from . import again

        wish = again.Wish(
            again.resolve(database, paths or []),
            forced=(everything or bool(paths)) and not failed,
            failed=failed,
        )
        if dry_run:
            _list(database, wish, json=json)
            return
        owner = table.running(location)
        if owner is not None:
            _quiet_logs(verbose)
            _hand_over(database, wish, location, owner, wait=wait, timeout_s=timeout, json=json)
            return
    _do_here(location, wish, store, config, timeout_s=timeout, json=json, verbose=verbose)


def _list(database: Database, wish: Wish, *, json: bool) -> None:
    from . import again

    number = 0
    for action, place in again.plan(database, wish):
        number += 1
        path = text_of(place.full)
        if json:
            output.emit(
                {
                    "type": "document",
                    "action": action,
                    "source": place.source.name,
                    "path": text_of(place.path),
                    "file": path,
                }
            )
        else:
            typer.echo(f"{action:<8} {clean(path)}")
    if json:
        output.emit({"type": "summary", "dry_run": True, "documents": number})
    else:
        output.note(f"{counted(number, 'document')}; nothing was changed")


def _hand_over(
    database: Database,
    wish: Wish,
    location: Location,
    owner: Owner,
    *,
    wait: bool,
    timeout_s: float | None,
    json: bool,
) -> None:
    """Mark the documents: the daemon looks at the table each second."""
    from . import again

    marked = again.mark(database, wish)
    if not json:
        _say(wish, marked, f"handed to process {owner.pid}")
    if not wait:
        if json:
            output.emit(again.outcome(marked, daemon=owner.pid, waited=False))
        return
    with _bar() as report:
        again.wait(
            database,
            marked,
            timeout_s=timeout_s,
            running=lambda: table.running(location) is not None,
            report=report,
        )
    _end(again.failures(database, marked), marked, json=json, daemon=owner.pid)


def _do_here(
    location: Location,
    wish: Wish,
    store: str | None,
    config: Path | None,
    *,
    timeout_s: float | None,
    json: bool,
    verbose: int,
) -> None:
    import asyncio

    from ingestd import logs

    from . import comparing

    settings, location = comparing.configured(config, location.state_dir, store)
    level = "debug" if verbose else "warning"
    logs.configure(level, settings.log.format)
    if not json:
        output.note("no daemon runs: the work is done here")
    marked, report, failed = asyncio.run(_run(settings, location, wish, level, timeout_s=timeout_s))
    if not json:
        from .summary import print_report

        print_report(report)
    _end(failed, marked, json=json, daemon=None, report=report)


async def _run(
    settings: Settings, location: Location, wish: Wish, level: str, *, timeout_s: float | None
) -> tuple[Marked, dict[str, Any], int]:
    import asyncio

    from ingestd.instance import open_instance
    from ingestd.once import run_once
    from ingestd.signals import end_by, listening

    from . import again
    from .progress import make_reporter

    mode = settings.store.mode or "embedded"
    with listening() as stop, make_reporter(level, quiet_end=True, verbose=False) as reporter:
        async with open_instance(settings, location, mode, verb="reindex") as instance:
            marked = await asyncio.to_thread(again.mark, instance.database, wish)
            if timeout_s is not None:
                asyncio.get_running_loop().call_later(timeout_s, stop.event.set)
            report = await run_once(instance, stop, reporter)
            left = await asyncio.to_thread(again.remaining, instance.database, marked)
            failed = await asyncio.to_thread(again.failures, instance.database, marked)
    end_by(stop.signal)
    if left and timeout_s is not None:
        raise WaitTimeoutError(
            f"{counted(left, 'document')} left to do after {timeout_s:g} s",
            hint="The next `ingestd run` or `ingestd reindex` goes on.",
        )
    return marked, report, failed


def _say(wish: Wish, marked: Marked, what: str) -> None:
    found = marked.found
    shown = [
        f"{found[name]:,} {name}"
        for name in ("new", "changed", "moved", "deleted", "held")
        if found.get(name)
    ]
    if wish.marks:
        shown.append(f"{counted(marked.documents, 'document')} to take up again")
    typer.echo(f"{', '.join(shown)}; {what}" if shown else "nothing changed")


def _end(failed: int, marked: Marked, *, json: bool, **more: Any) -> None:
    from . import again

    if json:
        output.emit(again.outcome(marked, waited=True, failed=failed, **more))
    if failed:
        raise PartialError(f"{counted(failed, 'document')} failed")
    if not json and more["daemon"] is not None:
        typer.echo("done")


def _quiet_logs(verbose: int) -> None:
    from ingestd import logs

    logs.configure("debug" if verbose else "error", "auto")


def _bar() -> AbstractContextManager[Callable[[int], None]]:
    """Shows how many are left: a bar on a terminal, nothing otherwise."""
    import sys

    if not sys.stderr.isatty():
        return nullcontext(lambda _left: None)
    from .waiting import bar

    return bar()
