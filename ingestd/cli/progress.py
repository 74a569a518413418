"""The progress bar of a first run, on a terminal; silence otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from ingestd import logs

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from ingestd.instance import Instance


class SilentReporter:
    """Says only, in the log, that everything is ready: for pipes and services."""

    def progress(self, done: int, waiting: int, chunks: int) -> None:
        """Nothing: the log has a line a document."""

    def ready(self, instance: Instance) -> None:
        """Nothing: the log has it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to take down."""


class BarReporter(SilentReporter):
    """A bar on standard error; the lines a document come back when it is done."""

    def __init__(self, level: str, *, quiet_end: bool, verbose: bool) -> None:
        self._level = level
        self._quiet_end = quiet_end
        self._verbose = verbose
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def progress(self, done: int, waiting: int, chunks: int) -> None:
        """Move the bar; it appears with the first document that waits."""
        if self._bar is None:
            if not waiting:
                return
            self._show()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=done + waiting, chunks=chunks)

    def ready(self, instance: Instance) -> None:
        """Take the bar down, and say how to query."""
        self.close()
        if self._quiet_end:
            return
        from rich.console import Console

        from .summary import print_ready

        print_ready(Console(stderr=True), instance)

    def close(self) -> None:
        """Take the bar down; the lines a document come back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            if not self._verbose:
                logs.set_level(self._level)

    def _show(self) -> None:
        from rich import progress
        from rich.console import Console

        if not self._verbose:
            logs.set_level("warning")
        self._bar = progress.Progress(
            progress.TextColumn("[bold]Indexing"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("documents, {task.fields[chunks]} chunks embedded"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("index", total=None, chunks=0)
        self._bar.start()


def make_reporter(level: str, *, quiet_end: bool, verbose: bool) -> SilentReporter:
    """The reporter that fits where standard error goes."""
    if sys.stderr.isatty():
        return BarReporter(level, quiet_end=quiet_end, verbose=verbose)
    return SilentReporter()
