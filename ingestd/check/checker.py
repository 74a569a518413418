"""The whole comparison: disk, state table and collections, source by source.

It only reads, and never holds more than a page. While a daemon runs, what it has in hand looks
different from one moment to the next: so each difference is looked at again at the end, and
dropped when it has settled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ingestd.errors import ModelMismatchError
from ingestd.roots import rules_of
from ingestd_state import collections, documents, sources
from ingestd_state.status import SourceStatus

from .disk import DiskCheck
from .findings import Finding, Kind, Remedy, Summary
from .slots import SlotCheck
from .strays import StrayCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ingestd.ports import Collection
    from ingestd.watch.rules import Rules
    from ingestd_state.engine import Database
    from ingestd_state.sources import Source

    from .reading import Reader

SUSPECTS = 1_000
"""Differences that wait for their second look at once."""
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Parts:
    """What a check works with.

    Attributes:
        database: the state table.
        cache: the vectors cache; None when there is none.
        collection: opens a collection by name; None when it is not there. Raises
            `ModelMismatchError` for one that another model filled.
        model: fingerprint of the model in use.
        reader: reads documents again.
        broken: why an index cannot be opened, by collection; the empty name stands for all. Where
            one is broken, none is opened.
    """

    database: Database
    cache: Database | None
    collection: Callable[[str], Collection | None]
    model: str
    reader: Reader
    broken: Mapping[str, str] = field(default_factory=dict)


class Checker:
    """Compares everything, once.

    Args:
        parts: what it works with.
        only: names of sources; empty for all.
        deep: read every file, and cut it anew.
        running: somebody works on what waits.
        patience_s: how long a change of a file may take until it is noticed.
        sleep: waits so many seconds.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        only: Sequence[str] = (),
        deep: bool = False,
        running: bool = False,
        patience_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.summary = Summary()
        self._parts = parts
        self._only = tuple(only)
        self._deep = deep
        self._running = running
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock
        self._sources: dict[str, tuple[Source, Rules]] = {}
        self._collections: dict[str, Collection] = {}

    def run(self) -> Iterator[Finding]:
        """Every difference, as it is found.

        Raises:
            StoreError: a collection cannot be read.
            ForeignCollectionError: a collection was not made by ingestd.
            DatabaseError: the state table cannot be read.
        """
        self._sources = self._known()
        found = self._settled() if self._running else self._all()
        for finding in found:
            if not finding.implied:
                self.summary.found[finding.kind] += 1
            yield finding

    def _known(self) -> dict[str, tuple[Source, Rules]]:
        with self._parts.database.read() as connection:
            rows = sources.all_sources(connection)
        return {
            row.name: (row, rules_of(row))
            for row in rows
            if row.status is not SourceStatus.DETACHED
        }

    def _all(self) -> Iterator[Finding]:
        chosen = [self._sources[name] for name in self._only or sorted(self._sources)]
        for row, rules in chosen:
            yield from DiskCheck(self._parts.database, self.summary).findings(row, rules)
        for name in sorted({row.collection for row, _ in chosen}):
            yield from self._collection(name, [row for row, _ in chosen if row.collection == name])

    def _collection(self, name: str, rows: Iterable[Source]) -> Iterator[Finding]:
        if broken := self._parts.broken:
            if why := broken.get(name) or broken.get(""):
                yield _whole(name, Kind.MISSING, "a sound index", why, Remedy.REFILL)
            else:
                self.summary.notes.append(f"{name} was not opened beside a broken index")
            return
        try:
            collection = self._parts.collection(name)
        except ModelMismatchError as error:
            yield _whole(name, Kind.WRONG_MODEL, "vectors of the model in use", error.message)
            return
        if collection is None:
            yield _whole(name, Kind.MISSING, "the collection", "it is not there")
            return
        self._collections[name] = collection
        slots = self._slots(collection, self.summary, note=True)
        for row in rows:
            yield from slots.findings(row)
        yield from self._strays(collection, self.summary).findings(self._only)

    def _slots(self, collection: Collection, summary: Summary, *, note: bool = False) -> SlotCheck:
        with self._parts.database.read() as connection:
            flagged = {refill.name for refill in collections.flagged(connection)}
        if note and collection.name in flagged:
            summary.notes.append(
                f"{collection.name} is to be filled anew: its vectors were not compared"
            )
        return SlotCheck(
            self._parts.database,
            self._parts.cache,
            collection,
            model="" if collection.name in flagged else self._parts.model,
            reader=self._parts.reader,
            deep=self._deep,
            running=self._running,
            summary=summary,
        )

    def _strays(self, collection: Collection, summary: Summary) -> StrayCheck:
        return StrayCheck(self._parts.database, collection, self._sources, summary)

    def _settled(self) -> Iterator[Finding]:
        """The differences that are still there at a second look."""
        found = self._all()
        while suspects := list(islice(found, SUSPECTS)):
            deadline = self._clock() + self._patience_s
            while suspects:
                late = self._clock() >= deadline
                self._parts.reader.forget()
                still = [finding for finding in suspects if self._is_still_there(finding)]
                # What the watcher is about to notice takes its time; the rest is certain now.
                yield from (one for one in still if late or one.remedy is not Remedy.SCAN)
                suspects = [] if late else [one for one in still if one.remedy is Remedy.SCAN]
                if suspects:
                    self._sleep(POLL_S)

    def _is_still_there(self, finding: Finding) -> bool:
        database, unseen = self._parts.database, Summary()
        if finding.remedy in {Remedy.FILL, Remedy.REFILL}:
            return True
        if finding.remedy is Remedy.DELETE:
            return self._strays(self._collections[finding.collection], unseen).again(finding.slot)
        row, rules = self._sources[finding.source]
        if finding.remedy is Remedy.SCAN:
            return DiskCheck(database, unseen).at(row, rules, finding.path) is not None
        with database.read() as connection:
            document = documents.by_id(connection, finding.document_id)
        if document is None:
            return False
        return self._slots(self._collections[row.collection], unseen).again(finding, document, row)


def _whole(
    name: str, kind: Kind, expected: str, found: str, remedy: Remedy = Remedy.FILL
) -> Finding:
    return Finding(kind, remedy, expected, found, collection=name)
