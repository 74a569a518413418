"""What the state table learns of a document that is written."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ingestd_state import work
from ingestd_state.status import DocumentStatus

from .prepared import NOWHERE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .prepared import Prepared


def finish(connection: Connection, prepared: Prepared, *, pipeline: str, now: float) -> None:
    """Record that what was read is what is in the collection.

    Args:
        connection: a write transaction, in which all of its slots become live or are so.
        prepared: the document, as read.
        pipeline: version of the pipeline that made it.
        now: Unix seconds.
    """
    work.finish(
        connection,
        prepared.document.id,
        DocumentStatus.INDEXED,
        learned={
            **fingerprint_columns(prepared),
            "digest": prepared.digest,
            "pipeline": pipeline,
            "mime": prepared.mime,
            "chunk_count": prepared.chunk_total,
            "indexed_at": now,
        },
        recheck_at=prepared.recheck_at,
    )


def fingerprint_columns(prepared: Prepared) -> dict[str, int]:
    """The fingerprint as the state table takes it; nothing for a file that could not be opened."""
    return {} if prepared.fingerprint == NOWHERE else asdict(prepared.fingerprint)
