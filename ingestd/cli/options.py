"""The options that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import complete

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file (TOML).", show_default=False),
]
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", help="Where this instance keeps its data.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Log more.")]
Store = Annotated[
    Literal["managed", "embedded", "remote"] | None,
    typer.Option("--store", help="How Chroma is reached.", show_default=False),
]
Collection = Annotated[
    str | None,
    typer.Option(
        "--collection",
        help="The Chroma collection.",
        show_default=False,
        autocompletion=complete.collections,
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...", help="Default: every source.", autocompletion=complete.sources
    ),
]
