"""Fills a collection's index anew from the vectors cache: nothing is embedded.

Texts and metadata are in the collection still; only the index is gone. What the cache has lost,
and what the collection itself has lost, is taken up again document by document.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ingestd_state import changes, failpoint, projection, vectors, work
from ingestd_state.status import ChunkStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from ingestd.ports import Collection
    from ingestd_state.engine import Database
    from ingestd_state.projection import Expected

PAGE = 500


@dataclass(slots=True)
class Filled:
    """What was done.

    Attributes:
        slots: written with their vectors.
        lost: their text or their vector is lost, so their documents are taken up again.
        moving: what they hold is not known, and nothing of it is lost that is not made again.
    """

    slots: int = 0
    lost: int = 0
    moving: int = 0

    @property
    def done(self) -> int:
        """Slots dealt with."""
        return self.slots + self.lost + self.moving


@dataclass(frozen=True, slots=True)
class _Page:
    """Slots as they should be, and the embeddings (float32 bytes) of those that can be filled."""

    expected: Sequence[Expected]
    found: Mapping[str, bytes]


class Refiller:
    """Fills collections anew, a page at a time. Blocking; nobody may write to them meanwhile.

    Args:
        database: the state table.
        cache: the vectors cache.
        model: fingerprint of the model whose vectors go in.
        clock: Unix seconds.
        peek: tells the digests that slots of a collection hold, by its name; None to ask for their
            metadata.
    """

    def __init__(
        self,
        database: Database,
        cache: Database,
        *,
        model: str,
        clock: Callable[[], float],
        peek: Callable[[str, Sequence[str]], Mapping[str, str]] | None = None,
    ) -> None:
        self._peek = peek
        self._database = database
        self._cache = cache
        self._model = model
        self._clock = clock

    def fill(self, collection: Collection) -> Generator[Filled]:
        """Fill a collection whose index holds none of its slots, or some of them.

        Args:
            collection: it exists, with or without its slots.

        Yields:
            What was done so far, after each page: one object that goes on changing.

        Raises:
            StoreError: the collection cannot be written. A repeat starts over.
            DatabaseError: a table cannot be read or written; the same.
        """
        filled = Filled()
        slots = projection.walk(self._database, collection.name)
        # Chroma and the tables read the next page while Chroma writes this one.
        with ThreadPoolExecutor(1, "refill-read") as ahead:
            coming = ahead.submit(self._read, collection, slots)
            while (page := coming.result()).expected:
                coming = ahead.submit(self._read, collection, slots)
                self._write(collection, page, filled)
                failpoint.reached("refill.part")
                yield filled

    def _read(self, collection: Collection, slots: Iterator[Expected]) -> _Page:
        """The next page, and the vectors of what its slots hold; an empty one at the end."""
        page = list(islice(slots, PAGE))
        held = self._held(collection, [expected.slot for expected in page])
        wanted = {expected.slot: _wanted(expected, held) for expected in page}
        with self._cache.read() as connection:
            known = vectors.get(
                connection, self._model, [digest for digest in wanted.values() if digest]
            )
        return _Page(page, {slot: known[key] for slot, key in wanted.items() if key in known})

    def _held(self, collection: Collection, slots: Sequence[str]) -> dict[str, bytes | None]:
        """What slots hold, as far as they are there."""
        if self._peek is not None:
            told: Mapping[str, object] = self._peek(collection.name, slots)
        else:
            records = collection.get(slots, texts=False) if slots else []
            told = {record.id: record.metadata.get("chunk_digest") for record in records}
        return {slot: _digest(digest) for slot, digest in told.items()}

    def _write(self, collection: Collection, page: _Page, filled: Filled) -> None:
        found = page.found
        if found:
            collection.refill(
                list(found), np.stack([np.frombuffer(data, "<f4") for data in found.values()])
            )
        rest = [expected for expected in page.expected if expected.slot not in found]
        lost = [expected for expected in rest if expected.status is ChunkStatus.LIVE]
        self._take_up(lost)
        filled.slots += len(found)
        filled.lost += len(lost)
        filled.moving += len(rest) - len(lost)

    def _take_up(self, lost: Sequence[Expected]) -> None:
        """Have the documents written again; not those that are to go anyway."""
        ids = sorted({expected.document_id for expected in lost})
        if not ids:
            return
        with self._database.write() as connection:
            leaving = work.tombstones(connection, ids)
            staying = [document for document in ids if document not in leaving]
            changes.mark_changed(connection, staying, now=self._clock(), forced=True)


def _wanted(expected: Expected, held: Mapping[str, bytes | None]) -> bytes | None:
    """The digest of the text that a slot holds; None when it is lost, or not what it should be.

    What a slot holds between plan and upsert only the collection knows: the old text, which stays
    searchable, or the new one.
    """
    digest = held.get(expected.slot)
    if expected.status is ChunkStatus.LIVE and digest != expected.digest:
        return None
    return digest


def _digest(told: object) -> bytes | None:
    """The digest that a slot tells of itself."""
    try:
        return bytes.fromhex(str(told or ""))
    except ValueError:
        return None
