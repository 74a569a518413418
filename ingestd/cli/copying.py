"""How far a copy is: a bar on a terminal, nothing otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Called with the name of a file, and how far it is: done, and all."""


@contextmanager
def shown(verb: str) -> Iterator[Progress]:
    """A bar for one file after the other.

    Args:
        verb: what is done to them, such as ``Copying``.
    """
    if not sys.stderr.isatty():
        yield lambda _name, _done, _all: None
        return
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn(f"[bold]{verb} {{task.description}}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)

        def report(name: str, done: int, all_: int) -> None:
            bar.update(task, description=name, completed=done, total=all_)

        yield report
