"""``ingestd config``: show the configuration that applies, check it, write a sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingestd.errors import ConfigError

from . import options, output

if TYPE_CHECKING:
    from pydantic import ValidationError

    from ingestd.config import Settings

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

    try:
        settings, location = load(config=file or config, state_dir=state_dir)
        _check_rules(settings)
    except ConfigError as error:
        message = _with_lines(error, file or config)
        if json:
            output.emit({"type": "config", "ok": False, "errors": message.splitlines()})
        raise ConfigError(
            message, hint="`ingestd config init` writes a sample with every key explained."
        ) from error
    warnings = [
        f"{source.path} is not a folder"
        for source in settings.sources
        if not source.path.expanduser().is_dir()
    ]
    where = location.config_file or "no file: built-in defaults and the environment"
    if json:
        output.emit({"type": "config", "ok": True, "file": str(where), "warnings": warnings})
        return
    for warning in warnings:
        typer.secho(f"warning: {warning}", fg=typer.colors.YELLOW, err=True)
    typer.echo(f"{where}: fine, {output.counted(len(settings.sources), 'source')}")


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


def _check_rules(settings: Settings) -> None:
    """See that each pattern can match something."""
    from ingestd.watch.rules import Rules

    for source in settings.sources:
        root = os.fsencode(source.path)
        try:
            Rules(root, include=source.include, exclude=source.exclude)
        except ConfigError as error:
            raise ConfigError(f"source {source.path}: {error.message}", hint=error.hint) from error


def _with_lines(error: ConfigError, named: Path | None) -> str:
    """The explanation, with the number of the line where that can be told."""
    from pydantic import ValidationError

    from ingestd.location import find_config

    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return error.message
    file = find_config(named)
    lines = _line_numbers(file) if file else {}
    return "\n".join(
        _located(line, place, file, lines)
        for line, place in zip(error.message.splitlines(), _places(cause), strict=False)
    )


def _places(error: ValidationError) -> list[str]:
    return [".".join(str(part) for part in mistake["loc"]) for mistake in error.errors()]


def _located(line: str, place: str, file: Path | None, lines: dict[str, int]) -> str:
    variable = "INGESTD_" + place.replace(".", "__").upper()
    if variable in os.environ:
        return f"environment {variable}: {line.split(': ', 2)[-1]}"
    if file is not None and place in lines:
        return line.replace(str(file), f"{file}:{lines[place]}", 1)
    return line


def _line_numbers(file: Path) -> dict[str, int]:
    """Where each key stands, by its dotted name; good enough for files as people write them."""
    found: dict[str, int] = {}
    table = ""
    arrays: dict[str, int] = {}
    for number, raw in enumerate(file.read_text("utf-8").splitlines(), start=1):
        line = raw.strip()
        if line.startswith("[[") and "]]" in line:
            name = line[2 : line.index("]]")].strip()
            arrays[name] = arrays.get(name, -1) + 1
            table = f"{name}.{arrays[name]}"
            found[table] = number
        elif line.startswith("[") and "]" in line:
            table = line[1 : line.index("]")].strip()
            found[table] = number
        elif "=" in line and not line.startswith("#"):
            key = line.split("=", 1)[0].strip().strip("\"'")
            found.setdefault(f"{table}.{key}" if table else key, number)
    return found
