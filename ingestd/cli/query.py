"""``ingestd query``: the chunks that answer a question best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingestd.errors import NotFoundError
from ingestd.visible import clean

from . import complete, options, output, stores, table

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.embed.model import ModelSpec
    from ingestd.location import Location
    from ingestd.ports import Hit, Vectors

SNIPPET = 300
"""Characters of a chunk that are shown."""


def query(
    question: Annotated[str, typer.Argument(metavar="TEXT", help="The question.")],
    *,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=1_000, help="How many results.")
    ] = 5,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", help="Only from the source of this name.", autocompletion=complete.sources
        ),
    ] = None,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    store: options.Store = None,
    collection: options.Collection = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Find the chunks that answer a question best."""
    from ingestd import logs
    from ingestd.config import load

    overrides = {"store.mode": store, "store.collection": collection}
    settings, location = load(config=config, state_dir=state_dir, overrides=overrides)
    logs.configure("debug" if verbose else "error", settings.log.format)
    names = [collection] if collection else _collections(location, settings, source)
    hits = search(settings, location, question, names, number=number, source=source)
    from ingestd.hits import as_json

    for rank, hit in enumerate(hits, start=1):
        if json:
            output.emit(as_json(rank, hit))
        else:
            _print(rank, hit)
    if not hits:
        output.note("nothing found")


def search(
    settings: Settings,
    location: Location,
    question: str,
    names: list[str],
    *,
    number: int,
    source: str | None,
) -> list[Hit]:
    """The nearest chunks of these collections together, best first.

    Raises:
        NotFoundError: none of the collections is there.
        ModelMismatchError: another model filled a collection.
        StoreError: Chroma does not answer, or another process has its directory.
    """
    from ingestd.embed import model
    from ingestd.hits import nearest

    spec = model.configured(settings.model, location.models_dir, location.digests_file)
    with stores.opened(settings, location) as store:
        found = [store.existing(name, spec) for name in names]
        there = [collection for collection in found if collection is not None]
        if not there:
            raise NotFoundError(
                f"there is no collection {names[0]!r} yet", hint="`ingestd run DIR` makes it."
            )
        vector = _embedding(settings, location, spec, question)
        hits = [hit for one in there for hit in nearest(one, vector, number, source)]
    return sorted(hits, key=lambda hit: hit.distance)[:number]


def _embedding(settings: Settings, location: Location, spec: ModelSpec, question: str) -> Vectors:
    from ingestd.embed.engines import open_embedder
    from ingestd.embed.extract.normal import normal

    embedder = open_embedder(
        spec,
        cache_dir=location.cache_dir,
        engine=settings.model.engine,
        device=settings.model.device,
        threads=settings.model.threads,
    )
    try:
        # In the form of letters that the chunks are in.
        return embedder.embed_query(normal(question))
    finally:
        embedder.close()


def _collections(location: Location, settings: Settings, source: str | None) -> list[str]:
    """The collections to search: that of the source, or all that the sources write to."""
    if not table.exists(location):
        return [settings.store.collection]
    from ingestd_state import sources, work

    with table.opened(location) as database, database.read() as connection:
        if source is None:
            return work.collections_of(connection) or [settings.store.collection]
        for row in sources.all_sources(connection):
            if row.name == source:
                return [row.collection]
    raise NotFoundError(
        f"there is no source {source!r}", hint="`ingestd status` lists the sources."
    )


def _print(rank: int, hit: Hit) -> None:
    place = clean(str(hit.metadata.get("source") or hit.id))
    headings = clean(str(hit.metadata.get("headings") or ""))
    snippet = clean(" ".join(hit.text[: 4 * SNIPPET].split()))
    if len(snippet) > SNIPPET:
        snippet = snippet[:SNIPPET].rsplit(" ", 1)[0] + " …"
    score = f"{1 - hit.distance:.3f}"
    if not output.on_terminal():
        typer.echo(f"{rank}  {score}  {place}{f'  {headings}' if headings else ''}\n   {snippet}\n")
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text.assemble((f"{rank}  {score}  ", "dim"), (place, "bold")))
    if headings:
        console.print(Padding(Text(headings, style="cyan"), (0, 0, 0, 3)))
    console.print(Padding(Text(snippet), (0, 0, 1, 3)))
