"""The gauges of the work: what is known, what waits, what was done, and how long that took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ingestd_state import chunks, documents, due

from .kept import Kept

if TYPE_CHECKING:
    from .follow import Follower
    from .gauges import Gauges
    from .instance import Instance
    from .scans import Scans


def add_gauges(gauges: Gauges, instance: Instance, follower: Follower, scans: Scans) -> None:
    """Have the work of an instance counted."""
    _add_table(gauges, instance)
    _add_done(gauges, instance)
    _add_times(gauges, instance)
    _add_sources(gauges, instance, follower, scans)


def _add_table(gauges: Gauges, instance: Instance) -> None:
    served = [source.id for source in instance.sources.values()]

    def states() -> dict[str, float]:
        with instance.database.read() as connection:
            return {state: float(n) for state, n in documents.counts(connection).items()}

    def live() -> float:
        with instance.database.read() as connection:
            return chunks.count_live(connection)

    def waiting() -> tuple[float, float]:
        now = instance.clock()
        with instance.database.read() as connection:
            number = due.count_open(connection, now, served)
            oldest = due.oldest(connection, now, served)
        return number, 0.0 if oldest is None else max(0.0, now - oldest)

    queue = Kept(waiting)
    gauges.add(
        "documents", Kept(states), label="state", help="Documents that are known, by their state."
    )
    gauges.add("chunks_live", Kept(live), help="Chunks that are in the collections.")
    gauges.add(
        "queue_documents",
        lambda: queue()[0],
        help="Documents that wait for the embed job, or are in its hands.",
    )
    gauges.add(
        "queue_oldest_seconds",
        lambda: queue()[1],
        unit="seconds",
        help="How long the oldest change waits that is due; what was put off does not count.",
    )


def _add_done(gauges: Gauges, instance: Instance) -> None:
    totals = instance.totals

    def by_code() -> dict[str, float]:
        # Each that occurred, and always one, so that there is something to draw and to watch.
        return {"error": 0.0, **totals.failures}

    outcomes = ("indexed", "unchanged", "skipped", "failed", "deleted")
    actions = ("embedded", "reused", "upserted", "relabelled", "deleted")
    gauges.add(
        "documents_processed_total",
        lambda: {outcome: float(totals.documents[outcome]) for outcome in outcomes},
        label="outcome",
        total=True,
        help="Documents that were dealt with, by what became of them; each attempt counts.",
    )
    gauges.add(
        "failures_total",
        by_code,
        label="code",
        total=True,
        help="Attempts at documents that failed, by the code of the error.",
    )
    gauges.add(
        "chunks_total",
        lambda: {action: float(totals.chunks[action]) for action in actions},
        label="action",
        total=True,
        help="Chunks by what was done with them: put through the model or not, written, deleted.",
    )
    gauges.add(
        "vectors_cache_hits_total",
        lambda: totals.chunks["reused"],
        total=True,
        help="Chunks whose embeddings were in the vectors cache.",
    )
    gauges.add(
        "vectors_cache_misses_total",
        lambda: totals.chunks["embedded"],
        total=True,
        help="Chunks whose embeddings had to be made.",
    )
    gauges.add(
        "tokens_total",
        lambda: totals.tokens,
        total=True,
        help="Tokens that went through the model, without padding.",
    )


def _add_times(gauges: Gauges, instance: Instance) -> None:
    totals, started_at = instance.totals, time.time()
    gauges.add(
        "save_to_searchable_seconds",
        totals.visible_s.read,
        unit="seconds",
        help="From a save that was seen live until the document can be found in Chroma.",
    )
    gauges.add(
        "embed_duration_seconds",
        totals.embed_s.read,
        unit="seconds",
        help="Of a call to the model, with a window of texts.",
    )
    gauges.add(
        "upsert_duration_seconds",
        totals.upsert_s.read,
        unit="seconds",
        help="Of a call to the collection that writes chunks, with its retries.",
    )
    gauges.add(
        "start_time_seconds",
        lambda: started_at,
        unit="seconds",
        help="When the daemon started, in Unix seconds.",
    )


def _add_sources(gauges: Gauges, instance: Instance, follower: Follower, scans: Scans) -> None:
    def followed() -> dict[str, float]:
        away, short = set(follower.unwatched()), follower.polled()
        return {name: float(name not in away and name not in short) for name in instance.sources}

    gauges.add("watcher_up", lambda: float(not follower.dead()), help="1: its threads live.")
    gauges.add(
        "source_followed",
        followed,
        label="source",
        help="1: events tell of changes in it; 0: it is polled, or is not there.",
    )
    gauges.add(
        "reconciles_total",
        lambda: dict(scans.done),
        label="outcome",
        total=True,
        help="Scans of a source; those that failed are repeated.",
    )
    gauges.add(
        "source_last_reconcile_seconds",
        lambda: dict(scans.last_at),
        unit="seconds",
        label="source",
        help="When a source was last scanned as a whole since the start, in Unix seconds.",
    )
    server = instance.server
    gauges.add(
        "chroma_restarts_total",
        lambda: None if server is None else server.restarts,
        total=True,
        help="Times that the managed Chroma server died and was started again.",
    )
