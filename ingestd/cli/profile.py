"""``ingestd profile``: have the running daemon trace its allocations for a while."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.location import Location, locate

from . import options, output

if TYPE_CHECKING:
    from .tracing import Report


def profile(
    *,
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.1, max=3_600, help="How long.")
    ] = 60.0,
    native: Annotated[
        bool, typer.Option("--native", help="Record the frames of native code too; slower.")
    ] = False,
    objects: Annotated[
        bool,
        typer.Option("--objects", help="Record each Python object, however small; slower."),
    ] = False,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the trace goes; default: `./ingestd-profile-TIME.bin`.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, max=1_000, help="How many places of each kind to show.")
    ] = 10,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Trace the memory of the running daemon, without stopping it.

    The daemon records its allocations with memray for a while; then the places that took most are
    shown, and what was not freed. It slows down meanwhile. Ctrl-C ends the trace early.
    """
    location = locate(config=config, state_dir=state_dir)
    target = _target(output_file)
    found = take(
        location,
        {"seconds": seconds, "native": native, "objects": objects},
        target,
        top=top,
        quiet=json,
    )
    if json:
        output.emit(found)
        return
    from .profile_page import page

    page(found).show()
    typer.echo("\nTo look further")
    for command in found["commands"]:  # in no table: they are to be copied
        typer.echo(f"  {command}")


def take(
    location: Location, wish: dict[str, Any], target: Path, *, top: int, quiet: bool
) -> dict[str, Any]:
    """Take a trace; what it gives is described in ``docs/cli.md``.

    Raises:
        NotRunningError: no daemon runs.
        UnavailableError: it cannot take one.
        BusyError: it takes one already.
    """
    from ingestd.serve.client import Client

    from . import tracing

    with Client(location) as daemon, _bar() as report:
        state = tracing.follow(daemon, location, wish, report)
    file = target / state["file"] if target.is_dir() else target
    tracing.take_over(location, state["file"], file)
    file = _short(file)
    size = file.stat().st_size
    if not quiet:
        output.note(f"reading {output.size(size)}")
    summed = tracing.summary(file, state["code"], top)
    return {
        "type": "profile",
        "file": str(file.absolute()),
        "file_bytes": size,
        "pid": state["pid"],
        "seconds": state["elapsed_s"],
        "reason": state["reason"],
        "native": state["native"],
        "objects": state["objects"],
        "rss_bytes": {**state["rss_bytes"], "peak": summed.pop("rss_peak_bytes")},
        **summed,
        "code": state["code"],
        "commands": _commands(tracing.memray_command(), file),
    }


def _target(given: Path | None) -> Path:
    """Where the file goes: a folder that is there, or a name that is free in one."""
    target = given.expanduser() if given else Path.cwd()
    folder = target if target.is_dir() else target.parent
    if target.exists() and not target.is_dir():
        raise typer.BadParameter(f"{target} is there already", param_hint="--output")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{folder} cannot be written to", param_hint="--output")
    return target


def _short(file: Path) -> Path:
    """The file as it is called from here."""
    return Path(file.name) if file.parent.absolute() == Path.cwd() else file


def _commands(memray: str, file: Path) -> list[str]:
    """How to look further; memray does not overwrite, so each page has its own name."""
    import shlex

    def page(name: str) -> str:
        return shlex.quote(str(file.with_name(f"{file.stem}-{name}.html")))

    trace = shlex.quote(str(file))
    return [
        f"{memray} flamegraph -o {page('peak')} {trace}",
        f"{memray} flamegraph --leaks -o {page('left')} {trace}",
        f"{memray} flamegraph --temporal -o {page('time')} {trace}",
        f"{memray} tree {trace}",
    ]


@contextmanager
def _bar() -> Iterator[Report]:
    """A bar on standard error while the trace runs; in a pipe, silence."""
    if not sys.stderr.isatty():
        yield lambda _state: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("[bold]Tracing process {task.fields[pid]}"),
        BarColumn(),
        TextColumn("{task.fields[left]:.0f} s left, {task.fields[size]}; Ctrl-C ends it"),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("trace", total=None, visible=False, pid="", left=0.0, size="")

    def report(state: dict[str, Any]) -> None:
        done, total = state["elapsed_s"], state["seconds"]
        bar.update(
            task,
            completed=done,
            total=total,
            pid=state["pid"],
            left=max(0.0, total - done),
            size=output.size(state["file_bytes"]),
            visible=True,
        )

    with bar:
        yield report
