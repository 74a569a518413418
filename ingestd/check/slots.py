"""Compares what the state table says of a document with what its slots hold."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ingestd.errors import StoreError
from ingestd.ports import Source
from ingestd_state import chunks, vectors
from ingestd_state.selection import Selection, walk
from ingestd_state.status import ChunkStatus, DocumentStatus

from .findings import Finding, Kind, Remedy
from .rows import of_group
from .sound import expected_labels, same_vector, text_is_sound, wrong_labels
from .whole import as_read, of_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingestd.ports import Collection, Record
    from ingestd_state import sources
    from ingestd_state.chunks import Slot
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .findings import Summary
    from .reading import Reader

    Placed = tuple[Document, Slot]

PAGE = 250
"""Slots in hand at once."""
TOLD = ("title", "headings", "page", "lang")
"""Labels that only the file can tell."""
MOVING = frozenset({DocumentStatus.PENDING, DocumentStatus.WORKING, DocumentStatus.FAILED})


class SlotCheck:
    """Finds slots that are not as they should be, in one collection.

    Args:
        database: the state table.
        cache: the vectors cache; None when there is none.
        collection: where the slots are.
        model: fingerprint of the model in use; empty for vectors that cannot be compared.
        reader: reads documents again.
        deep: read every document, not only where something is suspicious.
        running: somebody works on what waits, so that it is left alone.
        summary: counts.
    """

    def __init__(
        self,
        database: Database,
        cache: Database | None,
        collection: Collection,
        *,
        model: str,
        reader: Reader,
        deep: bool,
        running: bool,
        summary: Summary,
    ) -> None:
        self._database = database
        self._cache = cache
        self._collection = collection
        self._model = model
        self._reader = reader
        self._deep = deep
        self._running = running
        self._summary = summary

    def findings(self, row: sources.Source) -> Iterator[Finding]:
        """What differs in the documents of a source."""
        source = Source(row.id, row.name, row.path, row.collection)
        for group in self._groups(source.id):
            yield from self._group(group, source)

    def again(self, finding: Finding, document: Document, row: sources.Source) -> bool:
        """Whether a difference in a document is still there; no while it is in motion."""
        if not self._at_rest(document):
            return False
        source = Source(row.id, row.name, row.path, row.collection)
        if finding.slot:
            with self._database.read() as connection:
                one = chunks.at(connection, document.id, finding.slot)
            live = one is not None and one.status is ChunkStatus.LIVE
            found = self._page([(document, one)] if one and live else [], source)
            return any(wrong.kind is finding.kind for wrong in found)
        rows = of_group(self._database, [document.id])[document.id]
        whole = self._of_whole(document, rows, source)
        return whole is not None and whole.kind is finding.kind

    def _groups(self, source_id: int) -> Iterator[list[Document]]:
        """Documents whose slots together are about a page; a large one comes alone."""
        group: list[Document] = []
        held = 0
        for document in walk(self._database, Selection(source_id)):
            if not self._is_looked_at(document):
                continue
            full = len(group) == PAGE or held + document.chunk_count > PAGE
            if group and (self._deep or full):
                yield group
                group, held = [], 0
            group.append(document)
            held += document.chunk_count
        if group:
            yield group

    def _is_looked_at(self, document: Document) -> bool:
        summary = self._summary
        summary.failed += document.status in {DocumentStatus.FAILED, DocumentStatus.DEAD}
        moving = document.status in MOVING or document.status is DocumentStatus.DELETED
        summary.waiting += moving and document.status is not DocumentStatus.FAILED
        return self._at_rest(document)

    def _at_rest(self, document: Document) -> bool:
        """Whether the table says what its slots hold, and nobody is about to write them."""
        if document.status is DocumentStatus.DELETED or document.missing_since is not None:
            return False
        if document.status in MOVING and (self._running or document.forced):
            return False
        return document.chunk_count > 0 or document.status is DocumentStatus.INDEXED

    def _group(self, group: Sequence[Document], source: Source) -> Iterator[Finding]:
        rows = of_group(self._database, [document.id for document in group])
        for document in group:
            self._summary.documents += 1
            indexed = document.status is DocumentStatus.INDEXED
            self._summary.outdated += indexed and document.pipeline != self._reader.pipeline
            whole = self._of_whole(document, rows[document.id], source)
            if whole is not None:
                yield whole
        placed = (
            (document, row)
            for document in group
            for row in rows[document.id]
            if row.status is ChunkStatus.LIVE
        )
        for part in _pages(placed):
            yield from self._page(part, source)

    def _of_whole(self, document: Document, rows: Iterable[Slot], source: Source) -> Finding | None:
        """What is wrong with a document as a whole, from its rows and, if deep, from its file."""
        if document.status is DocumentStatus.INDEXED:
            kind, expected, found = of_rows(document, rows)
            if kind is not None:
                return _about(document, source, kind, expected, found)
        if not self._deep:
            return None
        reading = self._reader.read(document, source)
        self._summary.unread += reading.unread
        expected, found = as_read(document, rows, reading)
        return _about(document, source, Kind.STALE, expected, found) if found else None

    def _page(self, placed: Sequence[Placed], source: Source) -> Iterator[Finding]:
        self._summary.slots += len(placed)
        found = self._fetch([row.slot for _, row in placed])
        cached = self._cached([row.digest for _, row in placed])
        for document, row in placed:
            record = found.get(row.slot)
            wrong = self._slot(document, row, record, cached.get(row.digest), source)
            if wrong is not None:
                kind, expected, what = wrong
                name = self._collection.name
                yield _about(document, source, kind, expected, what, slot=row.slot, collection=name)

    def _fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        """The slots, by id; one without a vector comes without one."""
        try:
            return {r.id: r for r in self._collection.get(ids, embeddings=bool(self._model))}
        except StoreError:
            # One slot without a vector spoils the whole answer.
            plain = {record.id: record for record in self._collection.get(ids)}
            if len(ids) == 1:
                return plain
            middle = len(ids) // 2
            return self._fetch(ids[:middle]) | self._fetch(ids[middle:])

    def _cached(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        if self._cache is None or not self._model:
            return {}
        with self._cache.read() as connection:
            return vectors.get(connection, self._model, digests)

    def _slot(
        self,
        document: Document,
        row: Slot,
        record: Record | None,
        cached: bytes | None,
        source: Source,
    ) -> tuple[Kind, str, str] | None:
        """The first thing that is wrong with a slot: kind, expected, found."""
        chunk = f"chunk {row.ordinal}"
        if record is None:
            return Kind.MISSING, chunk, "the slot is not in the collection"
        if self._model and not len(record.embedding):
            return Kind.MISSING, "a vector", "the slot has none"
        if wrong := self._text(document, row, record, source):
            return wrong
        if self._model and cached is None:
            self._summary.uncached += 1
        elif cached is not None and not same_vector(record.embedding, cached):
            return Kind.WRONG_MODEL, "the vector of its text", "another vector"
        return wrong_labels(expected_labels(document, source, row), record)

    def _text(
        self, document: Document, row: Slot, record: Record, source: Source
    ) -> tuple[Kind, str, str] | None:
        """What is wrong with the text of a slot, or with what cannot be told from it."""
        if not self._deep and text_is_sound(record, row.digest):
            return None
        # Where title or headings were changed, the text too seems wrong: only the file can tell.
        reading = self._reader.read(document, source)
        chunk = reading.chunk(row.ordinal) if reading.comparable(document) else None
        if chunk is None or chunk.digest != row.digest:
            sound = text_is_sound(record, row.digest)
            return None if sound else (Kind.STALE, f"the text of chunk {row.ordinal}", "another")
        if chunk.text != record.text:
            return Kind.STALE, f"the text of chunk {row.ordinal}", "another text"
        found = reading.metadata(chunk)
        return wrong_labels({key: found[key] for key in TOLD}, record)


def _about(
    document: Document,
    source: Source,
    kind: Kind,
    expected: str,
    found: str,
    *,
    slot: str = "",
    collection: str = "",
) -> Finding:
    return Finding(
        kind,
        Remedy.REWRITE,
        expected,
        found,
        source=source.name,
        path=document.path,
        document_id=document.id,
        slot=slot,
        collection=collection,
    )


def _pages(placed: Iterable[Placed]) -> Iterator[list[Placed]]:
    rest = iter(placed)
    while page := list(islice(rest, PAGE)):
        yield page
