"""Compares stored vectors with those of the reference: sentence-transformers in fp32.

Reads lines of ``{"text": ..., "vector": [...]}`` from standard input, with the text as it was
embedded, and prints one object: ``least_cosine``, ``mean_cosine``, ``compared``, and
``flops_a_text``, what the forward pass over one of them costs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import peak
from benchmarks.rivals import model
from ingestd.embed.model import locate
from ingestd.embed.tokenize import InputTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DIGITS = 6


def cosines(stored: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine of each row to the row beside it; both of shape (texts, dimension)."""
    left, right = stored.astype(np.float64), expected.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found: NDArray[np.float64] = (left * right).sum(axis=1) / lengths
    return found


def compare(texts: Sequence[str], vectors: NDArray[np.float32], folder: str) -> dict[str, Any]:
    """Embed the texts with the reference, and compare."""
    found = cosines(vectors, model.Real(folder).encode(texts))
    lengths = [len(row) for row in InputTokenizer(locate(folder)).ids(texts)]
    operations = peak.flops(lengths, peak.config_of(Path(folder)))
    return {
        "least_cosine": round(float(found.min()), DIGITS),
        "mean_cosine": round(float(found.mean()), DIGITS),
        "compared": len(texts),
        "flops_a_text": operations / len(texts),
    }


def main() -> None:
    """Read, compare, print."""
    rows = [json.loads(line) for line in sys.stdin]
    vectors = np.array([row["vector"] for row in rows], dtype=np.float32)
    print(json.dumps(compare([row["text"] for row in rows], vectors, model.folder())))


if __name__ == "__main__":
    main()
