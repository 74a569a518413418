"""CocoIndex into LanceDB, wired as its documentation shows; runs in an environment of its own.

CocoIndex has no Chroma target. Its own embedder for sentence-transformers is used, whose calls it
memoizes; where no real model is named, the stub is inside.
"""

# Checked where CocoIndex is not installed, hence without its types.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator, has-type"
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath  # noqa: TC003 - CocoIndex reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import cocoindex as coco
import lancedb as lance
from cocoindex.connectors import lancedb, localfs
from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.chunk import Chunk  # noqa: TC002 - the same
from cocoindex.resources.file import FileLike, PatternFilePathMatcher
from cocoindex.resources.id import IdGenerator
from numpy.typing import NDArray  # noqa: TC002 - the same

from benchmarks.rivals import model, seen
from benchmarks.rivals.arguments import Arguments, act
from benchmarks.rivals.rows import FIRST, questions, relative, row, sampled, write
from benchmarks.rivals.stub import DIMENSION, Stub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TABLE = "documents"
SIZE, OVERLAP = 500, 200
DATABASE = coco.ContextKey[lancedb.LanceAsyncConnection]("database")
EMBEDDER = coco.ContextKey[SentenceTransformerEmbedder]("embedder")
MOST = 10_000
"""Chunks of a file."""
LANCE_FOLDER = "BENCHMARK_LANCE"


class StubModel:
    """The stub, as sentence-transformers' model is called."""

    def __init__(self) -> None:
        self._stub = Stub()

    def encode(self, texts: list[str], **_options: Any) -> Any:
        """Embed texts."""
        return self._stub.encode(texts)

    def get_sentence_embedding_dimension(self) -> int:
        """Length of an embedding."""
        return DIMENSION


class StubEmbedder(SentenceTransformerEmbedder):
    """CocoIndex's embedder around the stub."""

    def _get_model(self) -> Any:
        if self._model is None:
            self._model = StubModel()
        return self._model


def _embedder(folder: str) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(folder) if folder else StubEmbedder("stub")


@dataclass
class Stored:
    """A row of the table."""

    id: int
    path: str
    start: int
    end: int
    text: str
    embedding: Annotated[NDArray[Any], EMBEDDER]


@coco.lifespan
async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
    """Provide the database and the embedder."""
    connection = await lancedb.connect_async(os.environ[LANCE_FOLDER])
    builder.provide(DATABASE, connection)
    builder.provide(EMBEDDER, _embedder(model.folder()))
    yield


@coco.fn
async def store_chunk(
    chunk: Chunk, path: PurePath, ids: IdGenerator, table: lancedb.TableTarget[Stored]
) -> None:
    """Declare the row of a chunk."""
    embedding = await coco.use_context(EMBEDDER).embed(chunk.text)
    number = await ids.next_id(chunk.text)
    start, end = chunk.start.char_offset, chunk.end.char_offset
    table.declare_row(row=Stored(number, str(path), start, end, chunk.text, embedding))


@coco.fn(memo=True)
async def store_file(file: FileLike, table: lancedb.TableTarget[Stored]) -> None:
    """Cut a file, and declare its chunks."""
    text = await file.read_text()
    splitter = RecursiveSplitter()
    chunks = splitter.split(text, chunk_size=SIZE, chunk_overlap=OVERLAP, language="markdown")
    await coco.map(store_chunk, chunks, file.file_path.path, IdGenerator(), table)


@coco.fn
async def flow(folder: Path, live: bool) -> None:  # noqa: FBT001 - CocoIndex calls it
    """Keep a table in line with the Markdown files of a folder."""
    schema = await lancedb.TableSchema.from_class(Stored, primary_key=["id"])
    target = await lancedb.mount_table_target(DATABASE, table_name=TABLE, table_schema=schema)
    matcher = PatternFilePathMatcher(included_patterns=["**/*.md"])
    files = localfs.walk_dir(folder, recursive=True, path_matcher=matcher, live=live)
    await coco.mount_each(store_file, files.items(), target)


def index(arguments: Arguments) -> None:
    """Bring the table in line with the folder."""
    _update(arguments, live=False)


def watch(arguments: Arguments) -> None:
    """Follow the folder until this process is ended."""
    _update(arguments, live=True)


def _update(arguments: Arguments, *, live: bool) -> None:
    arguments.state.mkdir(parents=True, exist_ok=True)
    os.environ["COCOINDEX_DB"] = str(arguments.state / "cocoindex.db")
    os.environ[LANCE_FOLDER] = str(arguments.state / "lance")
    app = coco.App(coco.AppConfig(name="benchmark"), flow, folder=arguments.docs, live=live)
    app.update_blocking(live=live)


def stored(arguments: Arguments) -> Iterator[dict[str, Any]]:
    """The table."""
    database = lance.connect(str(arguments.state / "lance"))
    try:
        table = database.open_table(TABLE)
    except ValueError:  # there is none
        return
    yield from table.to_arrow().to_pylist()


def as_rows(arguments: Arguments) -> Iterator[dict[str, str]]:
    """The rows of the table."""
    for each in stored(arguments):
        rest = {"start": each["start"], "end": each["end"]}
        path = relative(each["path"], arguments.docs)
        yield row(path, each["text"], each["embedding"], rest)


def rows(arguments: Arguments) -> None:
    """Print the store."""
    write(as_rows(arguments))


def vectors(arguments: Arguments) -> None:
    """Print a sample of texts with their vectors."""
    write(sampled((each["text"], each["embedding"]) for each in stored(arguments)))


def search(arguments: Arguments) -> None:
    """Answer questions."""
    table = lance.connect(str(arguments.state / "lance")).open_table(TABLE)
    asked = questions()
    for question, vector in zip(asked, model.encoder().encode(asked), strict=True):
        nearest = table.search(vector).limit(FIRST).to_list()
        paths = [relative(each["path"], arguments.docs) for each in nearest]
        write([{"question": question, "paths": paths}])


def wait(arguments: Arguments) -> None:
    """Wait for texts, in another process than the one that writes."""
    table = lance.connect(str(arguments.state / "lance")).open_table(TABLE)

    def texts(path: str) -> list[str]:
        table.checkout_latest()
        names = [str(name).replace("'", "''") for name in (path, arguments.docs / path)]
        found = table.search().where(f"path IN ('{names[0]}', '{names[1]}')").limit(MOST)
        return [each["text"] for each in found.to_list()]

    seen.answer(texts)


if __name__ == "__main__":
    actions = {"index": index, "rows": rows, "search": search, "vectors": vectors}
    act({**actions, "watch": watch, "seen": wait})
