"""How long a query takes while documents are ingested, beside one with nothing else to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks import corpus, systems
from benchmarks.daemon import Daemon
from benchmarks.series.rows import Bounds, Row, Values, spread, tell

if TYPE_CHECKING:
    from collections.abc import Callable

SERIES = "query during ingest"
QUERIES = 200
FEW = 0.2
"""Share of the documents that are there before the others arrive."""
RESULTS = 5
PAUSE_S = 0.02
AT_A_TIME = 10
"""Queries between two looks whether the ingest is done."""


def measure(bounds: Bounds) -> list[Row]:
    """Measure at each size."""
    return [_at_size(bounds, size) for size in bounds.sizes]


def _at_size(bounds: Bounds, size: int) -> Row:
    import chromadb  # noqa: PLC0415 - slow to import, and not every series needs it

    ours, place = bounds.systems[0], bounds.work / f"queries-{size}"
    tell(f"{SERIES}, {size} documents")
    files = corpus.spread(bounds.docs, size)
    few = max(1, int(FEW * len(files)))
    corpus.copy(bounds.docs, files[:few], place / "docs" / "first")
    corpus.copy(bounds.docs, files[few:], place / "others")
    env, model = systems.with_model(ours, bounds.model), bounds.model_name
    with Daemon(place / "docs", place / "state", model=model, more=env) as daemon:
        daemon.settle(corpus.contents(place / "docs"))
        client = chromadb.HttpClient(host="127.0.0.1", port=daemon.port)
        collection = client.get_collection("ingestd", embedding_function=None)
        vectors = collection.get(limit=50, include=["embeddings"])["embeddings"]

        def ask(number: int) -> None:
            vector: Any = vectors[number % len(vectors)]
            collection.query(query_embeddings=[vector], n_results=RESULTS)

        idle = spread([_timed(ask, number) for number in range(QUERIES)])
        (place / "others").rename(place / "docs" / "others")
        expected = corpus.contents(place / "docs")
        waits: list[float] = []
        while not daemon.rests(expected):
            for _ in range(AT_A_TIME):
                waits.append(_timed(ask, len(waits)))
                time.sleep(PAUSE_S)
    values: Values = {**spread(waits), "idle_median_s": idle["median_s"]}
    return Row(SERIES, len(files), ours.name, {**values, "idle_p95_s": idle["p95_s"]})


def _timed(ask: Callable[[int], None], number: int) -> float:
    started = time.monotonic()
    ask(number)
    return time.monotonic() - started
