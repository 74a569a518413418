"""The embed job over real tables: what breaks off is due again, and no document holds up others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.embed import model
from ingestd.embed.chroma.calls import RefusedError
from ingestd.embed.chroma.memory import MemoryCollection
from ingestd.embed.chunk import Chunker
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.job import PATIENCE, EmbedJob
from ingestd.embed.outcome import Recorder
from ingestd.embed.parts import Parts
from ingestd.embed.prepare import Preparer
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.texts import TextEmbedder
from ingestd.embed.tokenize import open_tokenizer
from ingestd.embed.totals import Totals
from ingestd.embed.write import Writer
from ingestd.errors import DiskFullError, ModelMismatchError, StoreError
from ingestd.memory.gate import ShutError
from ingestd.reconcile import Reconciler
from ingestd.settings.running import LimitSettings
from ingestd_state import changes, documents, runs
from ingestd_state.engine import DatabaseError
from ingestd_state.schema import documents as table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Metadata, Vectors
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

MODEL = "m"


class Collection(MemoryCollection):
    """A collection that is away, or chokes on a text, on request."""

    def __init__(self) -> None:
        super().__init__()
        self.away: Exception | None = None
        self.chokes: dict[str, Exception] = {}

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots, or fail as a whole: a batch is atomic."""
        if self.away:
            raise self.away
        for text in texts:
            for word, error in self.chokes.items():
                if word in text:
                    raise error
        super().upsert(ids, embeddings, texts, metadatas)

    def texts(self) -> list[str]:
        """All texts, in order."""
        return sorted(record.text for record in self.page(0, 10_000))


class Model(HashEmbedder):
    """A model that chokes on a word, on request."""

    chokes: dict[str, Exception] = {}  # noqa: RUF012 - set per test, on the instance

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed, unless there is poison."""
        for word, error in self.chokes.items():
            if any(word in text for text in texts):
                raise error
        return super().embed(texts)


class Bench:
    """A job on one source, with a clock that is set by hand."""

    def __init__(self, database: Database, cache: Database, source: WatchedSource) -> None:
        self.database, self.cache, self.source = database, cache, source
        self.now = 4e9  # long after any file was written: nothing is racy
        self.collection, self.model, self.totals = Collection(), Model(16), Totals()
        common: dict[str, Any] = {"totals": self.totals, "clock": self.clock}
        limits = LimitSettings(batch_documents=4)
        chunker = Chunker(open_tokenizer(model.locate("hash")))
        recorder = Recorder(database, limits, pipeline="p", **common)
        writer = Writer(
            database, cache, lambda _: self.collection, model=MODEL, pipeline="p", **common
        )
        self.texts = texts = TextEmbedder(cache, lambda: self.model, model=MODEL, **common)
        preparer = Preparer(Cutter(chunker), "p", file_bytes=10_000, clock=self.clock)
        parts = Parts(database, preparer, texts, writer, recorder, self.totals, limits, self.clock)
        self.job = EmbedJob(parts, {source.id: source})

    def clock(self) -> float:
        """The time."""
        return self.now

    def write(self, **texts: str) -> None:
        """Write files, and have them found."""
        for name, text in texts.items():
            Path(self.source.root.decode(), f"{name}.txt").write_text(text, encoding="utf-8")
        Reconciler(self.database, self.clock).reconcile(self.source)

    def drain(self, **arguments: Any) -> int:
        """Drain once."""
        return asyncio.run(self.job.drain(**arguments))

    def drain_until_quiet(self, tries: int = 40) -> int:
        """Drain again and again, an hour apart; returns how many tries failed."""
        failed = 0
        for _ in range(tries):
            self.now += 3600
            try:
                if not self.drain():
                    return failed
            except StoreError:
                failed += 1
        return failed

    def states(self) -> dict[str, int]:
        """How many documents are in which state; only those that occur."""
        with self.database.read() as connection:
            return {name: n for name, n in documents.counts(connection).items() if n}


@pytest.fixture
def bench(
    database: Database, cache: Database, source: Callable[..., WatchedSource]
) -> Iterator[Bench]:
    """A job with nothing to do."""
    made = Bench(database, cache, source())
    yield made
    made.job.close()


NUMBERS = {f"n{number}": f"Text {number}." for number in range(10)}


def test_what_was_in_hand_is_due_again_when_the_store_is_away(bench: Bench) -> None:
    """The error comes out as it is, nothing stays in hand, and the next drain does it all."""
    bench.write(**NUMBERS)
    bench.collection.away = StoreError("away")
    with pytest.raises(StoreError, match="away"):
        bench.drain()
    assert bench.states() == {"pending": 10}
    bench.collection.away = None
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 10}
    assert bench.collection.texts() == sorted(NUMBERS.values())


@pytest.mark.parametrize(
    "error", [DiskFullError("full"), MemoryError(), OSError(24, "Too many open files")]
)
def test_what_the_system_denies_kills_no_document(bench: Bench, error: Exception) -> None:
    """No space, no memory, no descriptor: the error comes out, and no attempt is counted."""
    bench.write(**NUMBERS)
    bench.collection.away = error
    for _ in range(2 * PATIENCE):
        with pytest.raises(type(error)):
            bench.drain()
    assert bench.states() == {"pending": 10}
    bench.collection.away = None
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 10}


def test_nothing_is_taken_in_hand_when_nothing_may_be_written(bench: Bench) -> None:
    """The watermark is asked before each batch, and only when there is something to do."""
    asked = []

    def ready() -> None:
        asked.append(bench.states())
        if len(asked) == 2:
            raise DiskFullError("low")

    assert bench.drain(ready=ready) == 0
    assert not asked
    bench.write(**NUMBERS)
    with pytest.raises(DiskFullError):
        bench.drain(ready=ready)
    assert bench.states() == {"indexed": 4, "pending": 6}


def recorded(bench: Bench) -> list[tuple[str, int, int]]:
    """Outcome, documents and chunks of each drain that is recorded, the last one first."""
    with bench.database.read() as connection:
        found = [run for run in runs.last(connection) if run.kind == "drain"]
    return [(run.outcome, run.counts["documents"], run.counts["upserted"]) for run in found]


@pytest.mark.parametrize("error", [DiskFullError("low"), ShutError("no memory")])
def test_what_was_done_before_a_drain_broke_off_is_recorded(bench: Bench, error: Exception) -> None:
    """Also when it was told to wait between two batches; the rest is recorded on its own."""
    bench.write(**NUMBERS)
    asked = []

    def ready() -> None:
        asked.append(1)
        if len(asked) >= 3:
            raise error

    with pytest.raises(type(error)):
        bench.drain(ready=ready)
    assert recorded(bench) == [("broken off", 8, 8)]
    assert bench.drain() == 2
    assert recorded(bench) == [("done", 2, 10), ("broken off", 8, 8)]
    with pytest.raises(StoreError, match="away"):
        break_off_at_once(bench)
    assert len(recorded(bench)) == 2, "where nothing was done, nothing is recorded"


def break_off_at_once(bench: Bench) -> None:
    """A drain that does nothing."""
    bench.write(new="New.")
    bench.collection.away = StoreError("away")
    bench.drain()


def test_an_error_is_not_hidden_by_the_record_of_what_was_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that takes no record either is told only where nothing else went wrong."""
    bench.write(**NUMBERS)

    def refuse(*_: object, **__: object) -> None:
        raise DatabaseError("locked")

    monkeypatch.setattr(Recorder, "drained", refuse)
    asked = []

    def ready() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise DiskFullError("low")

    with pytest.raises(DiskFullError):
        bench.drain(ready=ready)
    with pytest.raises(DatabaseError, match="locked"):
        bench.drain()
    assert bench.states() == {"indexed": 10}


def test_a_table_that_cannot_be_written_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked when the outcome is to be recorded: documents stay in hand, until the next drain."""
    bench.write(**NUMBERS)
    write, calls = bench.database.write, []

    def locked() -> Any:
        calls.append(1)
        if len(calls) > 2:  # what an earlier process left is settled, a batch is in hand
            raise DatabaseError("locked")
        return write()

    monkeypatch.setattr(bench.database, "write", locked)
    with pytest.raises(DatabaseError, match="locked"):
        bench.drain()
    monkeypatch.undo()
    assert bench.states() == {"working": 4, "pending": 6}
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 10}


def test_a_document_that_the_store_refuses_fails_alone(bench: Bench) -> None:
    """Chroma's refusal of a batch is traced to the document; all others are indexed at once."""
    bench.collection.chokes["poison"] = RefusedError("no")
    bench.write(**NUMBERS | {"n3": "poison"})
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 9, "failed": 1}
    assert bench.drain_until_quiet() == 0
    assert bench.states() == {"indexed": 9, "dead": 1}


def test_vectors_of_another_dimension_blame_no_document(bench: Bench) -> None:
    """A collection that somebody made anew takes none of them: that is the collection's fault."""
    words = "InvalidArgumentError: Collection expecting embedding with dimension of 7, got 16"
    bench.collection.away = RefusedError(words)
    bench.write(**NUMBERS)
    with pytest.raises(ModelMismatchError, match="dimension of 7"):
        bench.drain()
    assert bench.states() == {"pending": 10}


def test_a_document_that_breaks_the_store_fails_alone(bench: Bench) -> None:
    """An answer like "internal error" may be the store's fault, or one document's.

    After some failures in a row each document is tried alone: the one that fails where the next
    goes through is to blame. The others are indexed long before it is given up.
    """
    bench.collection.chokes["poison"] = StoreError("internal error")
    bench.write(**NUMBERS | {"n3": "poison"})
    for _ in range(PATIENCE):
        with pytest.raises(StoreError):
            bench.drain()
    assert bench.drain() > 0
    assert bench.states() == {"indexed": 9, "failed": 1}
    bench.drain_until_quiet()
    assert bench.states()["indexed"] == 9
    assert "dead" not in bench.states(), "alone it may as well be the store"
    assert len(bench.collection.texts()) == 9
    bench.collection.chokes.clear()
    bench.drain_until_quiet()
    assert bench.states() == {"indexed": 10}


def test_several_such_documents_hold_up_nobody(bench: Bench) -> None:
    """Also side by side: each time it begins elsewhere."""
    bench.collection.chokes["poison"] = StoreError("internal error")
    bench.write(**NUMBERS | {"n0": "poison 0", "n1": "poison 1", "n2": "poison 2"})
    bench.drain_until_quiet()
    assert bench.states()["indexed"] == 7


def test_a_store_that_is_away_for_long_blames_nobody(bench: Bench) -> None:
    """However often it fails, no document fails with it; when it is back all are indexed."""
    bench.write(**NUMBERS)
    bench.collection.away = StoreError("away")
    assert bench.drain_until_quiet(tries=4 * PATIENCE) == 4 * PATIENCE
    assert bench.states() == {"pending": 10}
    bench.collection.away = None
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 10}


def test_a_document_that_needs_no_store_proves_nothing(bench: Bench) -> None:
    """That an unchanged document is done with, while the store is away, is no reason to blame."""
    bench.write(**NUMBERS)
    bench.drain()
    bench.collection.away = StoreError("away")
    bench.write(new="New.")
    for _ in range(4 * PATIENCE):
        bench.now += 3600
        with bench.database.write() as connection:
            ids = [row.id for row in connection.execute(table.select())]
            changes.mark_changed(connection, ids, now=bench.now)
        with pytest.raises(StoreError):
            bench.drain()
    assert {"failed", "dead"}.isdisjoint(bench.states())


def test_a_text_that_the_model_refuses_fails_alone(bench: Bench) -> None:
    """The others are indexed in the same drain; after five attempts it is dead."""
    bench.model.chokes["poison"] = ValueError("cannot embed this")
    bench.write(**NUMBERS | {"n3": "poison"})
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 9, "failed": 1}
    bench.drain_until_quiet()
    assert bench.states() == {"indexed": 9, "dead": 1}


def test_a_file_whose_extraction_raises_fails_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a hostile file provokes in a parser: the others are indexed, it is dead in the end.

    A person's retry, or a change of the file, takes it up again.
    """
    from ingestd.embed.reading import contents

    extract = contents.extract

    def hostile(data: bytes, path: bytes) -> Any:
        if b"poison" in data:
            raise RecursionError
        return extract(data, path)

    monkeypatch.setattr(contents, "extract", hostile)
    bench.write(**NUMBERS | {"n3": "poison"})
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 9, "failed": 1}
    bench.drain_until_quiet()
    assert bench.states() == {"indexed": 9, "dead": 1}
    bench.write(n3="Harmless now.")
    bench.drain_until_quiet()
    assert bench.states() == {"indexed": 10}


def test_too_many_gone_paths_become_their_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of paths that were gone is bounded: past that, the whole source is looked at."""
    monkeypatch.setattr("ingestd.embed.carry.MOST_GONE", 3)
    bench.write(**{f"n{number}": f"Text {number}." for number in range(4)})
    for file in Path(bench.source.root.decode()).iterdir():
        file.unlink()
    bench.drain()
    assert bench.job.take_gone() == {bench.source.id: [b""]}


def test_after_a_stop_nothing_is_begun(bench: Bench) -> None:
    """A drain after the stop does nothing: what is due waits for the next start."""
    bench.write(**NUMBERS)
    bench.job.stop()
    assert bench.drain() == 0
    assert bench.states() == {"pending": 10}
