"""ingestd itself, through its command line, with the hash model, which is counted.

With a real model there is nothing to count, and its command is run as it is: see `systems.index`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.rivals.arguments import Arguments, act, own_words

if TYPE_CHECKING:
    from collections.abc import Callable

STORE = "benchmarks.rivals.own_store"


def index(arguments: Arguments) -> None:
    """Run once, with the counted model; ends the process with the exit code of the command."""
    import_module(STORE).index_counted(own_words(arguments.docs, arguments.state))


def _of_store(name: str) -> Callable[[Arguments], None]:
    def look(arguments: Arguments) -> None:
        getattr(import_module(STORE), name)(arguments)

    return look


if __name__ == "__main__":
    looks = {"rows": "rows", "search": "search", "vectors": "vectors", "seen": "wait"}
    act({"index": index, **{action: _of_store(name) for action, name in looks.items()}})
