"""The metadata contract: what every chunk in a collection tells about itself.

RAG applications build on these keys; they change only with a major version, and
``docs/rag-apps.md`` describes them. Chroma merges metadata, so an upsert sends every key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ingestd.paths import text_of

from .language import language

if TYPE_CHECKING:
    from ingestd.ports import Chunk, Metadata, Source

    from .prepared import Prepared

KEYS = (
    "source",
    "source_name",
    "path",
    "title",
    "headings",
    "page",
    "start",
    "end",
    "ordinal",
    "mime",
    "lang",
    "document_id",
    "chunk_digest",
    "content_digest",
    "modified_at",
    "indexed_at",
    "pipeline",
)
"""Every key of the contract."""


def labels(source: Source, path: bytes, mtime_ns: int) -> dict[str, str | float]:
    """What a rename or a touch changes, and nothing else does."""
    return {
        "source": text_of(os.path.join(source.root, path)),
        "source_name": source.name,
        "path": text_of(path),
        "modified_at": mtime_ns / 1e9,
    }


def of_chunk(prepared: Prepared, chunk: Chunk, *, pipeline: str, now: float) -> Metadata:
    """The whole metadata of a chunk.

    Args:
        prepared: its document, as read.
        chunk: the chunk.
        pipeline: version of the pipeline that made it.
        now: Unix seconds.
    """
    return {
        **labels(prepared.source, prepared.document.path, prepared.fingerprint.mtime_ns),
        "title": prepared.title,
        "headings": " > ".join(chunk.headings),
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "ordinal": chunk.ordinal,
        "mime": prepared.mime,
        "lang": language(chunk.text),
        "document_id": prepared.document.id,
        "chunk_digest": chunk.digest.hex(),
        "content_digest": prepared.digest.hex(),
        "indexed_at": now,
        "pipeline": pipeline,
    }
