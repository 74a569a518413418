"""The loop of every tutorial: read, cut, embed and upsert each file, each time."""

from __future__ import annotations

import chromadb

from benchmarks.rivals.arguments import Arguments, act
from benchmarks.rivals.model import encoder
from benchmarks.rivals.plain import PATH_KEY, readers

NAME = "naive"
SIZE, OVERLAP = 500, 200


def index(arguments: Arguments) -> None:
    """Put every file in; whatever was there before stays."""
    model = encoder()
    client = chromadb.PersistentClient(str(arguments.state / "chroma"))
    collection = client.get_or_create_collection(NAME, embedding_function=None)
    for file in sorted(arguments.docs.rglob("*.md")):
        texts = window(file.read_text(encoding="utf-8"), SIZE, OVERLAP)
        collection.upsert(
            ids=[f"{file}#{number}" for number in range(len(texts))],
            documents=texts,
            embeddings=model.encode(texts),
            metadatas=[{PATH_KEY: str(file)} for _ in texts],
        )


def window(text: str, size: int, overlap: int) -> list[str]:
    """Cut windows of ``size`` characters that share ``overlap``; an empty text gives one."""
    return [text[at : at + size] for at in range(0, max(1, len(text) - overlap), size - overlap)]


if __name__ == "__main__":
    act({"index": index, **readers(NAME)})
