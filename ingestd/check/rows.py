"""The rows of documents: in memory where they are few, read page by page where they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd_state import chunks, owned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ingestd_state.chunks import Slot
    from ingestd_state.engine import Database

AT_ONCE = 1_000
"""Rows of several documents in memory, and of a long one."""


class LongRows:
    """The rows of one document, in order of their ordinals, read anew each time it is gone through.

    No more than a page of them is held.
    """

    def __init__(self, database: Database, document_id: str) -> None:
        self._database = database
        self._document_id = document_id

    def __iter__(self) -> Iterator[Slot]:
        for page in chunks.walk(self._database, self._document_id, page=AT_ONCE):
            yield from page


def of_group(database: Database, ids: Sequence[str]) -> Mapping[str, Iterable[Slot]]:
    """The rows of each of some documents, in order of their ordinals.

    Counted first: what a document is said to have says little of one that is being written, or
    whose old slots are not deleted yet.
    """
    with database.read() as connection:
        if owned.held(connection, ids) <= AT_ONCE:
            return chunks.of_documents(connection, ids)
    return {document_id: LongRows(database, document_id) for document_id in ids}
