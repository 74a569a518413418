"""``ingestd repair``: mend what a check finds, by the daemon or, without one, here and now."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import FindingsError, NotRunningError
from ingestd.visible import counted

from . import options, output, table

if TYPE_CHECKING:
    from ingestd.check.findings import Summary
    from ingestd.config import Settings
    from ingestd.location import Location
    from ingestd.repair import Plan
    from ingestd_state.engine import Database
    from ingestd_state.runs import Run

    from .comparing import Opened

ROUNDS = 2
"""How often it is mended at most: what hid behind something else shows at the second check."""
POLL_S = 0.25
RECORDED_S = 5.0
"""How long the daemon may take to record what it did, once it is done."""


@dataclass(slots=True)
class Progress:
    """What was done so far.

    Attributes:
        first: what the first check found.
        actions: what was done, in findings by remedy.
        embedded: texts that went through the model; None where nobody can tell.
        reused: texts that did not need to; None where nobody can tell.
        rounds: how often it was mended.
    """

    first: Summary | None = None
    actions: Counter[str] = field(default_factory=Counter)
    embedded: int | None = 0
    reused: int | None = 0
    rounds: int = 0

    def count(self, chunks: tuple[int, int] | None) -> None:
        """Take in what a round embedded and reused."""
        if chunks is None or self.embedded is None or self.reused is None:
            self.embedded = self.reused = None
        else:
            self.embedded += chunks[0]
            self.reused += chunks[1]


def repair(
    sources: options.Sources = None,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read every file, and cut it anew.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be done; change nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Mend what a check finds, and check again.

    Documents are written anew from the vectors cache: nothing is embedded that it holds. With a
    running daemon the work is handed to it; without one it is done here.
    """
    from ingestd import logs

    from . import comparing

    settings, location = comparing.configured(config, state_dir, store)
    logs.configure("debug" if verbose else "error", settings.log.format)
    names = sources or []
    if dry_run:
        _show(settings, location, names, deep=deep, json=json)
        return
    progress = Progress()
    while True:
        last = progress.rounds == ROUNDS
        with comparing.opened(settings, location, names, deep=deep) as opened:
            summary, plan = _check(opened, mark=not last, json=json)
            progress.first = progress.first or summary
            if last or not plan:
                break
            progress.actions.update({one.value: n for one, n in plan.actions.items()})
            if opened.daemon is not None:
                progress.count(_wait(opened, location, plan))
        if opened.daemon is None:
            progress.count(_drain_here(settings, location, verbose=verbose))
        progress.rounds += 1
    _end(progress, summary, opened.daemon, json=json)


def _show(
    settings: Settings, location: Location, names: list[str], *, deep: bool, json: bool
) -> None:
    """Print the plan."""
    from . import comparing, findings

    with comparing.opened(settings, location, names, deep=deep) as opened:
        summary, plan = _check(opened, mark=False, json=json)
    actions = {one.value: number for one, number in sorted(plan.actions.items())}
    if json:
        output.emit(
            {
                "type": "repair",
                "dry_run": True,
                "actions": actions,
                "check": findings.summary_json(summary),
            }
        )
        return
    findings.print_summary(summary)
    for action, number in actions.items():
        typer.echo(f"{number:>8,}  {findings.REMEDIES[action]}")
    output.note("nothing was changed")


def _check(opened: Opened, *, mark: bool, json: bool) -> tuple[Summary, Plan]:
    """Check, print what is found, and mark what is to be done about it."""
    from ingestd.repair import Plan, Repairer

    from . import findings

    printer = findings.Printer(opened.sources, json=json)
    found = printer.pass_on(opened.checker.run())
    if mark:
        plan = Repairer(opened.database, opened.sources).mark(found)
    else:
        plan = Plan()
        for finding in found:
            plan.add(finding)
    if not json:
        printer.say_rest()
    return opened.checker.summary, plan


def _wait(opened: Opened, location: Location, plan: Plan) -> tuple[int, int] | None:
    """Wait until the daemon has done it; returns what it embedded and reused meanwhile."""
    from ingestd.embed.hub_cache import recorded_embedding_function

    before = _counted(opened.database, location)
    if opened.store is not None:
        for name in sorted(plan.fills):
            # The daemon looked at start, and takes it to be there and of the right model.
            opened.store.collection(name, opened.spec, recorded_embedding_function(opened.spec))
    until = time.time()
    while left := _left(opened, until):
        if table.running(location) is None:
            raise NotRunningError(f"the daemon has ended; {left:,} left to do")
        time.sleep(POLL_S)
    after = _recorded(opened.database, location, plan)
    return None if after is None else (after[0] - before[0], after[1] - before[1])


def _left(opened: Opened, until: float) -> int:
    """How many documents and slots the daemon still has to deal with."""
    from ingestd_state import orphans, selection

    with opened.database.read() as connection:
        return orphans.count(connection) + sum(
            selection.unfinished(connection, selection.Selection(source.id), until=until)
            for source in opened.sources.values()
        )


def _recorded(database: Database, location: Location, plan: Plan) -> tuple[int, int] | None:
    """The daemon's counts, once it has written down the drain that did the work."""
    from ingestd.check.findings import Remedy

    if set(plan.actions) == {Remedy.DELETE}:
        return _counted(database, location)  # no document was dealt with
    deadline = time.monotonic() + RECORDED_S
    while time.monotonic() < deadline:
        last = _last_drain(database)
        # One that was broken off is followed by another.
        if last is not None and last.outcome == "done" and _end_of(last) >= plan.at:
            return _counted(database, location)
        time.sleep(POLL_S)
    return None


def _counted(database: Database, location: Location) -> tuple[int, int]:
    """Texts embedded and reused since the daemon's start, as of its last drain."""
    owner, last = table.running(location), _last_drain(database)
    if owner is None or last is None or _end_of(last) < owner.since:
        return 0, 0
    return int(last.counts.get("embedded", 0)), int(last.counts.get("reused", 0))


def _end_of(run: Run) -> float:
    """When a run ended, in Unix seconds."""
    return run.started_at + run.seconds


def _last_drain(database: Database) -> Run | None:
    from ingestd_state import runs

    with database.read() as connection:
        drains = (run for run in runs.last(connection, runs.KEPT) if run.kind == "drain")
        return next(drains, None)


def _drain_here(settings: Settings, location: Location, *, verbose: int) -> tuple[int, int]:
    """Do the work in this process; returns what was embedded and reused."""
    import asyncio

    chunks = asyncio.run(_run(settings, location, "debug" if verbose else "error"))["chunks"]
    return int(chunks["embedded"]), int(chunks["reused"])


async def _run(settings: Settings, location: Location, level: str) -> dict[str, Any]:
    from ingestd.instance import open_instance
    from ingestd.once import run_once
    from ingestd.signals import end_by, listening

    from .progress import make_reporter

    mode = settings.store.mode or "embedded"
    with listening() as stop, make_reporter(level, quiet_end=True, verbose=False) as reporter:
        async with open_instance(settings, location, mode, verb="repair") as instance:
            report = await run_once(instance, stop, reporter)
    end_by(stop.signal)
    return report


def _end(progress: Progress, summary: Summary, daemon: int | None, *, json: bool) -> None:
    from . import findings

    left = summary.found.total()
    if json:
        output.emit(
            {
                "type": "repair",
                "dry_run": False,
                "daemon": daemon,
                "found": findings.summary_json(progress.first or summary),
                "actions": dict(sorted(progress.actions.items())),
                "rounds": progress.rounds,
                "chunks": {"embedded": progress.embedded, "reused": progress.reused},
                "left": findings.summary_json(summary),
            }
        )
    else:
        findings.print_summary(summary)
        if progress.rounds and progress.embedded is not None:
            typer.echo(
                f"mended in {counted(progress.rounds, 'round')}: "
                f"{counted(progress.embedded, 'text')} embedded, "
                f"{progress.reused:,} reused"
            )
    if left:
        raise FindingsError(
            f"{counted(left, 'difference')} left",
            hint="`ingestd status` and `ingestd why PATH` tell what stands in the way.",
        )
