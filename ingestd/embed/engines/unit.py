"""Scaling embeddings to length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ingestd.ports import Vectors


def scale_rows(rows: Vectors) -> None:
    """Scale each row to length 1, in place.

    Args:
        rows: shape (texts, dimension). A row of zeros, which has no direction, becomes the first
            axis: cosine distance is undefined on zeros, and vector stores accept them silently.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows[lengths[:, 0] == 0, 0] = 1.0
    rows /= np.where(lengths == 0, 1.0, lengths)
