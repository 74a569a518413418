"""Embeds the texts that the vectors cache does not hold yet, a bounded window at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from ingestd.errors import DocumentError, IngestdError
from ingestd_state import failpoint, vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Embedder, Vectors
    from ingestd_state.engine import Database

    from .prepare import Prepared
    from .totals import Totals

log = structlog.get_logger(__name__)

WINDOW = 64
"""Texts embedded between two looks at whether to stop; a crash loses at most these."""


KNOWN_GOOD = "a"
"""A text that no model fails on: if it fails, the text before it was not to blame."""


class EngineError(IngestdError):
    """The model fails on every text."""

    code = "engine"
    hint = "`ingestd doctor` tries the model; the work goes on when it answers again."


class TextEmbedder:
    """Brings the embeddings of documents into the vectors cache. Blocking: use the encode thread.

    The model is opened when the first text needs it, and once.
    """

    def __init__(
        self,
        cache: Database,
        open_embedder: Callable[[], Embedder],
        *,
        model: str,
        totals: Totals,
        clock: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._open = open_embedder
        self._model = model
        self._totals = totals
        self._clock = clock
        self._embedder: Embedder | None = None
        self._stopping = False

    def stop(self) -> None:
        """End after the window in hand."""
        self._stopping = True

    def close(self) -> None:
        """Give the model back."""
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None

    def embed(self, contents: Sequence[Prepared]) -> list[Prepared]:
        """Embed every missing text of these documents.

        A document whose text the model cannot take is turned into a failure.

        Returns:
            The documents that are not complete, because of a stop; what was embedded is kept.

        Raises:
            EngineError: the model fails on every text; no document is to blame.
        """
        missing = self._missing(contents)
        pending = {digest for digest, _ in missing}
        for start in range(0, len(missing), WINDOW):
            if self._stopping:
                return [entry for entry in contents if _needs(entry, pending)]
            window = missing[start : start + WINDOW]
            self._embed_window(window, contents)
            pending.difference_update(digest for digest, _ in window)
        return []

    def _missing(self, contents: Sequence[Prepared]) -> list[tuple[bytes, str]]:
        """The texts to embed, each once, in the order of their documents; others count as used."""
        with self._cache.read() as connection:
            absent = vectors.missing(connection, self._model, _digests(contents))
        present = [digest for digest in _digests(contents) if digest not in absent]
        if present:
            # Now, so that they do not leave the cache before they are written.
            with self._cache.write() as connection:
                vectors.touch(connection, self._model, present, now=self._clock())
        texts: dict[bytes, str] = {}
        for entry in contents:
            for chunk in entry.chunks:
                if chunk.digest in absent and chunk.digest not in texts:
                    texts[chunk.digest] = chunk.embedded_text
                    entry.embedded += 1
        return list(texts.items())

    def _embed_window(
        self, window: Sequence[tuple[bytes, str]], contents: Sequence[Prepared]
    ) -> None:
        if self._embedder is None:
            self._embedder = self._open()
            log.info("model_opened", dimension=self._embedder.dimension)
        try:
            rows = self._embedder.embed([text for _, text in window])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - one text may be poison: only its documents fail
            if len(window) > 1:
                for single in window:
                    self._embed_window([single], contents)
                return
            self._blame(self._embedder, window[0][0], error, contents)
            return
        # Outside of the above: that the cache cannot be written is no document's failure.
        self._keep(window, rows)

    @staticmethod
    def _blame(
        embedder: Embedder, digest: bytes, error: Exception, contents: Sequence[Prepared]
    ) -> None:
        """Have the documents of a text fail that the model does not take; others it does."""
        try:
            embedder.embed([KNOWN_GOOD])
        except MemoryError:
            raise
        except Exception as broken:  # noqa: BLE001 - whatever a broken engine raises
            raise EngineError(f"the model fails: {type(broken).__name__}: {broken}") from error
        log.warning("embedding_failed", error=str(error))
        for entry in contents:
            if _needs(entry, {digest}):
                entry.failed(DocumentError(f"cannot be embedded: {error}"))

    def _keep(self, window: Sequence[tuple[bytes, str]], rows: Vectors) -> None:
        rows = rows.astype("<f4", copy=False)
        with self._cache.write() as connection:
            vectors.put(
                connection,
                self._model,
                [(digest, row.tobytes()) for (digest, _), row in zip(window, rows, strict=True)],
                now=self._clock(),
            )
        self._totals.chunks["embedded"] += len(window)
        failpoint.reached("embed.window")


def _digests(contents: Sequence[Prepared]) -> Iterator[bytes]:
    return (chunk.digest for entry in contents for chunk in entry.chunks)


def _needs(entry: Prepared, digests: set[bytes]) -> bool:
    return any(chunk.digest in digests for chunk in entry.chunks)
