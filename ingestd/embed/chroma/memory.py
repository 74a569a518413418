"""The in-memory twin of a Chroma collection, exact and ordered; for tests and dry runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.ports import Hit, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.ports import Metadata, Vectors


class MemoryCollection:
    """A collection in a dict. Like Chroma, it merges metadata: a key that is left out survives."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._slots: dict[str, Record] = {}

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots whole."""
        for slot, vector, text, metadata in zip(ids, embeddings, texts, metadatas, strict=True):
            old = self._slots.get(slot)
            merged = _merge(old.metadata if old else {}, metadata)
            self._slots[slot] = Record(slot, text, merged, vector.tolist())

    def relabel(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Write the metadata of slots that are there."""
        for slot, metadata in zip(ids, metadatas, strict=True):
            old = self._slots.get(slot)
            if old is not None:
                merged = _merge(old.metadata, metadata)
                self._slots[slot] = Record(slot, old.text, merged, old.embedding)

    def refill(self, ids: Sequence[str], embeddings: Vectors) -> None:
        """Write embeddings only."""
        for slot, vector in zip(ids, embeddings, strict=True):
            old = self._slots.get(slot) or Record(slot, "", {})
            self._slots[slot] = Record(slot, old.text, old.metadata, vector.tolist())

    def delete(self, ids: Sequence[str]) -> None:
        """Delete slots; absent ones are ignored."""
        for slot in ids:
            self._slots.pop(slot, None)

    def count(self) -> int:
        """How many slots are there."""
        return len(self._slots)

    def get(
        self, ids: Sequence[str], *, embeddings: bool = False, texts: bool = True
    ) -> list[Record]:
        """These slots, as far as they are there."""
        found = (self._slots[slot] for slot in ids if slot in self._slots)
        return [
            Record(r.id, r.text if texts else "", r.metadata, r.embedding if embeddings else ())
            for r in found
        ]

    def page(self, offset: int, limit: int, *, embeddings: bool = False) -> list[Record]:
        """Slots in order of their first writing."""
        found = list(self._slots.values())[offset : offset + limit]
        if embeddings:
            return found
        return [Record(record.id, record.text, record.metadata) for record in found]

    def query(self, embedding: Vectors, limit: int) -> list[Hit]:
        """The nearest slots by cosine distance, exactly."""
        import numpy as np  # noqa: PLC0415 - slow to import

        hits = []
        for record in self._slots.values():
            vector = np.asarray(record.embedding, dtype=np.float32)
            scale = float(np.linalg.norm(vector) * np.linalg.norm(embedding)) or 1.0
            distance = 1.0 - float(vector @ embedding) / scale
            hits.append(Hit(record.id, distance, record.text, record.metadata))
        return sorted(hits, key=lambda hit: (hit.distance, hit.id))[:limit]


def _merge(old: Metadata, new: Metadata) -> Metadata:
    return {key: value for key, value in {**old, **new}.items() if value is not None}
