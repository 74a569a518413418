"""ingestd itself, through its command line: ``run --once --json``; the hash model is counted.

What only looks into its store is in another module: what that loads is no part of what a run costs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.rivals import model
from benchmarks.rivals.arguments import Arguments, act

if TYPE_CHECKING:
    from collections.abc import Callable

STORE = "benchmarks.rivals.own_store"


def index(arguments: Arguments) -> None:
    """Run once; ends the process with the exit code of the command."""
    words = ["run", str(arguments.docs), "--once", "--json", "--state-dir", str(arguments.state)]
    if model.folder():
        command = [sys.executable, "-m", "ingestd", *words]
        os.execv(sys.executable, command)  # noqa: S606 - our own, and no shell is wanted
    import_module(STORE).index_counted(words)


def _of_store(name: str) -> Callable[[Arguments], None]:
    def look(arguments: Arguments) -> None:
        getattr(import_module(STORE), name)(arguments)

    return look


if __name__ == "__main__":
    looks = {"rows": "rows", "search": "search", "vectors": "vectors", "seen": "wait"}
    act({"index": index, **{action: _of_store(name) for action, name in looks.items()}})
