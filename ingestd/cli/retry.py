"""``ingestd retry``: take up again, now, what failed or was given up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingestd.location import locate
from ingestd.visible import counted

from . import options, output, table


def retry(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Only these files, and what is below these folders."),
    ] = None,
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Take up again, now, what failed or was given up."""
    location = locate(config=config, state_dir=state_dir)
    with table.opened(location) as database:
        from . import again

        wish = again.Wish(again.resolve(database, paths or []), failed=True)
        marked = again.mark(database, wish).documents
    owner = table.running(location)
    if json:
        output.emit({"type": "retry", "marked": marked, "daemon": owner.pid if owner else None})
        return
    if not marked:
        typer.echo("nothing failed")
        return
    typer.echo(f"{counted(marked, 'document')} to take up again")
    if owner is None:
        output.note("no daemon runs: `ingestd reindex` carries this out")
