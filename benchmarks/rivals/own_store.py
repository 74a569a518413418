"""What is in ingestd's store, and ingestd in this process with a model that is counted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from unittest.mock import patch

import chromadb

from benchmarks.own_cut import embedded_texts
from benchmarks.rivals import seen
from benchmarks.rivals.rows import answers_of_chroma, of_chroma, sampled, stored_in_chroma, write
from benchmarks.rivals.stub import Meter
from ingestd.cli import main as cli
from ingestd.config import Settings
from ingestd.embed.engines.hashing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rivals.arguments import Arguments
    from ingestd.ports import Vectors

NAME = "ingestd"
VOLATILE = ("indexed_at", "document_id", "source")
"""A moved document keeps its id; the absolute path says the same as the relative one."""


class Counted(HashEmbedder):
    """The hash model, with a meter at its door."""

    def __init__(self, dimension: int = 384) -> None:
        super().__init__(dimension)
        self._meter = Meter()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed, and count."""
        self._meter.count(texts)
        return super().embed(texts)


def index_counted(words: Sequence[str]) -> None:
    """Run a command of ingestd in this process, with the counted model for the hash model."""
    sys.argv = ["ingestd", *words]
    with patch("ingestd.embed.engines.hashing.HashEmbedder", Counted):
        cli()


def rows(arguments: Arguments) -> None:
    """Print the store."""
    found = of_chroma(
        arguments.state / "chroma",
        NAME,
        arguments.docs,
        path_key="path",
        volatile=VOLATILE,
        vectors=not arguments.variant,
    )
    write(found)


def search(arguments: Arguments) -> None:
    """Answer questions."""
    write(answers_of_chroma(arguments.state / "chroma", NAME, arguments.docs, path_key="path"))


def vectors(arguments: Arguments) -> None:
    """Print a sample of texts, with what is put before each as it is embedded, and vectors."""
    texts = embedded_texts(arguments.docs, Settings())
    stored = stored_in_chroma(arguments.state / "chroma", NAME)
    write(sampled((texts[str(about["chunk_digest"])], vector) for _, about, vector in stored))


def wait(arguments: Arguments) -> None:
    """Wait for texts, over HTTP, in the managed server whose port the variant is."""
    client = chromadb.HttpClient(host="127.0.0.1", port=int(arguments.variant))
    collection = client.get_collection(NAME, embedding_function=None)

    def texts(path: str) -> list[str]:
        found = collection.get(where={"path": path}, include=["documents"])["documents"]
        return list(found or ())

    seen.answer(texts)
