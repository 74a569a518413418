"""``ingestd check``: compare disk, state table and collections; change nothing."""

from __future__ import annotations

from collections import deque
from typing import Annotated

import typer

from ingestd.errors import FindingsError
from ingestd.visible import counted

from . import options, output


def check(
    sources: options.Sources = None,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read every file, and cut it anew.")] = False,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Compare the files, the state table and the collections, and list what differs.

    Nothing is changed. What waits to be taken up is no difference.
    """
    from ingestd import logs

    from . import comparing, findings

    settings, location = comparing.configured(config, state_dir, store)
    logs.configure("debug" if verbose else "error", settings.log.format)
    with comparing.opened(settings, location, sources or [], deep=deep) as opened:
        printer = findings.Printer(opened.sources, json=json)
        deque(printer.pass_on(opened.checker.run()), maxlen=0)
        summary = opened.checker.summary
    if json:
        output.emit({"type": "summary", "deep": deep, **findings.summary_json(summary)})
    else:
        printer.say_rest()
        findings.print_summary(summary)
    if number := summary.found.total():
        raise FindingsError(f"{counted(number, 'difference')} found")
