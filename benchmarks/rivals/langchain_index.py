"""LangChain's indexing API over Chroma, with its defaults; runs in an environment of its own."""

# Checked where LangChain is not installed, hence without its types.
# mypy: disable-error-code="import-not-found, misc"
from __future__ import annotations

from typing import Any

from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager, index
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.rivals.arguments import Arguments, act
from benchmarks.rivals.model import encoder
from benchmarks.rivals.plain import PATH_KEY, readers

NAME = "langchain"
SIZE, OVERLAP = 500, 200


class ModelEmbeddings(Embeddings):
    """The model, as LangChain calls one."""

    def __init__(self) -> None:
        self._model = encoder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts."""
        vectors: list[list[float]] = self._model.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a query."""
        return self.embed_documents([text])[0]


def index_folder(arguments: Arguments) -> None:
    """Index the folder with the given ``cleanup``."""
    arguments.state.mkdir(parents=True, exist_ok=True)
    records = SQLRecordManager(NAME, db_url=f"sqlite:///{arguments.state}/records.db")
    records.create_schema()
    store = Chroma(
        collection_name=NAME,
        embedding_function=ModelEmbeddings(),
        persist_directory=str(arguments.state / "chroma"),
    )
    loader = DirectoryLoader(
        str(arguments.docs),
        glob="**/*.md",
        loader_cls=TextLoader,
        loader_kwargs={"encoding": "utf-8"},
    )
    splitter = RecursiveCharacterTextSplitter(chunk_size=SIZE, chunk_overlap=OVERLAP)
    documents: Any = splitter.split_documents(sorted(loader.load(), key=_source))
    cleanup: Any = arguments.variant or "full"
    index(
        documents,
        records,
        store,
        cleanup=cleanup,
        source_id_key=PATH_KEY,
        key_encoder="sha256",
    )


def _source(document: Any) -> str:
    return str(document.metadata[PATH_KEY])


if __name__ == "__main__":
    act({"index": index_folder, **readers(NAME)})
