"""Reads documents with pictures of text, in a child of its own: one takes minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.errors import ExtractionError

from .prepared import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.ports import Source
    from ingestd_state.documents import Document

    from .prepare import Preparer
    from .prepared import Prepared
    from .reading.pool import Pool


class Scanner:
    """Reads what was put off. Blocking: call it in a thread of its own.

    Args:
        preparer: reads documents by the pool.
        pool: its child reads pictures, too.
    """

    def __init__(self, preparer: Preparer, pool: Pool) -> None:
        self._preparer = preparer
        self._pool = pool

    def prepare(self, document: Document, source: Source, ended: Callable[[], bool]) -> Prepared:
        """Read a document, as `Preparer.prepare` does.

        Args:
            document: what was put off.
            source: its source.
            ended: asked after each page; true breaks it off.

        Raises:
            StoppedError: it was broken off; likewise whatever `Preparer.prepare` raises.
        """
        self._pool.ended = ended
        prepared = self._preparer.prepare(document, source)
        if prepared.outcome is Outcome.LATER:  # it would be put off for ever
            prepared.failed(ExtractionError("its pictures of text are not read"))
        return prepared

    def stop(self) -> None:
        """Break off the document in hand, which is due again at the next start."""
        self._preparer.stop()
        self._pool.close()

    def recycle(self) -> None:
        """Give the child's memory back: at once, or when the document in hand is done."""
        self._pool.recycle()
