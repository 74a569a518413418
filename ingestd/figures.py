"""The gauges of an instance: its processes, what it has in hand, its caches, and its store."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.pool import QueuePool

from ingestd_state import documents

from .embed.batch import most_bytes, most_documents
from .embed.chroma.growth import measure
from .embed.longs import SPOOLS
from .kept import Kept
from .memory import processes
from .watch.rules import CACHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd_state.engine import Database

    from .embed.chroma.growth import Growth
    from .gauges import Gauges
    from .instance import Instance
    from .memory.processes import Process

CONNECTIONS = 15
"""Of one database: what SQLAlchemy's pool opens at most."""


def add_gauges(gauges: Gauges, instance: Instance) -> None:
    """Have everything counted that an instance holds, except what its watchers hold."""
    _add_processes(gauges)
    _add_work(gauges, instance)
    _add_caches(gauges, instance)
    if instance.settings.store.mode != "remote":
        _add_store(gauges, instance)


def _add_processes(gauges: Gauges) -> None:
    roles = Kept(lambda: processes.by_role(processes.tree(os.getpid())))

    def by_role(size: Callable[[Process], int]) -> dict[str, float]:
        return {role: sum(map(size, found)) for role, found in roles().items()}

    gauges.add(
        "process_memory_bytes",
        lambda: by_role(lambda process: process.pss),
        unit="bytes",
        label="process",
        help="Memory of the daemon and its children; what they share counts once (PSS).",
    )
    gauges.add(
        "process_resident_bytes",
        lambda: by_role(lambda process: process.rss),
        unit="bytes",
        label="process",
        help="Resident memory of the daemon and its children; what they share counts for each.",
    )
    gauges.add("daemon_threads", threading.active_count, help="Threads of the daemon.")
    gauges.add(
        "daemon_open_files",
        lambda: sum(1 for _ in Path("/proc/self/fd").iterdir()),
        help="File descriptors of the daemon.",
    )


def _add_work(gauges: Gauges, instance: Instance) -> None:
    job, limits = instance.job, instance.settings.limits

    def in_hand() -> int:
        with instance.database.read() as connection:
            return documents.counts(connection)["working"]

    gauges.add(
        "documents_in_hand",
        in_hand,
        limit=most_documents(limits) + SPOOLS,
        help="Documents that the embed job has in hand: some batches, and long ones beside them.",
    )
    gauges.add(
        "bytes_in_hand",
        lambda: job.bytes_in_hand,
        unit="bytes",
        limit=most_bytes(limits),
        help="Bytes of the files of these batches.",
    )
    gauges.add(
        "model_idle_seconds_total",
        lambda: instance.totals.waits.seconds,
        unit="seconds",
        total=True,
        help="How long the model had nothing in hand while documents were on their way to it.",
    )
    gauges.add(
        "long_documents_in_hand", lambda: len(job.longs), help="Those of them that are long."
    )
    gauges.add(
        "spool_bytes",
        lambda: job.longs.spool_bytes,
        unit="bytes",
        help="Chunks of long documents that wait on disk.",
    )
    gauges.add(
        "gone_paths",
        lambda: job.gone_paths,
        help="Paths that were gone when they were to be read, and wait to be looked at.",
    )
    gauges.add(
        "extraction_children_replaced_total",
        lambda: instance.pool.recycled,
        total=True,
        help="Extraction children that were replaced, for whatever reason.",
    )
    gauges.add(
        "extraction_peak_bytes",
        lambda: instance.pool.peak_bytes,
        unit="bytes",
        limit=instance.settings.extract.memory_bytes,
        help="The most resident memory that an extraction child had.",
    )


def _add_caches(gauges: Gauges, instance: Instance) -> None:
    gauges.add(
        "vectors_cache_bytes",
        lambda: instance.location.vectors_bytes,
        unit="bytes",
        limit=instance.settings.limits.vectors_bytes,
        help="The vectors cache on disk; cut back to its bound by the maintenance.",
    )
    gauges.add(
        "rules_cached",
        lambda: sum(source.rules.cached for source in instance.sources.values()),
        limit=CACHED * max(1, len(instance.sources)),
        help="Folders and rule files that are kept parsed.",
    )
    for name, database in (("state", instance.database), ("vectors", instance.cache)):
        gauges.add(
            f"{name}_connections",
            partial(_connections, database),
            limit=CONNECTIONS,
            help=f"Connections that are open to the {name} database, each with 2 MB of cache.",
        )


def _add_store(gauges: Gauges, instance: Instance) -> None:
    growth = Kept(lambda: measure(instance.location.chroma_dir))

    def by_collection(number: Callable[[Growth], float]) -> dict[str, float]:
        return {found.collection: number(found) for found in growth()}

    gauges.add(
        "chroma_live_vectors",
        lambda: by_collection(lambda found: found.live),
        label="collection",
        help="Slots that a collection holds.",
    )
    gauges.add(
        "chroma_bloat",
        lambda: by_collection(lambda found: round(found.bloat, 3)),
        limit=instance.settings.store.compact_at,
        label="collection",
        help="Places of an index that were ever used, over those that are live.",
    )
    gauges.add(
        "chroma_disk_bytes",
        lambda: by_collection(lambda found: found.disk_bytes),
        unit="bytes",
        label="collection",
        help="What a collection takes on the disk.",
    )
    gauges.add(
        "chroma_vector_bytes",
        lambda: by_collection(lambda found: round(found.bytes_per_vector, 1)),
        unit="bytes",
        label="collection",
        help="What a collection takes on the disk for each live slot.",
    )


def _connections(database: Database) -> float | None:
    pool = database.engine.pool
    return pool.checkedin() + pool.checkedout() if isinstance(pool, QueuePool) else None
