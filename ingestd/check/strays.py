"""Finds slots of a collection that no document owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.watch.scan import scan
from ingestd_state import documents, orphans, owned
from ingestd_state.status import DocumentStatus

from .findings import Finding, Kind, Remedy

if TYPE_CHECKING:
    from collections.abc import Collection as Names
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from ingestd.ports import Collection, Record
    from ingestd.watch.rules import Rules
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database
    from ingestd_state.sources import Source

    from .findings import Summary

PAGE = 500
REMEMBERED = 10_000
"""Slots that wait to be deleted and are known as such; beyond, they are found again."""
KEPT = 1_000
"""Documents of which is known whether they lack chunks."""
LARGEST = 2**31 - 1
"""An ordinal: what others wrote may be any number."""


class StrayCheck:
    """Walks a collection, a page at a time.

    Args:
        database: the state table.
        collection: what is walked.
        sources: by name, with their rules.
        summary: counts.
    """

    def __init__(
        self,
        database: Database,
        collection: Collection,
        sources: Mapping[str, tuple[Source, Rules]],
        summary: Summary,
    ) -> None:
        self._database = database
        self._collection = collection
        self._sources = sources
        self._summary = summary
        self._incomplete: dict[Document, bool] = {}

    def findings(self, only: Names[str] = ()) -> Iterator[Finding]:
        """The slots without an owner; with ``only``, those that name one of these sources."""
        waiting = self._waiting()
        offset = 0
        while records := self._collection.page(offset, PAGE):
            offset += len(records)
            self._summary.stored += len(records)
            with self._database.read() as connection:
                slots = [record.id for record in records]
                unknown = set(orphans.unknown(connection, self._collection.name, slots))
            for record in records:
                if record.id not in unknown or record.id in waiting:
                    continue
                if not only or record.metadata.get("source_name") in only:
                    yield self._stray(record)
            if len(records) < PAGE:
                return

    def again(self, slot: str) -> bool:
        """Whether a slot is there, and no document owns it, as of now."""
        with self._database.read() as connection:
            if not orphans.unknown(connection, self._collection.name, [slot]):
                return False
        return bool(self._collection.get([slot]))

    def _waiting(self) -> set[str]:
        with self._database.read() as connection:
            due = orphans.due(connection, REMEMBERED)
        return {slot for slot, name in due if name == self._collection.name}

    def _stray(self, record: Record) -> Finding:
        """What to say of a slot without an owner, from what it says of itself."""
        named = record.metadata
        source, path = str(named.get("source_name") or ""), str(named.get("path") or "")
        with self._database.read() as connection:
            document = documents.by_id(connection, str(named.get("document_id") or ""))
            # In the collection that its source wrote to before, a document has nothing any more.
            ours = document if document and self._writes_here(document) else None
            twice = ours is not None and _has(connection, ours, named.get("ordinal"))
            broken = not twice and ours is not None and self._is_incomplete(connection, ours)
        return Finding(
            Kind.DUPLICATE if twice else Kind.ORPHAN,
            Remedy.DELETE,
            expected="one slot for each chunk" if twice else "a document that owns the slot",
            found=f"one more for chunk {named.get('ordinal')}" if twice else "none does",
            source=source,
            path=path.encode("utf-8", "backslashreplace"),
            document_id=document.id if document else "",
            slot=record.id,
            collection=self._collection.name,
            implied=broken or (not twice and self._is_unknown_file(source, path)),
        )

    def _writes_here(self, document: Document) -> bool:
        return any(
            source.id == document.source_id and source.collection == self._collection.name
            for source, _ in self._sources.values()
        )

    def _is_incomplete(self, connection: Connection, document: Document) -> bool:
        """Whether a document lacks chunks, a finding itself; counted once for all of its strays."""
        if document.status is not DocumentStatus.INDEXED:
            return False
        if document not in self._incomplete:
            if len(self._incomplete) >= KEPT:
                self._incomplete.clear()
            number = owned.distinct(connection, document.id)
            self._incomplete[document] = number < document.chunk_count
        return self._incomplete[document]

    def _is_unknown_file(self, name: str, path: str) -> bool:
        """Whether a file of ours is at this path that the table does not know: a finding itself."""
        if name not in self._sources or not path:
            return False
        source, rules = self._sources[name]
        where = path.encode("utf-8", "backslashreplace")
        with self._database.read() as connection:
            if documents.get(connection, source.id, where) is not None:
                return False
        try:
            listing = next(scan(source.path, rules, below=where), None)
        except ValueError:  # not a path within the source: somebody else wrote it
            return False
        return listing is not None and listing.directory != where and bool(listing.files)


def _has(connection: Connection, document: Document, named: object) -> bool:
    """Whether the chunk that a slot names, if it is one, has a slot of the document."""
    if isinstance(named, float) and named.is_integer():
        named = int(named)
    return (
        isinstance(named, int)
        and abs(named) <= LARGEST
        and owned.has(connection, document.id, named)
    )
