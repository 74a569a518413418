"""The chunks that answer a question, from one collection, and as JSON tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ports import Collection, Hit, Vectors


def nearest(collection: Collection, vector: Vectors, number: int, source: str | None) -> list[Hit]:
    """The nearest chunks; where one source is asked for, more are fetched until enough are its."""
    if source is None:
        return collection.query(vector, number)
    limit, total = 4 * number, collection.count()
    while True:
        hits = collection.query(vector, max(1, min(limit, total)))
        ours = [hit for hit in hits if hit.metadata.get("source_name") == source]
        if len(ours) >= number or limit >= total:
            return ours[:number]
        limit *= 4


def as_json(rank: int, hit: Hit) -> dict[str, Any]:
    """A hit as ``ingestd query --json`` tells it."""
    return {
        "type": "hit",
        "rank": rank,
        "score": round(1 - hit.distance, 6),
        "id": hit.id,
        "text": hit.text,
        "metadata": dict(hit.metadata),
    }
