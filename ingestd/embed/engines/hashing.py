"""The test model: texts that share words get near embeddings, at the speed of hashing.

Feature hashing: each word adds +1 or -1 to two places that its hash picks. It needs no files, is
equal on every machine, and lets tests and load runs go through everything but the model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from ingestd.embed.engines.unit import scale_rows
from ingestd.embed.tokenize import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ingestd.ports import Vectors

_WORD = re.compile(r"\w+")


class HashEmbedder:
    """Embeds by hashed words.

    Args:
        dimension: length of an embedding.

    Attributes:
        tokens: that were embedded as documents so far; here, words.
    """

    def __init__(self, dimension: int = 384) -> None:
        self.tokens = 0
        self._dimension = dimension

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: shape (len(texts), dimension), float32, rows of length 1."""
        rows = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            self.tokens += self._add(row, text)
        scale_rows(rows)
        return rows

    def embed_query(self, text: str) -> Vectors:
        """Embed one query: shape (dimension,)."""
        rows = np.zeros((1, self._dimension), dtype=np.float32)
        self._add(rows[0], text)
        scale_rows(rows)
        row: Vectors = rows[0]
        return row

    def close(self) -> None:
        """Nothing is held."""

    def _add(self, row: Vectors, text: str) -> int:
        """Add the words of a text; returns how many hashes that were."""
        hashes = _hashes(text)
        half = hashes >> np.uint32(16)
        for places in (hashes, half * np.uint32(2654435761)):
            signs = np.where(places & np.uint32(1), 1.0, -1.0)
            row += np.bincount(
                (places >> np.uint32(1)) % self._dimension, weights=signs, minlength=len(row)
            )
        return len(hashes)


def _hashes(text: str) -> NDArray[np.uint32]:
    words = _WORD.findall(clean_text(text).lower())
    if not text.isascii():
        # Also by their first letters: endings change, as Korean particles do.
        words += [word[:2] for word in words if not word.isascii()]
    return np.fromiter((crc32(word.encode()) for word in words), dtype=np.uint32)
