"""How ``ingestd compact`` shows what was, what is, and how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from ingestd.visible import counted

from . import output

Tell = Callable[[str, int, int], None]


def show(found: dict[str, Any], *, dry_run: bool) -> None:
    """Print it for people."""
    page = output.Page()
    if found["store"] == "remote":
        rows = [(one["collection"], f"{one['live']:,}") for one in found["before"]]
        page.table("", ("collection", "live"), rows, numbers=[1])
        page.show()
        output.note("how much a remote store takes beside that, only its own machine can tell")
        return
    page.table(
        "",
        ("collection", "live", "places", "bloat", "index", "database", "a chunk"),
        [_row(one) for one in found.get("after", found["before"])],
        numbers=[1, 2, 3, 4, 5, 6],
    )
    page.show()
    if dry_run:
        worth = "worth it" if found["due"] else "not worth it"
        output.note(
            f"{worth}: the daemon compacts by itself at a bloat of {found['compact_at']:g}; "
            "nothing was changed"
        )
        return
    typer.echo(
        f"{output.size(max(0, found['freed_bytes']))} freed in {found['seconds']:g} s: "
        f"{counted(found['slots'], 'chunk')} in new indexes, none embedded; Chroma was away "
        f"for {found['away_s']:g} s"
    )
    if not found["database"]:
        output.note(
            "the database was left as it is: the log says why; deleted texts are still in it"
        )


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["collection"],
        f"{one['live']:,}",
        f"{one['places']:,}",
        f"{one['bloat']:.2f}",
        output.size(one["index_bytes"]),
        output.size(one["database_bytes"]),
        output.size(one["bytes_per_vector"]),
    )


@contextmanager
def bar() -> Iterator[Tell]:
    """Shows how far it is: a bar on a terminal, nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich import progress
    from rich.console import Console

    shown = progress.Progress(
        progress.TextColumn("[bold]Compacting {task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = shown.add_task("", total=None)

    def tell(what: str, done: int, total: int) -> None:
        shown.update(task, description=what, completed=done, total=total)

    with shown:
        yield tell
