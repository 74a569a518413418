"""Brings chunks into the slots of a collection: texts, vectors and labels, some at a time."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ingestd.errors import StoreError
from ingestd_state import failpoint, vectors

from .metadata import of_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingestd.ports import Chunk, Collection, Metadata
    from ingestd_state.engine import Database

    from .prepared import Prepared
    from .totals import Totals

    Placed = tuple[Prepared, str, Chunk]
    """A chunk of a document, and the slot that it goes into."""

T = TypeVar("T")

BATCH = 250
"""Slots in flight between the vectors cache and the collection."""


class Placer:
    """Writes slots. Blocking: call it in the store's thread.

    Every method may raise `RefusedError`, where the collection does not take it, and `StoreError`,
    after which only a repeat is safe.
    """

    def __init__(
        self,
        cache: Database,
        *,
        model: str,
        pipeline: str,
        totals: Totals,
        clock: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._model = model
        self._pipeline = pipeline
        self._totals = totals
        self._clock = clock

    def upsert(self, collection: Collection, placed: Iterable[Placed]) -> None:
        """Write chunks whose embeddings are in the vectors cache."""
        now = self._clock()
        for part in even_batches(placed):
            found = self._embeddings([chunk.digest for _, _, chunk in part])
            started = time.monotonic()
            collection.upsert(
                [slot for _, slot, _ in part],
                np.stack([found[chunk.digest] for _, _, chunk in part]),
                [chunk.text for _, _, chunk in part],
                [self._metadata(prepared, chunk, now) for prepared, _, chunk in part],
            )
            self._totals.upsert_s.observe(time.monotonic() - started)
            self._totals.chunks["upserted"] += len(part)
            failpoint.reached("upsert.part")
        failpoint.reached("upsert.done")

    def keep(self, collection: Collection, placed: Iterable[Placed]) -> None:
        """Write the metadata of chunks whose slots hold their texts already."""
        now = self._clock()
        for part in batches(placed):
            collection.relabel(
                [slot for _, slot, _ in part],
                [self._metadata(prepared, chunk, now) for prepared, _, chunk in part],
            )
            self._totals.chunks["relabelled"] += len(part)
            failpoint.reached("relabel.part")

    def label(self, collection: Collection, written: Sequence[tuple[str, Metadata]]) -> None:
        """Write some of the metadata of slots, at most `BATCH`."""
        collection.relabel([slot for slot, _ in written], [values for _, values in written])
        self._totals.chunks["relabelled"] += len(written)
        failpoint.reached("labels.part")

    def _embeddings(
        self, digests: Sequence[bytes]
    ) -> dict[bytes, np.ndarray[tuple[int], np.dtype[np.float32]]]:
        with self._cache.read() as connection:
            found = vectors.get(connection, self._model, digests)
        if any(digest not in found for digest in digests):
            raise StoreError(
                "embeddings left the vectors cache before they were written",
                hint="They are made again; raise limits.vectors_bytes if this repeats.",
            )
        return {digest: np.frombuffer(data, dtype="<f4") for digest, data in found.items()}

    def _metadata(self, prepared: Prepared, chunk: Chunk, now: float) -> Metadata:
        return of_chunk(prepared, chunk, pipeline=self._pipeline, now=now)


def even_batches(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """The same for values that are few, in batches of like size: none is much less than half."""
    waiting = list(values)
    if waiting:
        number = -(-len(waiting) // BATCH)
        size = -(-len(waiting) // number)
        for start in range(0, len(waiting), size):
            yield waiting[start : start + size]


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in order, at most `BATCH` at a time."""
    waiting = iter(values)
    while part := list(islice(waiting, BATCH)):
        yield part
