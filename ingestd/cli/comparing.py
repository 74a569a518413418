"""What ``check`` and ``repair`` stand on: everything opened for one check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.errors import ConfigError, NotFoundError

from . import table
from .stores import LOCK_WAIT_S

if TYPE_CHECKING:
    from ingestd.check.checker import Checker
    from ingestd.check.reading import Reader
    from ingestd.config import Settings
    from ingestd.embed.chroma.store import Store
    from ingestd.embed.model import ModelSpec
    from ingestd.embed.reading.pool import Pool
    from ingestd.embed.spool import Spool
    from ingestd.location import Location
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

SETTLE_S = 1.0
"""Beyond the longest wait of the watcher, until a change is certain to have been noticed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a check stands on.

    Attributes:
        settings: the checked configuration.
        location: where things lie.
        database: the state table.
        store: the vector store; None where its files are broken.
        spec: the model in use.
        sources: those that are configured, by name.
        daemon: process id of who works on what waits; None when nobody does.
        checker: compares everything, once.
    """

    settings: Settings
    location: Location
    database: Database
    store: Store | None
    spec: ModelSpec
    sources: dict[str, WatchedSource]
    daemon: int | None
    checker: Checker


def configured(
    config: Path | None, state_dir: Path | None, store: str | None
) -> tuple[Settings, Location]:
    """The configuration, with the sources of the last run where it names none."""
    from ingestd.config import load
    from ingestd.roots import configured_as

    overrides: dict[str, Any] = {"store.mode": store}
    settings, location = load(config=config, state_dir=state_dir, overrides=overrides)
    if not settings.sources:
        with table.opened(location) as database:
            overrides["sources"] = configured_as(database)
        settings, location = load(config=config, state_dir=state_dir, overrides=overrides)
    return settings, location


@contextmanager
def opened(
    settings: Settings, location: Location, names: list[str], *, deep: bool
) -> Iterator[Opened]:
    """Open everything for one check.

    Raises:
        NotFoundError: nothing is indexed, or there is no source of such a name.
        StoreError: Chroma does not answer, or another process has its directory.
        ModelMissingError: there is no such model.
        ConfigError: the running daemon uses another model.
    """
    from ingestd.check.checker import Checker, Parts
    from ingestd.embed import model
    from ingestd.roots import known_sources

    from . import stores

    with table.opened(location) as database:
        known = known_sources(database)
        _check_names(names, known)
        spec = model.configured(settings.model, location.models_dir, location.digests_file)
        owner = table.running(location)
        # A slot without a vector makes Chroma fail each time it is asked: once is enough.
        patient = settings.model_copy(
            update={"store": settings.store.model_copy(update={"attempts": 1})}
        )
        reader, pool = _reader(settings, location, spec)
        if owner is not None:
            _check_same_pipeline(database, reader)
        torn = {} if owner is not None else broken(settings, location)
        opening = nullcontext() if torn else stores.opened(patient, location)
        with closing(pool), closing(reader), opening as store, _cache(location) as cache:
            parts = Parts(
                database,
                cache,
                lambda name: store.existing(name, spec) if store else None,
                spec.fingerprint,
                reader,
                torn,
            )
            checker = Checker(
                parts,
                only=names,
                deep=deep,
                running=owner is not None,
                patience_s=settings.watch.max_wait_s + SETTLE_S,
            )
            pid = owner.pid if owner else None
            yield Opened(settings, location, database, store, spec, known, pid, checker)


def _check_names(names: list[str], known: dict[str, WatchedSource]) -> None:
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no source {name!r}", hint="`ingestd status` lists the sources."
            )
    if not known:
        raise NotFoundError("there is no source", hint=table.START)


def _check_same_pipeline(database: Database, reader: Reader) -> None:
    """See that the running daemon uses the same model, and cuts alike.

    Raises:
        ConfigError: it does not: nothing that it writes would be as expected here.
    """
    from ingestd_state.selection import Selection, walk
    from ingestd_state.status import DocumentStatus

    # What another version indexed, it has taken up again at its start.
    indexed = Selection(statuses=frozenset({DocumentStatus.INDEXED}))
    for document in walk(database, indexed, limit=1):
        if document.pipeline != reader.pipeline:
            raise ConfigError(
                "the running daemon uses another model, or cuts otherwise, than is configured here",
                hint="Give the same --config and environment as it has, or start it again.",
            )


def broken(
    settings: Settings, location: Location, *, wait_s: float = LOCK_WAIT_S
) -> dict[str, str]:
    """Which collections Chroma must not be let open, and why: it might never answer.

    Args:
        settings: the configuration; nothing is looked at where Chroma's files are not ours.
        location: where things lie.
        wait_s: how long to wait for another process that has the files.
    """
    if settings.store.mode == "remote" or not location.chroma_dir.is_dir():
        return {}
    from ingestd.embed.chroma.health import probe
    from ingestd.instance import lock_chroma

    with lock_chroma(location, wait_s=wait_s):
        found = probe(location.chroma_dir).findings
    return {one.collection: one.reason for one in found if one.reason}


def _cache(location: Location) -> AbstractContextManager[Database | None]:
    """The vectors cache, which is not made here; None when there is none."""
    from ingestd_state.engine import Database

    file = location.state_dir / "vectors.db"
    if not file.exists() or not file.stat().st_size:
        return nullcontext()
    return closing(Database(location.vectors_url))


def _reader(settings: Settings, location: Location, spec: ModelSpec) -> tuple[Reader, Pool]:
    from ingestd.care import care_of, sealed_names
    from ingestd.check.reading import Reader
    from ingestd.embed import scanning
    from ingestd.embed.prepare import Preparer
    from ingestd.embed.reading.plugins import installed
    from ingestd.embed.reading.pool import Pool
    from ingestd.pipeline import make_cutting, pipeline_version

    cutting = make_cutting(settings, spec)
    plugins = installed(location.state_dir, remember=False)
    pipeline = pipeline_version(cutting, spec, settings.extract, plugins)
    pool = Pool(
        spec,
        cutting,
        settings.extract,
        plugins=plugins,
        scans=scanning.found(settings.extract).now(),
        sealed=sealed_names(settings.extract),
    )
    preparer = Preparer(
        pool,
        pipeline,
        file_bytes=settings.limits.file_bytes,
        spools=lambda: _spool(location),
        care_of=care_of(settings.extract),
    )
    return Reader(preparer, pipeline), pool


def _spool(location: Location) -> Spool:
    """A place on the disk for a long document; without a name, it ends with who made it."""
    from ingestd.embed.spool import Spool, SpoolError

    try:
        spool = Spool(location.state_dir)
        spool.path.unlink()
    except OSError as error:
        raise SpoolError(f"{location.state_dir}: {error.strerror}") from error
    return spool
