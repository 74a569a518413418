"""Embeds the texts that the vectors cache does not hold yet, a bounded window at a time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from ingestd.errors import DocumentError, IngestdError
from ingestd_state import failpoint, vectors

from .pace import Pace, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Embedder, Vectors
    from ingestd_state.engine import Database

    from .prepared import Prepared
    from .totals import Totals

log = structlog.get_logger(__name__)

KNOWN_GOOD = "a"
"""A text that no model fails on: if it fails, the text before it was not to blame."""


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """A text that the model has not seen.

    Attributes:
        digest: of the text.
        text: as the model sees it.
        size: its bytes.
        first: the first document that has it.
    """

    digest: bytes
    text: str
    size: int
    first: Prepared


class EngineError(IngestdError):
    """The model fails on every text."""

    code = "engine"
    hint = "`ingestd doctor` tries the model; the work goes on when it answers again."


class TextEmbedder:
    """Brings the embeddings of documents into the vectors cache. Blocking: use the encode thread.

    The model is opened when the first text needs it, and once.

    Args:
        cache: the vectors cache.
        open_embedder: opens the model.
        model: fingerprint of the model.
        totals: what is counted.
        clock: Unix seconds.
        pace: how much goes through the model at once; a crash loses at most that.

    Attributes:
        stopping: whether it ends after the window in hand.
        begun: when the model was given what it has in hand, on the monotonic clock; None: nothing.
    """

    def __init__(
        self,
        cache: Database,
        open_embedder: Callable[[], Embedder],
        *,
        model: str,
        totals: Totals,
        clock: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self._cache = cache
        self._open = open_embedder
        self._model = model
        self._totals = totals
        self._clock = clock
        self._pace = pace or Pace()
        self._embedder: Embedder | None = None
        self._opening = threading.Lock()
        self.stopping = False
        self.begun: float | None = None

    def stop(self) -> None:
        """End after the window in hand."""
        self.stopping = True

    def close(self) -> None:
        """Give the model back; the next text opens it again."""
        with self._opening:
            embedder, self._embedder = self._embedder, None
        if embedder is not None:
            embedder.close()

    def embed_query(self, text: str) -> Vectors:
        """Embed a question: shape (dimension,). In the thread that embeds documents.

        Raises:
            IngestdError: the model cannot be opened.
        """
        self.begun = time.monotonic()
        try:
            return self._opened().embed_query(text)
        finally:
            self.begun = None

    def _opened(self) -> Embedder:
        with self._opening:
            if self._embedder is None:
                self._embedder = self._open()
                log.info("model_opened", dimension=self._embedder.dimension)
            return self._embedder

    def embed(
        self, contents: Sequence[Prepared], gives_way: Callable[[], bool] = lambda: False
    ) -> list[Prepared]:
        """Embed every missing text of these documents.

        A document whose text the model cannot take is turned into a failure.

        Args:
            contents: the documents.
            gives_way: asked after each window: whether to leave the rest for later.

        Returns:
            The documents that are not complete, because of a stop, or because this gave way; what
            was embedded is kept.

        Raises:
            EngineError: the model fails on every text; no document is to blame.
        """
        # Like lengths side by side: nothing is padded. All of them, for the windows as well.
        missing = sorted(self._missing(contents), key=lambda text: -text.size)
        start = 0
        while start < len(missing):
            if self.stopping or (start and gives_way()):
                pending = {text.digest for text in missing[start:]}
                return [entry for entry in contents if _needs(entry, pending)]
            end = start + self._pace.window(text.size for text in islice(missing, start, None))
            try:
                self._embed_window(missing[start:end], contents)
            finally:
                self.begun = None
            start = end
        return []

    def _missing(self, contents: Sequence[Prepared]) -> list[Missing]:
        """The texts to embed, each once, in the order of their documents; others count as used."""
        with self._cache.read() as connection:
            absent = vectors.missing(connection, self._model, _digests(contents))
        present = [digest for digest in _digests(contents) if digest not in absent]
        if present:
            # Now, so that they do not leave the cache before they are written.
            with self._cache.write() as connection:
                vectors.touch(connection, self._model, present, now=self._clock())
        found: list[Missing] = []
        for entry in contents:
            for chunk in entry.chunks:
                if chunk.digest in absent:
                    absent.remove(chunk.digest)
                    text = chunk.embedded_text
                    found.append(Missing(chunk.digest, text, size_of(text), entry))
        return found

    def _embed_window(self, window: Sequence[Missing], contents: Sequence[Prepared]) -> None:
        self.begun = time.monotonic()
        embedder = self._opened()
        started, tokens = time.monotonic(), embedder.tokens
        try:
            rows = embedder.embed([missing.text for missing in window])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - one text may be poison: only its documents fail
            if len(window) > 1:
                for single in window:
                    self._embed_window([single], contents)
                return
            self._blame(embedder, window[0].digest, error, contents)
            return
        took_s = time.monotonic() - started
        self._pace.learn(sum(missing.size for missing in window), took_s)
        self._totals.embed_s.observe(took_s)
        self._totals.tokens += embedder.tokens - tokens
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

    def _keep(self, window: Sequence[Missing], rows: Vectors) -> None:
        rows = rows.astype("<f4", copy=False)
        with self._cache.write() as connection:
            vectors.put(
                connection,
                self._model,
                [(one.digest, row.tobytes()) for one, row in zip(window, rows, strict=True)],
                now=self._clock(),
            )
        self._totals.chunks["embedded"] += len(window)
        for missing in window:
            missing.first.embedded += 1
        failpoint.reached("embed.window")


def _digests(contents: Sequence[Prepared]) -> Iterator[bytes]:
    return (chunk.digest for entry in contents for chunk in entry.chunks)


def _needs(entry: Prepared, digests: set[bytes]) -> bool:
    return any(chunk.digest in digests for chunk in entry.chunks)
