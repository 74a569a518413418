"""A Chroma collection behind the `Collection` port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestd.errors import StoreError
from ingestd.ports import Hit, Record

from .calls import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Metadata, Vectors

    from .calls import Caller

BATCH = 250
"""Slots a request: large ones block the server's readers, small ones waste round trips."""
BATCH_CHARACTERS = 4_000_000
"""Text of a request: the server takes 40 MiB, and a character is at most 6 bytes in JSON."""


class ChromaCollection:
    """One collection; its handle is fetched again when Chroma no longer knows it.

    Args:
        name: the collection's name.
        fetch: gets a handle; raises Chroma's ``NotFoundError`` when the collection is not there.
        call: makes the calls.

    Raises:
        StoreError: it cannot be fetched.
    """

    def __init__(self, name: str, fetch: Callable[[], Any], call: Caller) -> None:
        self.name = name
        self._fetch = fetch
        self._call = call
        self._handle: Any = call("get_collection", fetch)

    @property
    def index(self) -> dict[str, Any]:
        """Chroma's parameters of the index, such as its distance."""
        found = self._handle.configuration_json.get("hnsw") or {}
        return {key: value for key, value in found.items() if value is not None}

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots whole, in batches; each batch is atomic."""
        for part in _parts([len(text) for text in texts]):
            arguments = {
                "ids": list(ids[part]),
                "embeddings": embeddings[part],
                "documents": list(texts[part]),
                "metadatas": [_given(metadata) for metadata in metadatas[part]],
            }
            self._run("upsert", arguments)

    def relabel(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Write metadata only: the index is not touched."""
        for part in _parts([0] * len(ids)):
            values = [_given(metadata) for metadata in metadatas[part]]
            self._run("update", {"ids": list(ids[part]), "metadatas": values})

    def refill(self, ids: Sequence[str], embeddings: Vectors) -> None:
        """Write embeddings only: text and metadata stay, and are not indexed again."""
        for part in _parts([0] * len(ids)):
            self._run("upsert", {"ids": list(ids[part]), "embeddings": embeddings[part]})

    def delete(self, ids: Sequence[str]) -> None:
        """Delete slots; absent ones are ignored."""
        for part in _parts([0] * len(ids)):
            self._run("delete", {"ids": list(ids[part])})

    def count(self) -> int:
        """How many slots are there."""
        return int(self._run("count", {}))

    def get(
        self, ids: Sequence[str], *, embeddings: bool = False, texts: bool = True
    ) -> list[Record]:
        """These slots, as far as they are there."""
        wanted = {"documents": texts, "metadatas": True, "embeddings": embeddings}
        include = [name for name, asked in wanted.items() if asked]
        found: list[Record] = []
        for part in _parts([0] * len(ids)):
            found += _records(self._run("get", {"ids": list(ids[part]), "include": include}))
        return found

    def page(self, offset: int, limit: int, *, embeddings: bool = False) -> list[Record]:
        """Slots by place."""
        include = ["documents", "metadatas", *(["embeddings"] if embeddings else [])]
        return _records(self._run("get", {"limit": limit, "offset": offset, "include": include}))

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
            Hit(slot, float(distance), text or "", metadata or {})
            for slot, distance, text, metadata in rows
            if text is not None or metadata is not None
        ]

    def _run(self, method: str, arguments: dict[str, Any]) -> Any:
        """Call a method of the handle; fetch the handle anew if Chroma no longer knows it."""

        def call() -> Any:
            return getattr(self._handle, method)(**arguments)

        try:
            return self._call(method, call)
        except RefusedError as error:
            if not is_missing(error):
                raise
        self._refetch()
        return self._call(method, call)

    def _refetch(self) -> None:
        """Get a new handle: the collection may have been made anew under its name."""
        try:
            self._handle = self._call("get_collection", self._fetch)
        except RefusedError as error:
            if not is_missing(error):
                raise
            # Not a refusal: no document is to blame, and all of them must wait.
            raise StoreError(
                f"the collection {self.name!r} is gone: somebody deleted it",
                hint="Start ingestd again to make it anew, then `ingestd reindex --all`.",
            ) from error


def _records(got: Any) -> list[Record]:
    """What Chroma gives, as records; without texts or embeddings that were not asked for."""
    texts, vectors = got["documents"], got["embeddings"]
    return [
        Record(
            slot,
            (texts[place] if texts else None) or "",
            metadata or {},
            () if vectors is None else vectors[place],
        )
        for place, (slot, metadata) in enumerate(zip(got["ids"], got["metadatas"], strict=True))
    ]


def is_missing(error: RefusedError) -> bool:
    """Whether the refusal says that there is no such collection."""
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - slow to import

    return isinstance(error.__cause__, NotFoundError)


def _given(metadata: Metadata) -> dict[str, Any] | None:
    """Metadata as Chroma takes it: it refuses an empty one."""
    return dict(metadata) or None


def _parts(lengths: Sequence[int]) -> Iterator[slice]:
    """Cut into requests, by number of slots and by characters of text."""
    start, held = 0, 0
    for place, length in enumerate(lengths):
        if place > start and (place - start == BATCH or held + length > BATCH_CHARACTERS):
            yield slice(start, place)
            start, held = place, 0
        held += length
    if start < len(lengths):
        yield slice(start, len(lengths))
