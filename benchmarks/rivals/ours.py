"""ingestd itself, through its command line: ``run --once --json`` with the hash model, counted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from unittest.mock import patch

from benchmarks.rivals.arguments import Arguments, read_arguments
from benchmarks.rivals.rows import of_chroma, write
from benchmarks.rivals.stub import Meter
from ingestd.cli import main as cli
from ingestd.embed.engines.hashing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.ports import Vectors

VOLATILE = ("indexed_at", "document_id", "source")
"""A moved document keeps its id; the absolute path says the same as the relative one."""


class Counted(HashEmbedder):
    """The hash model, with a meter at its door."""

    def __init__(self, dimension: int = 384) -> None:
        super().__init__(dimension)
        self._meter = Meter()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed, and count."""
        self._meter.count(texts)
        return super().embed(texts)


def index(arguments: Arguments) -> None:
    """Run once; ends the process with the exit code of the command."""
    sys.argv = ["ingestd", "run", str(arguments.docs), "--once", "--json"]
    sys.argv += ["--state-dir", str(arguments.state)]
    with patch("ingestd.embed.engines.hashing.HashEmbedder", Counted):
        cli()


def main() -> None:
    """Do what the command line asks for."""
    arguments = read_arguments()
    if arguments.action == "index":
        index(arguments)
    else:
        write(
            of_chroma(
                arguments.state / "chroma",
                "ingestd",
                arguments.docs,
                path_key="path",
                volatile=VOLATILE,
                vectors=not arguments.variant,
            )
        )


if __name__ == "__main__":
    main()
