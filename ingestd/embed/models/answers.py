"""What a model makes of known texts: the check that it is the same model, and works."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingestd.ports import Embedder, Vectors

DOCUMENTS = (
    "The daemon reads a file again when it has changed, and embeds only the chunks that differ.",
    "파일이 바뀌면 문서를 다시 읽고, 달라진 조각만 새로 임베딩합니다.",
)
QUERIES = ("When is a file read again?", "파일은 언제 다시 읽나요?")
LEAST_COSINE = 0.999
"""Engines agree to 0.9999; what is written down is rounded."""
_STEPS = 127


def of(embedder: Embedder) -> dict[str, list[str]]:
    """The embeddings of the known texts, each rounded to a byte a value, in base64."""
    documents = embedder.embed(DOCUMENTS)
    queries = [embedder.embed_query(text) for text in QUERIES]
    return {
        "documents": [_text(row) for row in documents],
        "queries": [_text(row) for row in queries],
    }


def least_cosine(embedder: Embedder, answers: Mapping[str, Sequence[str]]) -> float:
    """How near a model comes to recorded answers; 0 where they are of another shape."""
    mine = {
        "documents": list(embedder.embed(DOCUMENTS)),
        "queries": [embedder.embed_query(text) for text in QUERIES],
    }
    try:
        pairs = [
            (row, _row(text))
            for kind, rows in mine.items()
            for row, text in zip(rows, answers[kind], strict=True)
        ]
        return min(float(row @ other) for row, other in pairs)
    except (KeyError, ValueError, TypeError, binascii.Error):
        return 0.0


def _text(row: Vectors) -> str:
    steps = np.rint(row * (_STEPS / np.abs(row).max())).astype(np.int8)
    return base64.b64encode(steps.tobytes()).decode("ascii")


def _row(text: str) -> Vectors:
    row = np.frombuffer(base64.b64decode(text, validate=True), np.int8).astype(np.float32)
    scaled: Vectors = row / np.linalg.norm(row)
    return scaled
