"""Stands in for the model: counts the texts that reach it, and dies on command.

The count is appended to the file that ``BENCHMARK_COUNTER`` names, so that it outlives a kill.
``BENCHMARK_KILL_AFTER=N`` has the process killed (SIGKILL) as the Nth text arrives: what arrives
with it was embedded for nothing, unless the system kept it elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COUNTER = "BENCHMARK_COUNTER"
KILL_AFTER = "BENCHMARK_KILL_AFTER"
DIMENSION = 384


class Meter:
    """Counts texts on their way into the model."""

    def __init__(self) -> None:
        self._file = Path(os.environ[COUNTER])
        self._limit = int(os.environ.get(KILL_AFTER, "0"))
        self._seen = 0

    def count(self, texts: Sequence[str]) -> None:
        """Take note of a batch; where the limit is reached, this does not return."""
        with self._file.open("a", encoding="ascii") as file:
            file.write(f"{len(texts)}\n")
        self._seen += len(texts)
        if self._limit and self._seen >= self._limit:
            os.kill(os.getpid(), signal.SIGKILL)


class Stub:
    """An encoder whose vectors depend on the text alone."""

    def __init__(self) -> None:
        self._meter = Meter()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: shape (len(texts), DIMENSION), float32, rows of length 1."""
        self._meter.count(texts)
        return np.stack([_vector(text) for text in texts])


def _vector(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).standard_normal(DIMENSION)
    return (values / np.linalg.norm(values)).astype(np.float32)
