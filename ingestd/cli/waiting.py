"""The bar that is shown while others do the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def bar() -> Iterator[Callable[[int], None]]:
    """A bar on standard error; call what it gives with the number that is left."""
    progress = Progress(
        TextColumn("[bold]Waiting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task("wait", total=None)
    most = 0

    def report(left: int) -> None:
        nonlocal most
        most = max(most, left)
        progress.update(task, completed=most - left, total=most)

    with progress:
        yield report
