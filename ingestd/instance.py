"""One instance: its lock, tables, model, store and job, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from .care import care_of, sealed_names
from .embed import model, scanning
from .embed.chroma.layout import digests
from .embed.chroma.opening import lock_chroma, open_store, store_url
from .embed.compact import Compactor
from .embed.engines import open_embedder, require
from .embed.extract.scans import Reading
from .embed.ground import Ground
from .embed.heal import Healer
from .embed.hub_cache import recorded_embedding_function, seed_hub_cache
from .embed.job import EmbedJob
from .embed.outcome import Recorder
from .embed.parts import Parts
from .embed.prepare import Preparer
from .embed.reading.plugins import installed
from .embed.reading.pool import Pool
from .embed.refill import Refiller
from .embed.scanner import Scanner
from .embed.spool import Spool, clear_spools
from .embed.texts import TextEmbedder
from .embed.totals import Totals
from .embed.write import Writer
from .gauges import Gauges
from .memory import collector, heap
from .ownership import owner, take_lock
from .pipeline import make_cutting, pipeline_version
from .reconcile import Reconciler
from .roots import register_sources
from .tables import open_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ingestd_state.engine import Database

    from .config import Settings
    from .embed.chroma.collection import ChromaCollection
    from .embed.chroma.server import ManagedServer
    from .embed.chroma.store import Store
    from .embed.extract.scans import Scans
    from .embed.model import ModelSpec
    from .location import Location
    from .lock import FileLock
    from .settings.content import StoreMode
    from .watch.source import WatchedSource

__all__ = ["Instance", "lock_chroma", "open_instance"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Instance:
    """The open parts of an instance."""

    settings: Settings
    location: Location
    database: Database
    cache: Database
    sources: dict[str, WatchedSource]
    spec: ModelSpec
    reconciler: Reconciler
    job: EmbedJob
    totals: Totals
    store: Store
    server: ManagedServer | None
    healer: Healer
    texts: TextEmbedder
    pool: Pool
    scanner: Scanner | None
    gauges: Gauges
    compactor: Compactor
    lock: FileLock
    store_url: str = ""
    clock: Callable[[], float] = time.time

    def show_page(self, url: str) -> None:
        """Have ``ingestd status`` and others tell where the page is; blocking."""
        if self.lock.owner is not None:
            self.lock.record(replace(self.lock.owner, page_url=url))

    async def opened(self) -> None:
        """Wait until a managed server that starts in the background is there, and is ours.

        Raises:
            IngestdError: it does not come up, or holds what is not ours.
            DatabaseError: the state table cannot be read or written.
        """
        if self.server is not None and self.store.away:
            await self.server.started()
            await self.healer.look()


@asynccontextmanager
async def open_instance(
    settings: Settings, location: Location, mode: StoreMode, *, verb: str
) -> AsyncIterator[Instance]:
    """Open everything that an instance needs to index.

    Args:
        settings: the checked configuration.
        location: where things lie.
        mode: how Chroma is reached.
        verb: what runs, for those who find the lock held.

    Raises:
        AlreadyRunningError: another process has the state directory.
        SourceMissingError: a folder that was never indexed is not there.
        ModelMissingError: there is no such model.
        EngineMissingError: what is to run it is not on this machine.
        PortBusyError: the managed server's port is taken.
        ModelMismatchError: the collection holds vectors of another dimension.
        ForeignCollectionError: the collection was not made by ingestd.
        StateError: a table cannot be opened.
        StoreError: Chroma cannot be reached; for ``run`` a remote one may be away, and a managed
            one is started in the background: see `Instance.opened`.
    """
    heap.tune()
    async with AsyncExitStack() as stack:
        url = store_url(settings, mode)
        instance_lock = take_lock(location, owner(settings, verb, url))
        stack.callback(instance_lock.release)
        spools = location.state_dir / "spool"
        await asyncio.to_thread(clear_spools, spools)
        database, cache = await asyncio.to_thread(open_state, location)
        stack.callback(cache.close)
        stack.callback(database.close)
        found = register_sources(settings, database)
        # Who goes on for ever need not wait for a server: what changes meanwhile is recorded.
        patient = verb == "run"
        store, server = await open_store(settings, location, mode, database, stack, patient=patient)
        spec = await asyncio.to_thread(
            model.configured, settings.model, location.models_dir, location.digests_file
        )
        require(spec, settings.model)
        await asyncio.to_thread(_seed, spec)
        recorded = recorded_embedding_function(spec)

        def opened(name: str) -> ChromaCollection:
            return store.renew(name, spec, recorded)

        healer = Healer(
            database,
            Refiller(
                database,
                cache,
                model=spec.fingerprint,
                clock=time.time,
                peek=None if mode == "remote" else partial(digests, location.chroma_dir),
            ),
            opened=opened,
            names={source.collection for source in found.values()},
            call=store.call,
            server=server,
        )
        if not store.away:  # else it looks before the first drain
            await healer.look()
        ground = None
        if mode != "remote":
            ground = Ground(
                location.chroma_dir,
                database,
                cache,
                spec.fingerprint,
                store,
                server,
                opened,
                settings.limits.free_bytes,
            )
        totals = Totals()
        texts = TextEmbedder(
            cache,
            lambda: open_embedder(
                spec,
                cache_dir=location.cache_dir,
                engine=settings.model.engine,
                device=settings.model.device,
                threads=settings.model.threads,
                long_lived=True,
            ),
            model=spec.fingerprint,
            totals=totals,
            clock=time.time,
        )
        stack.callback(texts.close)
        cutting = make_cutting(settings, spec)
        plugins = await asyncio.to_thread(installed, location.state_dir)
        pipeline = pipeline_version(cutting, spec, settings.extract, plugins)
        writer = Writer(
            database,
            cache,
            lambda name: store.collection(name, spec, recorded),
            model=spec.fingerprint,
            pipeline=pipeline,
            totals=totals,
            clock=time.time,
        )
        recorder = Recorder(
            database, settings.limits, pipeline=pipeline, totals=totals, clock=time.time
        )
        sealed = sealed_names(settings.extract)
        scans = await asyncio.to_thread(scanning.found, settings.extract)

        def reading(scans: Scans) -> tuple[Preparer, Pool]:
            pool = Pool(
                spec, cutting, settings.extract, plugins=plugins, sealed=sealed, scans=scans
            )
            preparer = Preparer(
                pool,
                pipeline,
                file_bytes=settings.limits.file_bytes,
                spools=lambda: Spool(spools),
                care_of=care_of(settings.extract),
            )
            return preparer, pool

        preparer, pool = reading(scans)
        scanner = Scanner(*reading(scans.now())) if scans.reading is Reading.LATER else None
        parts = Parts(
            database, preparer, texts, writer, recorder, totals, settings.limits, time.time, scanner
        )
        job = EmbedJob(parts, {source.id: source for source in found.values()})
        stack.callback(job.close)
        stack.callback(pool.close)  # before the job's threads are waited for
        if scanner is not None:
            stack.callback(scanner.stop)
        await asyncio.to_thread(recorder.outdate)
        await asyncio.to_thread(_unlock, recorder, scans, settings, location)
        collector.steady()  # what comes now may be long
        yield Instance(
            settings,
            location,
            database,
            cache,
            found,
            spec,
            Reconciler(database),
            job,
            totals,
            store,
            server,
            healer,
            texts,
            pool,
            scanner,
            Gauges(),
            Compactor(ground),
            instance_lock,
            url,
        )


def _unlock(recorder: Recorder, scans: Scans, settings: Settings, location: Location) -> None:
    """Take up again what can be read now, and could not be before."""
    changed = scanning.changed(settings.extract, location.state_dir)
    recorder.unlock(scans=changed and scans.reading is Reading.LATER)
    if changed:
        scanning.remember(settings.extract, location.state_dir)


def _seed(spec: ModelSpec) -> None:
    try:
        seed_hub_cache(spec)
    except OSError as error:  # a convenience for readers; we do not need it
        log.warning("hub_cache_not_seeded", error=str(error))
