"""``ingestd service``: run ingestd under systemd."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options, output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestd.setup.files import Step
    from ingestd.setup.layout import Layout
    from ingestd.setup.manager import Command

app = typer.Typer(
    name="service", no_args_is_help=True, help="Install ingestd as a service of systemd."
)

User = Annotated[
    bool, typer.Option("--user", help="For you alone, without rights; default: for the machine.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")]
Root = Annotated[
    Path,
    typer.Option("--root", help="Put everything below this folder, for a package; run nothing."),
]
NOTES = {
    "edited": "somebody changed it: it stays; the new text is in {path}.new, --force overwrites it",
    "kept": "it is yours",
}


def _names(incomplete: str) -> list[str]:
    from ingestd.setup.shipped import drop_ins

    return [name for name in drop_ins() if name.startswith(incomplete)]


@app.command()
def install(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders to index, written into a new configuration."),
    ] = None,
    *,
    user: User = False,
    drop_in: Annotated[
        list[str] | None,
        typer.Option(
            "--drop-in",
            help="Also one of those that come along; may be repeated.",
            autocompletion=_names,
        ),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Start it, now and with the machine.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited units, too.")] = False,
    dry_run: DryRun = False,
    root: Root = Path("/"),
    json: options.Json = False,
) -> None:
    """Write units and configuration, and have systemd read them.

    Running it again brings the units up to date. What somebody edited is left alone.
    """
    from ingestd.errors import NotFoundError
    from ingestd.setup import manager, shipped
    from ingestd.setup.files import Files
    from ingestd.setup.layout import targets

    layout = _layout(user=user, root=root, dry_run=dry_run)
    wanted = drop_in or []
    if unknown := sorted(set(wanted) - set(shipped.drop_ins())):
        raise NotFoundError(
            f"there is no drop-in {unknown[0]}", hint=f"There are: {', '.join(shipped.drop_ins())}."
        )
    files = Files(layout, root)
    text = _configuration(directories or [])
    steps = files.plan(targets(layout, _programs(), text, wanted), force=force)
    _tell(steps, json=json)
    _warn(directories or [], steps, layout, json=json)
    if not dry_run:
        files.apply(steps)
    commands = manager.after_install(user=user, start=now)
    _run(commands, dry_run=dry_run, alone=root == Path("/"), json=json)
    if dry_run and not json:
        typer.echo("\nNothing was done: --dry-run.")


@app.command()
def uninstall(
    *,
    user: User = False,
    dry_run: DryRun = False,
    root: Root = Path("/"),
    json: options.Json = False,
) -> None:
    """Stop the service and remove its units; configuration and index stay."""
    from ingestd.errors import NotFoundError
    from ingestd.setup import manager
    from ingestd.setup.files import Files

    layout = _layout(user=user, root=root, dry_run=dry_run)
    files = Files(layout, root)
    steps = files.removal()
    if all(step.action == "kept" for step in steps):
        raise NotFoundError(
            f"no service was installed below {layout.units}",
            hint="Units that were copied by hand are removed by hand.",
        )
    alone = root == Path("/")
    _run(manager.before_removal(user=user), dry_run=dry_run, alone=alone, json=json)
    _tell(steps, json=json)
    if not dry_run:
        files.remove(steps)
    _run(manager.after_removal(user=user), dry_run=dry_run, alone=alone, json=json)
    if not json:
        done = "Nothing was done: --dry-run." if dry_run else "The index stays"
        typer.echo(f"\n{done}" + ("" if dry_run else f": {layout.state}"))


def _layout(*, user: bool, root: Path, dry_run: bool) -> Layout:
    from ingestd.errors import NotPermittedError
    from ingestd.setup import layout

    if user:
        return layout.of_user()
    if root == Path("/") and os.geteuid() and not dry_run:
        raise NotPermittedError(
            "only root installs a service for the machine",
            hint="Run it with sudo, or with --user for a service of your own.",
        )
    return layout.of_machine()


def _programs() -> Path:
    """The folder of the program that runs: the service runs the same."""
    return Path(sys.executable).parent


def _configuration(directories: list[Path]) -> str:
    from .effective import literal
    from .sample import sample

    tables = [f"[[sources]]\npath = {literal(str(path.absolute()))}\n" for path in directories]
    return "\n".join([sample(), *tables]) if tables else sample()


def _tell(steps: Iterable[Step], *, json: bool) -> None:
    for step in steps:
        if json:
            output.emit({"type": "file", "path": str(step.path), "action": step.action.value})
            continue
        note = NOTES.get(step.action.value, "").format(path=step.path)
        typer.echo(f"{step.action.value:<10} {step.path}" + (f"  ({note})" if note else ""))


def _warn(directories: list[Path], steps: Iterable[Step], layout: Layout, *, json: bool) -> None:
    from ingestd.setup.readable import hindrance

    if directories and any(
        step.path == layout.config_file and step.action == "kept" for step in steps
    ):
        _note(f"{layout.config_file} is there already: add the folders to it yourself", json=json)
    if layout.user:
        return
    for folder in directories:
        if not folder.is_dir():
            _note(f"{folder} is not a folder", json=json)
        elif place := hindrance(folder):
            grant = f"setfacl -m u:ingestd:{'rX' if place == folder.resolve() else 'x'} {place}"
            _note(f"the service may not read {folder}: `{grant}` lets it", json=json)
    if place := hindrance(_programs()):
        _note(f"the service may not run {_programs()}: its user cannot enter {place}", json=json)


def _note(text: str, *, json: bool) -> None:
    if json:
        output.emit({"type": "warning", "message": text})
    else:
        typer.secho(f"warning: {text}", fg=typer.colors.YELLOW, err=True)


def _run(commands: Iterable[Command], *, dry_run: bool, alone: bool, json: bool) -> None:
    """Run what can be run, and say what is left to a person."""
    from ingestd.setup import manager

    for command in commands:
        runs = alone and manager.can_run(command)
        if runs and not dry_run:
            manager.run(command.words)
        done = "would run" if dry_run else "ran"
        if json:
            ran = runs and not dry_run
            output.emit({"type": "command", "words": list(command.words), "ran": ran})
        else:
            typer.echo(f"{done if runs else 'next':<10} {command}  ({command.why})")
