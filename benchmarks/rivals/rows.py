"""What a store holds, as rows that can be compared: printed by a process that only reads."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.rivals.model import encoder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Stored = tuple[str, "Mapping[str, Any]", "Sequence[float]"]
"""Text, metadata and vector of a row."""
PAGE = 500
SAMPLE = 200
"""Vectors that are compared with those of the reference."""
FIRST = 5
"""Answers to a question that are looked at."""
DECIMALS = 5
"""Vectors are compared to this many decimals."""


def relative(path: str, root: Path) -> str:
    """A path as the rows give it: below the root, where it is."""
    return path.removeprefix(f"{root}{os.sep}")


def row(path: str, text: str, vector: Iterable[float], rest: Mapping[str, Any]) -> dict[str, str]:
    """One row: path, text, and a digest of the vector and the rest of the metadata."""
    values = [round(float(value), DECIMALS) + 0.0 for value in vector]
    content = json.dumps([dict(rest), values], sort_keys=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"path": path, "text": text, "rest": digest}


def write(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows, one a line."""
    for each in rows:
        sys.stdout.write(json.dumps(each) + "\n")


def of_chroma(
    directory: Path,
    name: str,
    root: Path,
    *,
    path_key: str,
    volatile: Collection[str] = (),
    vectors: bool = True,
) -> Iterator[dict[str, str]]:
    """The rows of a Chroma directory that nobody has open.

    Args:
        directory: the Chroma data.
        name: of the collection; where there is none, there are no rows.
        root: the folder that was indexed.
        path_key: the metadata key that names the file.
        volatile: metadata keys that two equal ingests may differ in.
        vectors: whether the rows tell of the vectors.
    """
    for text, metadata, vector in stored_in_chroma(directory, name):
        path = relative(str(metadata[path_key]), root)
        dropped = {path_key, *volatile}
        rest = {key: value for key, value in metadata.items() if key not in dropped}
        yield row(path, text, vector if vectors else (), rest)


def stored_in_chroma(directory: Path, name: str) -> Iterator[Stored]:
    """Text, metadata and vector of each row of a Chroma directory that nobody has open."""
    import chromadb  # noqa: PLC0415 - one of the rivals comes without it
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - the same

    client = chromadb.PersistentClient(str(directory))
    try:
        collection = client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return
    include: Any = ["documents", "metadatas", "embeddings"]
    offset = 0
    while (page := collection.get(include=include, limit=PAGE, offset=offset))["ids"]:
        offset += len(page["ids"])
        columns: Any = (page["documents"], page["metadatas"], page["embeddings"])
        yield from zip(*columns, strict=True)


def vectors_of_chroma(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    """A sample of texts with their vectors, where the text that is stored is the one embedded."""
    return sampled((text, vector) for text, _, vector in stored_in_chroma(directory, name))


def sampled(stored: Iterable[tuple[str, Iterable[float]]]) -> Iterator[dict[str, Any]]:
    """At most `SAMPLE` texts with their vectors, from all over a store."""
    everything = list(stored)
    step = -(-len(everything) // SAMPLE) or 1
    for text, vector in everything[::step]:
        yield {"text": text, "vector": [float(value) for value in vector]}


def questions() -> list[str]:
    """The questions that standard input holds, as a list in JSON."""
    found: list[str] = json.load(sys.stdin)
    return found


def answers_of_chroma(
    directory: Path, name: str, root: Path, *, path_key: str
) -> Iterator[dict[str, Any]]:
    """The files of the chunks nearest to each question, best first, in a Chroma directory."""
    import chromadb  # noqa: PLC0415 - one of the rivals comes without it

    asked = questions()
    client = chromadb.PersistentClient(str(directory))
    collection = client.get_collection(name, embedding_function=None)
    vectors: Any = encoder().encode(asked)
    found: Any = collection.query(query_embeddings=vectors, n_results=FIRST, include=["metadatas"])
    for question, metadatas in zip(asked, found["metadatas"], strict=True):
        paths = [relative(str(metadata[path_key]), root) for metadata in metadatas]
        yield {"question": question, "paths": paths}
