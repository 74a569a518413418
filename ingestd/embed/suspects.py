"""Finds the document that breaks the store: it fails, and the others are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from ingestd.errors import DiskFullError, StoreError
from ingestd_state.status import DocumentStatus

from .batch import Batch
from .prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestd.ports import Source
    from ingestd_state.documents import Document

    from .carry import Carrier
    from .longs import Longs
    from .parts import Parts
    from .stages import Stages

log = structlog.get_logger(__name__)


class Suspects:
    """Tries the documents of a batch one by one.

    Args:
        parts: what the job works with.
        sources: by id.
        stages: its threads.
        carrier: deals with a batch of one.
        longs: the long documents in hand; none when it begins.
    """

    def __init__(
        self,
        parts: Parts,
        sources: Mapping[int, Source],
        stages: Stages,
        carrier: Carrier,
        longs: Longs,
    ) -> None:
        self._parts = parts
        self._sources = sources
        self._stages = stages
        self._carrier = carrier
        self._longs = longs

    async def one_by_one(self, batch: Batch, first: int) -> None:
        """Deal with a batch; a failure after which another document is written is its own.

        Two failures in a row are the store's.

        Args:
            batch: what is in hand.
            first: where to begin: another place each time, so that two such documents side by
                side do not pass for the store for ever.

        Raises:
            StoreError: the collection cannot be written.
        """
        documents = [*batch.documents]
        first %= len(documents)
        suspect: tuple[Document, StoreError] | None = None
        for document in documents[first:] + documents[:first]:
            if self._carrier.stopping:
                await self._carrier.release(documents)
                return
            written = self._parts.totals.chunks["upserted"]
            try:
                await self._carrier.attempt(Batch([document], batch.place, put_off=batch.put_off))
                while self._longs and not self._carrier.stopping:
                    await self._longs.step()
            except StoreError as error:
                await self._longs.drop()
                if suspect or isinstance(error, DiskFullError):
                    raise
                suspect = document, error
                continue
            if suspect and self._parts.totals.chunks["upserted"] > written:
                await self._blame(*suspect)
                suspect = None
        if suspect:
            raise suspect[1]

    async def _blame(self, document: Document, error: StoreError) -> None:
        """Count a failed attempt of one document, so that the others go on."""
        if document.status is DocumentStatus.DELETED:
            raise error
        log.warning("document_breaks_store", document=document.id, error=error.message)
        await self._stages.store(self._parts.writer.settle)
        await self._carrier.refused([Prepared(document, self._sources[document.source_id])], error)
