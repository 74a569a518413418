"""Clears away what is over: doomed slots, orphans, and plans that broke off."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING

from ingestd_state import chunks, failpoint, orphans, work

from .withdraw import withdraw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingestd.ports import Collection
    from ingestd_state.engine import Database

    from .totals import Totals

BATCH = 250
"""Slots deleted between two looks at the table."""
AT_STOP = 4
"""So many batches are deleted when a stop is asked for; the next start deletes the rest."""


class Sweeper:
    """Clears away, in the collections and then in the table. Blocking: use the store's thread."""

    def __init__(
        self, database: Database, collection: Callable[[str], Collection], totals: Totals
    ) -> None:
        self._database = database
        self._collection = collection
        self._totals = totals
        self._stopping = False

    def stop(self) -> None:
        """End early with what the next start does as well; from any thread."""
        self._stopping = True

    def settle(self) -> None:
        """Settle what an attempt left that broke off: take its plan back, delete what has to go.

        Raises:
            StoreError: a collection cannot be read or written; a repeat goes on.
            DatabaseError: the state table cannot be read or written; the same.
        """
        self.withdraw()
        self.delete_orphans()
        self.delete_doomed()

    def withdraw(self) -> None:
        """Have the table say what the collections hold, for every document that is half written."""
        with self._database.read() as connection:
            unsettled = chunks.unsettled(connection)
        for name, ids in _by_collection(unsettled).items():
            withdraw(self._database, self._collection(name), ids)

    def delete_doomed(self) -> None:
        """Delete every doomed slot, and forget its row."""
        for number, _ in enumerate(self.deletions(), 1):
            if self._stopping and number >= AT_STOP:
                return

    def deletions(self) -> Iterator[None]:
        """Delete every doomed slot, and forget its row; yields after each batch."""
        while True:
            with self._database.read() as connection:
                doomed = chunks.doomed(connection, BATCH)
            if not doomed:
                return
            for name, slots in _by_collection(doomed).items():
                self.delete(name, slots)
            yield

    def delete(self, name: str, slots: Sequence[str]) -> None:
        """Delete doomed slots of a collection, and forget their rows."""
        for start in range(0, len(slots), BATCH):
            part = slots[start : start + BATCH]
            self._collection(name).delete(part)
            failpoint.reached("doomed.deleted")
            with self._database.write() as connection:
                chunks.forget(connection, part)
            self._totals.chunks["deleted"] += len(part)

    def forget(self, tombstones: Sequence[str]) -> None:
        """Forget tombstones whose slots are deleted."""
        if tombstones:
            failpoint.reached("doomed.forgotten")
            with self._database.write() as connection:
                work.forget(connection, tombstones)

    def delete_orphans(self) -> None:
        """Delete the slots that a check found without an owner, unless they have one by now."""
        for number in count():
            if self._stopping and number >= AT_STOP:
                return
            with self._database.read() as connection:
                due = _by_collection(orphans.due(connection, BATCH))
                ownerless = {
                    name: orphans.unknown(connection, name, slots) for name, slots in due.items()
                }
            if not due:
                return
            for name, slots in ownerless.items():
                self._collection(name).delete(slots)
            failpoint.reached("orphan.deleted")
            with self._database.write() as connection:
                for name, slots in due.items():
                    orphans.forget(connection, name, slots)
            self._totals.chunks["deleted"] += sum(map(len, ownerless.values()))


def _by_collection(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Ids by the collection that comes with each."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, collection in pairs:
        found[collection].append(name)
    return found
