"""``ingestd backup``: copy an instance while it runs, or while it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingestd.errors import ModelMissingError, OccupiedError
from ingestd.visible import counted

from . import options, output

if TYPE_CHECKING:
    from ingestd.backup.save import Origin
    from ingestd.backup.shelf import Shelf
    from ingestd.config import Settings
    from ingestd.location import Location


def backup(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to; each backup is a folder in it.")
    ],
    *,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            min=1,
            metavar="N",
            help="Then remove all but the newest N backups.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done; write nothing.")
    ] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Copy the state table, the vectors, the configuration and the added model in use.

    The copy is of one moment, also while a daemon works. Chroma's data is not copied: `ingestd
    restore` has it made anew, with nothing embedded.
    """
    from ingestd.backup import save, shelf
    from ingestd.backup.room import told
    from ingestd.config import load

    from .copying import shown

    settings, location = load(config=config, state_dir=state_dir)
    place = shelf.Shelf(folder)
    origin = _origin(settings, location)
    place.check()
    _check_apart(origin, place)
    if dry_run:
        with told(place.root), save.opened(origin) as pinned:
            size = save.size(origin, pinned)
        save.check_room(place.root, size)
        _tell(place, size, json=json)
        return
    with place.locked():
        with shown("Copying") as progress:
            made, found = save.save(origin, place, progress)
        with told(place.root):
            gone = place.keep(keep) if keep else []
    if json:
        counts = dict(found.counts)
        output.emit(
            {
                "type": "backup",
                "dry_run": False,
                "path": str(made),
                "bytes": found.bytes,
                "schema": found.schema,
                "model": found.model,
                **counts,
                "removed": [str(path) for path in gone],
            }
        )
        return
    typer.echo(
        f"{made}: {counted(found.counts['documents'], 'document')}, "
        f"{counted(found.counts['chunks'], 'chunk')}, "
        f"{counted(found.counts['vectors'], 'vector')}, {output.size(found.bytes)}"
    )
    if found.counts["without_vector"]:
        output.note(without_vector(found.counts["without_vector"]))
    for path in gone:
        output.note(f"removed {path}")


def without_vector(number: int) -> str:
    """What it means that some chunks have no vector in a backup."""
    return (
        f"{counted(number, 'chunk')} without a vector in the cache: after a restore their "
        "texts are embedded again"
    )


def _origin(settings: Settings, location: Location) -> Origin:
    """What is backed up; a model that cannot be found is no reason to keep no backup."""
    from ingestd.backup.save import Origin
    from ingestd.embed.model import configured

    try:
        spec = configured(settings.model, location.models_dir, location.digests_file)
    except ModelMissingError as error:
        output.note(f"the model is not copied: {error.message}")
        return Origin(location)
    added = location.models_dir in spec.path.parents
    top = spec.path.relative_to(location.models_dir).parts[0] if added else ""
    return Origin(location, spec.fingerprint, location.models_dir / top if added else None)


def _check_apart(origin: Origin, place: Shelf) -> None:
    """See that a backup lies outside of what it is a backup of, and is not indexed itself.

    Raises:
        OccupiedError: it does not.
    """
    import os

    from ingestd.backup import save
    from ingestd.backup.room import told

    real = Path(os.path.realpath(place.root))
    with told(place.root):
        roots = [
            (Path(os.fsdecode(path)), f"the source {name}") for name, path in save.roots(origin)
        ]
    for root, what in [(origin.location.state_dir, "the state directory"), *roots]:
        if Path(os.path.realpath(root)) in [real, *real.parents]:
            raise OccupiedError(
                f"{place.root} is in {what}, {root}", hint="Name a folder outside of it."
            )


def _tell(place: Shelf, size: int, *, json: bool) -> None:
    if json:
        found = {"type": "backup", "dry_run": True, "path": str(place.root), "bytes": size}
        output.emit({**found, "backups": len(place.backups())})
        return
    typer.echo(f"{output.size(size)} would be copied to {place.root}")
    output.note("nothing was written")
