"""``ingestd version``: versions of ingestd and of what it stands on."""

from __future__ import annotations

import typer

import ingestd

from . import options, output

LIBRARIES = (
    "chromadb",
    "sentence-transformers",
    "torch",
    "onnxruntime",
    "tokenizers",
    "watchdog",
    "apscheduler",
    "sqlalchemy",
    "alembic",
    "typer",
)


def version(*, json: options.Json = False) -> None:
    """Print the versions of ingestd and of what it stands on."""
    import platform
    import sqlite3

    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    found |= {name: version_of(name) for name in LIBRARIES}
    if json:
        output.emit({"type": "version", "ingestd": ingestd.__version__, "libraries": found})
        return
    page = output.Page()
    page.fields("", [("ingestd", ingestd.__version__), *found.items()])
    page.show()


def version_of(library: str) -> str:
    """The installed version, without importing the library."""
    from importlib import metadata

    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


def print_version(wanted: bool) -> None:
    """Print the version alone, and end: for the option of that name."""
    if wanted:
        typer.echo(f"ingestd {ingestd.__version__}")
        raise typer.Exit
