"""A Chroma collection behind the `Collection` port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestd.ports import Hit, Record

from .calls import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Metadata, Vectors

    from .calls import Caller

BATCH = 250
"""Slots a request: large ones block the server's readers, small ones waste round trips."""


class ChromaCollection:
    """One collection; its handle is fetched again when Chroma no longer knows it."""

    def __init__(self, name: str, fetch: Callable[[], Any], call: Caller) -> None:
        self.name = name
        self._fetch = fetch
        self._call = call
        self._handle: Any = fetch()

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots whole, in batches; each batch is atomic."""
        for part in _parts(len(ids)):
            arguments = {
                "ids": list(ids[part]),
                "embeddings": embeddings[part],
                "documents": list(texts[part]),
                "metadatas": [dict(metadata) for metadata in metadatas[part]],
            }
            self._run("upsert", arguments)

    def relabel(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Write metadata only: the index is not touched."""
        for part in _parts(len(ids)):
            values = [dict(metadata) for metadata in metadatas[part]]
            self._run("update", {"ids": list(ids[part]), "metadatas": values})

    def delete(self, ids: Sequence[str]) -> None:
        """Delete slots; absent ones are ignored."""
        for part in _parts(len(ids)):
            self._run("delete", {"ids": list(ids[part])})

    def count(self) -> int:
        """How many slots are there."""
        return int(self._run("count", {}))

    def page(self, offset: int, limit: int, *, embeddings: bool = False) -> list[Record]:
        """Slots by place."""
        include = ["documents", "metadatas", *(["embeddings"] if embeddings else [])]
        got = self._run("get", {"limit": limit, "offset": offset, "include": include})
        vectors = got["embeddings"] if embeddings else [()] * len(got["ids"])
        return [
            Record(slot, text or "", metadata or {}, vector)
            for slot, text, metadata, vector in zip(
                got["ids"], got["documents"], got["metadatas"], vectors, strict=True
            )
        ]

    def query(self, embedding: Vectors, limit: int) -> list[Hit]:
        """The nearest slots; one that is being deleted at the moment is left out."""
        got = self._run(
            "query",
            {
                "query_embeddings": [embedding],
                "n_results": limit,
                "include": ["documents", "metadatas", "distances"],
            },
        )
        rows = zip(
            got["ids"][0],
            got["distances"][0],
            got["documents"][0],
            got["metadatas"][0],
            strict=True,
        )
        return [
            Hit(slot, float(distance), text or "", metadata)
            for slot, distance, text, metadata in rows
            if metadata is not None
        ]

    def _run(self, method: str, arguments: dict[str, Any]) -> Any:
        """Call a method of the handle; fetch the handle anew if Chroma no longer knows it."""

        def call() -> Any:
            return getattr(self._handle, method)(**arguments)

        try:
            return self._call(method, call)
        except RefusedError as error:
            if not _is_stale(error):
                raise
        # The collection was made anew under its name: the old handle points to nothing.
        self._handle = self._call("get_collection", self._fetch)
        return self._call(method, call)


def _parts(length: int) -> Iterator[slice]:
    return (slice(start, start + BATCH) for start in range(0, length, BATCH))


def _is_stale(error: RefusedError) -> bool:
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - slow to import

    return isinstance(error.__cause__, NotFoundError)
