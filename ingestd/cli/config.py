"""``ingestd config``: show the configuration that applies, check it, write a sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ingestd.errors import ConfigError
from ingestd.visible import counted

from . import options, output

app = typer.Typer(
    name="config", no_args_is_help=True, help="Show, check or write the configuration."
)


@app.command()
def show(
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Show every value that applies, and where it comes from; secrets are masked."""
    from ingestd.config import load

    from . import effective

    settings, location = load(config=config, state_dir=state_dir)
    if json:
        output.emit(effective.as_json(settings, location))
    else:
        typer.echo(effective.as_text(settings, location))


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The file; default: the one that applies.")
    ] = None,
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Check the configuration: explain each wrong line, and warn of missing folders."""
    from ingestd.config import load

    from . import mistakes

    try:
        settings, location = load(config=file or config, state_dir=state_dir)
    except ConfigError as error:
        raise _refused(mistakes.explained(error, file or config), json=json) from error
    if wrong := mistakes.patterns(settings, location.config_file):
        raise _refused(wrong, json=json)
    warnings = [
        f"{source.path} is not a folder"
        for source in settings.sources
        if not source.path.expanduser().is_dir()
    ]
    warnings += mistakes.unknown_variables(os.environ)
    where = location.config_file or "no file: built-in defaults and the environment"
    if json:
        output.emit({"type": "config", "ok": True, "file": str(where), "warnings": warnings})
        return
    for warning in warnings:
        typer.secho(f"warning: {warning}", fg=typer.colors.YELLOW, err=True)
    typer.echo(f"{where}: fine, {counted(len(settings.sources), 'source')}")


@app.command()
def init(
    file: Annotated[
        Path | None, typer.Argument(help="Where; default: where it is looked for.")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    config: options.Config = None,
) -> None:
    """Write a sample configuration, with every key explained and commented out."""
    from ingestd.location import default_config

    from .sample import sample

    path = (file or config or default_config()).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A token may come to stand in it: only its owner reads it.
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as target:
            target.write(sample())
    except FileExistsError:
        raise ConfigError(f"{path} is there already", hint="`--force` overwrites it.") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="Name another place.") from error
    typer.echo(path)


def _refused(lines: list[str], *, json: bool) -> ConfigError:
    """What ends the check; in JSON it is told first."""
    if json:
        output.emit({"type": "config", "ok": False, "errors": lines})
    return ConfigError(
        "\n".join(lines), hint="`ingestd config init` writes a sample with every key explained."
    )
