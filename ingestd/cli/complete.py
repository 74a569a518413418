"""What the shell completes: names that this instance knows; quick, and silent without any."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ingestd.errors import IngestdError

if TYPE_CHECKING:
    from ingestd.location import Location

_PREFIX = "sqlite:///"


def sources(context: typer.Context, incomplete: str) -> list[str]:
    """The names of sources, less those that are named already."""
    named = context.params.get("sources") or context.params.get("names") or ()
    return _beginning(incomplete, (name for name, _ in _known(context) if name not in named))


def collections(context: typer.Context, incomplete: str) -> list[str]:
    """The names of the collections that sources write to."""
    return _beginning(incomplete, sorted({collection for _, collection in _known(context)}))


def models(context: typer.Context, incomplete: str) -> list[str]:
    """The names of the models that were added."""
    from ingestd.embed.models.library import names

    location = _location(context)
    return _beginning(incomplete, names(location.models_dir) if location else ())


def _known(context: typer.Context) -> list[tuple[str, str]]:
    from ingestd_state import glimpse

    location = _location(context)
    if location is None or not location.state_url.startswith(_PREFIX):
        return []
    return glimpse.sources(Path(location.state_url.removeprefix(_PREFIX)))


def _location(context: typer.Context) -> Location | None:
    """Where the instance is that the words so far mean; None where nobody can tell."""
    from ingestd.location import locate

    try:
        return locate(
            config=context.params.get("config"), state_dir=context.params.get("state_dir")
        )
    except IngestdError:
        return None


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
