"""What each stage may hold at once, and that nothing of it stays.

The peaks are those of memray: what was allocated in the test itself, by Python and by native code,
in all threads. Each stage has run before, so that what it loads once is not counted.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingestd.embed.chroma.store import open_embedded
from ingestd.embed.chunk import Chunker
from ingestd.embed.engines import open_embedder
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch
from ingestd.embed.tokenize import open_tokenizer
from ingestd.memory import heap
from ingestd.reconcile import Reconciler
from ingestd.settings.content import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingestd.embed.chroma.collection import ChromaCollection
    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Embedder
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

pytestmark = pytest.mark.model
MIB = 1024**2
WORDS = (
    "daemon",
    "reads",
    "what",
    "changed",
    "keeps",
    "index",
    "vectors",
    "for",
    "those",
    "asking",
)


def prose(size: int, seed: int = 1) -> str:
    """Paragraphs of this many characters, all different."""
    rng = np.random.default_rng(seed)
    lines, length = [], 0
    while length < size:
        line = " ".join(rng.choice(WORDS, 80)) + f" {rng.integers(10**9)}.\n\n"
        lines.append(line)
        length += len(line)
    return "".join(lines)[:size]


def passages(count: int, seed: int) -> list[str]:
    """Texts of very different lengths, as chunks are."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, int(rng.integers(3, 160)))) for _ in range(count)]


class Reading:
    """Cuts a file into chunks, as the extraction child does."""

    def __init__(self, spec: ModelSpec) -> None:
        self._cutter = Cutter(Chunker(open_tokenizer(spec)))

    def read(self, file: Path) -> int:
        """Cut it; returns how many chunks it has."""
        fd = os.open(file, os.O_RDONLY)
        try:
            parts = self._cutter.cut(fd, os.fsencode(file.name), file.stat().st_size)
            return sum(len(part.chunks) for part in parts if isinstance(part, Batch))
        finally:
            os.close(fd)


@pytest.fixture(scope="module")
def reading(spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """A reader that has read each kind of file before."""
    reader = Reading(spec)
    folder = tmp_path_factory.mktemp("warm")
    for name in ("a.txt", "a.md", "a.html", "a.rst"):
        (folder / name).write_text(prose(20_000), "utf-8")
        reader.read(folder / name)
    (folder / "long.txt").write_text(prose(2 * MIB), "utf-8")
    reader.read(folder / "long.txt")
    return reader


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of 5 MiB."""
    file = tmp_path_factory.mktemp("long") / "long.txt"
    file.write_text(prose(5 * MIB), "utf-8")
    return file


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Documents of every text format."""
    folder = tmp_path_factory.mktemp("small")
    files = []
    for number in range(40):
        file = folder / f"{number}.{('txt', 'md', 'html', 'rst')[number % 4]}"
        file.write_text(f"# Title {number}\n\n{prose(6_000, number)}", "utf-8")
        files.append(file)
    return files


@pytest.fixture(scope="module")
def embedder(spec: ModelSpec, export_dir: Path) -> Iterator[Embedder]:
    """The real model, warm."""
    opened = open_embedder(spec, cache_dir=export_dir, threads=2)
    for seed in range(2):
        opened.embed(passages(64, seed))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def collection(
    spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChromaCollection]:
    """A collection in a real Chroma in this process, with 600 slots in it."""
    store = open_embedded(StoreSettings(), tmp_path_factory.mktemp("chroma") / "data")
    opened = store.collection("ingestd", spec, None)
    for seed in range(2):
        upsert(opened, 600, seed)
    yield opened
    store.close()


def upsert(collection: ChromaCollection, slots: int, seed: int) -> None:
    """Write slots whole, 200 at a time, over what they held."""
    rng = np.random.default_rng(seed)
    for start in range(0, slots, 200):
        ids = [hashlib.sha256(str(at).encode()).hexdigest() for at in range(start, start + 200)]
        vectors = rng.normal(size=(200, 384)).astype(np.float32)
        texts = passages(200, seed + start)
        metadatas: list[dict[str, Any]] = [
            {"path": f"{at}.md", "ordinal": at, "chunk_digest": ids[at]} for at in range(200)
        ]
        collection.upsert(ids, vectors, texts, metadatas)


@pytest.fixture
def tree(
    source: Callable[..., WatchedSource], database: Database, tmp_path: Path
) -> tuple[Reconciler, WatchedSource]:
    """A source of 3,000 files in 30 folders, known to the state table."""
    for number in range(3_000):
        folder = tmp_path / "docs" / f"folder-{number % 30}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").touch()
    watched, reconciler = source(), Reconciler(database)
    for _ in range(2):
        reconciler.reconcile(watched)
    return reconciler, watched


@pytest.mark.limit_memory("12 MB")
def test_a_long_text_is_a_stream(reading: Reading, long_file: Path) -> None:
    """5 MiB of text are cut without being in memory, tokens and all."""
    assert reading.read(long_file) > 3_000


@pytest.mark.limit_memory("6 MB")
def test_small_documents_are_small(reading: Reading, small_files: list[Path]) -> None:
    """40 documents, one after the other, take what one of them takes."""
    assert all(reading.read(file) for file in small_files)


@pytest.mark.limit_leaks("200 KB")
def test_reading_leaves_nothing(reading: Reading, small_files: list[Path]) -> None:
    """What was extracted and cut is gone when it was handed on."""
    for file in small_files:
        reading.read(file)


@pytest.mark.limit_memory("100 MB")  # ONNX Runtime's arena grows by doubling: 66 MiB were seen
def test_embedding_is_bounded(embedder: Embedder) -> None:
    """Four windows of texts of all lengths take what the largest batches of one take."""
    for seed in range(4):
        assert embedder.embed(passages(64, 100 + seed)).shape == (64, 384)


@pytest.mark.limit_leaks("1 MB")
def test_embedding_leaves_nothing(embedder: Embedder) -> None:
    """Tokens, activations and vectors are gone when the vectors were taken."""
    for seed in range(2):
        embedder.embed(passages(64, 200 + seed))


@pytest.mark.limit_memory("32 MB")
def test_upserting_is_bounded(collection: ChromaCollection) -> None:
    """600 slots written anew take what a batch takes, and Chroma's write buffers."""
    upsert(collection, 600, 50)


@pytest.mark.limit_leaks("2 MB")
def test_upserting_leaves_nothing(collection: ChromaCollection) -> None:
    """A slot that is written again takes no more than it took."""
    for seed in range(2):
        upsert(collection, 400, 60 + seed)


@pytest.mark.limit_memory("8 MB")
def test_reconciling_is_bounded(tree: tuple[Reconciler, WatchedSource]) -> None:
    """A scan of 3,000 files holds a batch of them."""
    reconciler, source = tree
    assert reconciler.reconcile(source).seen == 3_000


@pytest.mark.limit_leaks("500 KB")
def test_reconciling_leaves_nothing(tree: tuple[Reconciler, WatchedSource]) -> None:
    """What a scan saw is gone when it was compared."""
    reconciler, source = tree
    for _ in range(3):
        reconciler.reconcile(source)


@pytest.mark.limit_memory("2 MB")
def test_trimming_takes_nothing() -> None:
    """What gives memory back needs none."""
    heap.collect()
