"""An embedder that starts at once, and goes over to what a measurement finds best."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ingestd.memory import heap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.embed.engines.measurement import Measurement
    from ingestd.embed.engines.opening import Opened
    from ingestd.ports import Vectors

AFTER = 128
"""Texts after which it pays to measure: whoever embeds few is done sooner than the measurement."""


class SettlingEmbedder:
    """Embeds with one embedder, and after a measurement with another.

    Both make the same embeddings. The change happens between two calls.

    Args:
        inner: what embeds meanwhile.
        measurement: started when enough was embedded.
        settle: called with the inner embedder when it has ended; gives what embeds from now on.
        after: texts before the measurement is started.

    Attributes:
        inner: what embeds now.
        tokens: that went through as documents so far, whoever embedded them.
    """

    def __init__(
        self,
        inner: Opened,
        measurement: Measurement,
        settle: Callable[[Opened], Opened],
        *,
        after: int = AFTER,
    ) -> None:
        self.inner = inner
        self.tokens = 0
        self._measurement = measurement
        self._settle = settle
        self._left = after
        self._settled = False
        self._lock = threading.Lock()
        self._using = 0

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.inner.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: shape (len(texts), dimension), float32, rows of length 1."""
        inner = self._take()
        before = inner.tokens
        try:
            return inner.embed(texts)
        finally:
            self.tokens += inner.tokens - before
            self._give_back(len(texts))

    def embed_query(self, text: str) -> Vectors:
        """Embed one text as a query: shape (dimension,)."""
        inner = self._take()
        try:
            return inner.embed_query(text)
        finally:
            self._give_back(0)

    def close(self) -> None:
        """Break off the measurement, and close the inner one."""
        self._measurement.stop()
        self.inner.close()

    def _take(self) -> Opened:
        with self._lock:
            # Nobody may be in the one that is left: it is closed.
            if not self._settled and not self._using and self._measurement.ended:
                self._settled = True
                self.inner = self._settle(self.inner)
                heap.trim()
            self._using += 1
            return self.inner

    def _give_back(self, texts: int) -> None:
        with self._lock:
            self._using -= 1
            before, self._left = self._left, self._left - texts
            start = self._left <= 0 < before
        if start:
            self._measurement.start()
