"""What people read at the end of a run, and when a daemon is ready."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ingestd.location import Location, locate

if TYPE_CHECKING:
    from rich.console import Console

    from ingestd.instance import Instance

MIB = 1024**2


def print_report(report: dict[str, Any]) -> None:
    """Print the report of ``run --once`` for people."""
    documents, chunks, seconds = report["documents"], report["chunks"], report["seconds"]
    typer.echo(
        f"{documents['seen']} documents: {documents['indexed']} indexed, "
        f"{documents['unchanged']} unchanged, {documents['moved']} moved, "
        f"{documents['deleted']} deleted, {documents['skipped']} skipped, "
        f"{documents['failed']} failed, {documents['held']} held"
    )
    typer.echo(
        f"{chunks['live']} chunks: {chunks['embedded']} embedded, {chunks['reused']} reused, "
        f"{chunks['deleted']} deleted"
    )
    typer.echo(f"{seconds['total']:.1f} s, peak {report['peak_rss_bytes'] / MIB:.0f} MiB")
    for error in report["errors"]:
        typer.secho(f"failed: {error['path']}: {error['error']}", fg=typer.colors.RED, err=True)


def query_command(location: Location) -> str:
    """The command that queries this instance from where the user is."""
    program = sys.argv[0]
    found = shutil.which("ingestd")
    if found is not None and Path(found).resolve() == Path(program).resolve():
        program = "ingestd"
    if locate().state_dir == location.state_dir:
        return f"{program} query"
    return f"{program} query --state-dir {shlex.quote(str(location.state_dir))}"


def print_ready(console: Console, instance: Instance) -> None:
    """Say that everything is indexed, and how to query it."""
    folders = ", ".join(
        source.root.decode("utf-8", "replace") for source in instance.sources.values()
    )
    console.print(f"[green]Ready.[/] Watching {folders}", highlight=False)
    collection = next(iter(instance.sources.values())).collection
    console.print(
        f'  in a terminal: [bold]{query_command(instance.location)} "your question"[/]',
        highlight=False,
        soft_wrap=True,
    )
    if instance.server is not None:
        plan = instance.server.plan
        place = f'host="{plan.host}", port={plan.port}'
        console.print(
            f"  in Python:     [bold]chromadb.HttpClient({place}).get_collection"
            f'("{collection}").query(query_texts=\\["your question"])[/]',
            highlight=False,
            soft_wrap=True,
        )
