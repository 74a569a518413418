"""``ingestd restore``: put a backup in place, on this machine or another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestd.errors import ConfigError, ModelMissingError
from ingestd.visible import counted

from . import options, output
from .backup import without_vector

if TYPE_CHECKING:
    from ingestd.backup.manifest import Manifest
    from ingestd.backup.restore import Restored
    from ingestd.location import Location


def restore(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A backup, or the folder of them: the newest is taken."),
    ],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Set aside what is there; nothing is deleted.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the backup and the place; change nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Put a backup in place; the next start fills the collections, and embeds nothing.

    All of the backup is read and checked first. Texts are read from the files again, vectors come
    from the backup. Nothing is deleted where a folder is missing or lies elsewhere.
    """
    from ingestd import lock
    from ingestd.backup.restore import Restore
    from ingestd.backup.shelf import chosen
    from ingestd.ownership import take_lock

    from .copying import shown

    chose = chosen(folder)
    target, location = _places(chose, config, state_dir)
    work = Restore(chose, location, target)
    if dry_run:
        _refuse_beside(location)
        work.check(force=force)
        with shown("Reading") as progress:
            work.verify(progress)
        _tell(chose, work.found, location, None, json=json)
        return
    with take_lock(location, lock.Owner.me("restore")):
        work.check(force=force)
        with shown("Copying") as progress:
            done = work.put(progress)
    _tell(chose, work.found, location, done, json=json)


def _places(chose: Path, config: Path | None, state_dir: Path | None) -> tuple[Path, Location]:
    """Where the configuration belongs, and where the instance keeps its things.

    Where there is no configuration yet, that of the backup says so.
    """
    from ingestd.backup.manifest import CONFIG
    from ingestd.location import default_config, locate

    named = os.environ.get("INGESTD_CONFIG")
    target = (config or (Path(named) if named else default_config())).expanduser().absolute()
    brought = chose / CONFIG
    applies = target if target.is_file() or not brought.is_file() else brought
    return target, locate(config=applies if applies.is_file() else config, state_dir=state_dir)


def _refuse_beside(location: Location) -> None:
    from ingestd.errors import AlreadyRunningError

    from . import table

    owner = table.running(location)
    if owner is not None:
        raise AlreadyRunningError(f"{location.state_dir} is in use by {owner}")


def _tell(
    chose: Path, found: Manifest, location: Location, done: Restored | None, *, json: bool
) -> None:
    """Say what was done, or would be, and what is not as it was."""
    missing = [source for source in found.sources if not Path(source.path).is_dir()]
    other = _other_model(found, location, done)
    if json:
        output.emit(_as_json(chose, found, location, done, [one.name for one in missing], other))
        return
    typer.echo(
        f"{chose}: {counted(found.counts['documents'], 'document')}, "
        f"{counted(found.counts['chunks'], 'chunk')}, "
        f"{'restored to' if done else 'sound, and fits'} {location.state_dir}"
    )
    for source in missing:
        output.note(
            f"source {source.name}: there is no folder {source.path}; nothing of it is deleted. "
            "Mount it, or name its new place in the configuration, with the same `name`"
        )
    if found.counts["without_vector"]:
        output.note(without_vector(found.counts["without_vector"]))
    if other:
        output.note(other)
    if done is None:
        output.note("nothing was changed")
        return
    for path in done.aside:
        output.note(f"what was there before is in {path}")
    if done.config:
        output.note(f"the configuration is in {done.config}")
    folders = " ".join(source.path for source in found.sources)
    plain = "ingestd run" if done.config else f"ingestd run {folders}"
    output.note(f"`{plain}` fills the collections from it")


def _as_json(
    chose: Path,
    found: Manifest,
    location: Location,
    done: Restored | None,
    missing: list[str],
    other: str,
) -> dict[str, Any]:
    return {
        "type": "restore",
        "dry_run": done is None,
        "backup": str(chose),
        "state_dir": str(location.state_dir),
        **found.counts,
        "schema": found.schema,
        "missing_sources": missing,
        "other_model": bool(other),
        "set_aside": [str(path) for path in done.aside] if done else [],
        "config": str(done.config) if done and done.config else None,
    }


def _other_model(found: Manifest, location: Location, done: Restored | None) -> str:
    """Why all would be embedded anew, if it would; empty where the model is that of the backup."""
    from ingestd.config import load
    from ingestd.embed.model import configured

    if not found.model or done is None:
        return ""
    try:
        settings, _ = load(config=done.config or location.config_file)
        here = configured(settings.model, location.models_dir, location.digests_file).fingerprint
    except (ConfigError, ModelMissingError) as error:
        return f"the model of the backup is not here: {error.message}"
    if here == found.model:
        return ""
    return "another model is configured than in the backup: everything would be embedded anew"
