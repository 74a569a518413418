"""Goes on with smaller batches when the model runs out of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ingestd.embed.engines.shortage import is_shortage
from ingestd.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.ports import Embedder, Vectors

PATIENCE = 100


class TooLargeError(DocumentError):
    """The model has not enough memory for a single text."""

    code = "too_large_for_model"
    hint = "Make memory free, or choose a smaller `chunk.tokens`; then `ingestd retry PATH`."


class HalvingEmbedder:
    """An embedder that halves its batches on a shortage of memory, down to a single text.

    The size that worked is kept for what follows. After a while twice the size is tried, because
    shortages pass; each time that fails, the while is twice as long.

    Args:
        inner: does the work.
        patience: batches of the size that worked, before twice as many texts are tried again.

    Attributes:
        inner: what does the work.
        batch: texts that go to the model at once; None while there was no shortage.
        shortages: how often the model had not enough memory.
    """

    def __init__(self, inner: Embedder, *, patience: int = PATIENCE) -> None:
        self.batch: int | None = None
        self.shortages = 0
        self.inner = inner
        self._patience = patience
        self._went_well = 0
        self._trying = False

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.inner.dimension

    @property
    def tokens(self) -> int:
        """Tokens that went through the inner one as documents."""
        return self.inner.tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: shape (len(texts), dimension), float32, rows of length 1.

        Raises:
            TooLargeError: a single text needs more memory than there is.
        """
        if self.batch is None or len(texts) <= self.batch:
            rows = self._try(texts)
            if rows is not None:
                return rows
        out = np.empty((len(texts), self.dimension), dtype=np.float32)
        at = 0
        while at < len(texts):
            part = texts[at : at + (self.batch or len(texts))]
            rows = self._try(part)
            if rows is not None:
                out[at : at + len(part)] = rows
                at += len(part)
        return out

    def embed_query(self, text: str) -> Vectors:
        """Embed one text as a query: shape (dimension,)."""
        return self.inner.embed_query(text)

    def close(self) -> None:
        """Close the inner one."""
        self.inner.close()

    def _try(self, texts: Sequence[str]) -> Vectors | None:
        """Embed a batch; None when it is too large, and the next one has to be smaller."""
        try:
            rows = self.inner.embed(texts)
        except Exception as error:
            if not is_shortage(error):
                raise
            self._halve(texts, error)
            return None
        self._grow(len(texts))
        return rows

    def _halve(self, texts: Sequence[str], error: Exception) -> None:
        self.shortages += 1
        if len(texts) <= 1:
            length = sum(map(len, texts))
            raise TooLargeError(
                f"the model has not enough memory for one text of {length:,} characters: "
                f"{_first_line(error)}"
            ) from None  # the frames of the failed call hold its arrays
        if self._trying:
            self._patience *= 2
            self._trying = False
        smaller = (self.batch or len(texts)) // 2
        while smaller >= len(texts):
            smaller //= 2
        self._set(smaller, reason=_first_line(error))

    def _grow(self, texts: int) -> None:
        if self.batch is None or texts < self.batch:
            return
        self._trying = False
        self._went_well += 1
        if self._went_well >= self._patience:
            self._trying = True
            self._set(self.batch * 2, reason="enough memory for a while")

    def _set(self, batch: int, *, reason: str) -> None:
        import structlog  # noqa: PLC0415 - slow to import, and seldom needed

        before, self.batch, self._went_well = self.batch, batch, 0
        tell = structlog.get_logger(__name__)
        tell.warning("embed_batch_changed", texts=batch, before=before, reason=reason)


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    return text or type(error).__name__
