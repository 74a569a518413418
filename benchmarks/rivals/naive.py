"""The loop of every tutorial: read, cut, embed and upsert each file, each time."""

from __future__ import annotations

import chromadb

from benchmarks.rivals.arguments import Arguments, read_arguments
from benchmarks.rivals.rows import of_chroma, write
from benchmarks.rivals.stub import Stub

NAME = "naive"
SIZE, OVERLAP = 500, 200


def index(arguments: Arguments) -> None:
    """Put every file in; whatever was there before stays."""
    encoder = Stub()
    client = chromadb.PersistentClient(str(arguments.state / "chroma"))
    collection = client.get_or_create_collection(NAME, embedding_function=None)
    for file in sorted(arguments.docs.rglob("*.md")):
        texts = window(file.read_text(encoding="utf-8"), SIZE, OVERLAP)
        collection.upsert(
            ids=[f"{file}#{number}" for number in range(len(texts))],
            documents=texts,
            embeddings=encoder.encode(texts),
            metadatas=[{"source": str(file)} for _ in texts],
        )


def window(text: str, size: int, overlap: int) -> list[str]:
    """Cut windows of ``size`` characters that share ``overlap``; an empty text gives one."""
    return [text[at : at + size] for at in range(0, max(1, len(text) - overlap), size - overlap)]


def main() -> None:
    """Do what the command line asks for."""
    arguments = read_arguments()
    if arguments.action == "index":
        index(arguments)
    else:
        write(of_chroma(arguments.state / "chroma", NAME, arguments.docs, path_key="source"))


if __name__ == "__main__":
    main()
