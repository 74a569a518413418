"""The model that every system embeds with: the stub, or a real one as its users have it.

``BENCHMARK_MODEL`` names the folder of a real one; sentence-transformers then loads it, and is
called with its defaults, as the systems' own documentation does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

MODEL = "BENCHMARK_MODEL"


class Encoder(Protocol):
    """What embeds."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: shape (len(texts), dimension), float32."""


class Real:
    """A model that sentence-transformers loads, with its defaults."""

    def __init__(self, folder: str) -> None:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - slow to import

        self._model = SentenceTransformer(folder, device="cpu")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: shape (len(texts), dimension), float32."""
        found: NDArray[np.float32] = self._model.encode(list(texts))
        return found


def folder() -> str:
    """The folder of the real model; empty: the stub stands in."""
    return os.environ.get(MODEL, "")


def encoder() -> Encoder:
    """The model in use."""
    if folder():
        return Real(folder())
    from benchmarks.rivals.stub import Stub  # noqa: PLC0415 - what it loads is no part of a run

    return Stub()
