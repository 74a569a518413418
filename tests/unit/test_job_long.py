"""Long documents in the embed job: they hold up neither others nor a stop, and go on after it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_job import Collection, Model

from ingestd.embed import model
from ingestd.embed.chroma.calls import RefusedError
from ingestd.embed.chunk import Chunker
from ingestd.embed.job import EmbedJob
from ingestd.embed.outcome import Recorder
from ingestd.embed.parts import Parts
from ingestd.embed.prepare import Preparer
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.spool import Sizes, Spool
from ingestd.embed.texts import TextEmbedder
from ingestd.embed.tokenize import open_tokenizer
from ingestd.embed.totals import Totals
from ingestd.embed.write import Writer
from ingestd.errors import DiskFullError, StoreError
from ingestd.memory.gate import ShutError
from ingestd.reconcile import Reconciler
from ingestd.settings.running import LimitSettings
from ingestd_state import chunks, documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.embed.prepared import Prepared
    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

SIZES = Sizes(long_chunks=6, page=4)


class LongBench:
    """A job in which seven chunks make a long document; files above 1,000 bytes are large."""

    def __init__(
        self, database: Database, cache: Database, source: WatchedSource, collection: Collection
    ) -> None:
        self.database, self.cache, self.source = database, cache, source
        self.now = 4e9
        self.collection, self.model, self.totals = collection, Model(16), Totals()
        self.spools = Path(source.root.decode()).with_name("spools")
        common: dict[str, Any] = {"totals": self.totals, "clock": self.clock}
        limits = LimitSettings(batch_documents=4, batch_bytes=1_000)
        recorder = Recorder(database, limits, pipeline="p", **common)
        writer = Writer(
            database,
            cache,
            lambda _: self.collection,
            model="m",
            pipeline="p",
            sizes=SIZES,
            **common,
        )
        texts = TextEmbedder(cache, lambda: self.model, model="m", **common)
        preparer = Preparer(
            Cutter(Chunker(open_tokenizer(model.locate("hash")), size=50)),
            "p",
            file_bytes=1_000_000,
            spools=lambda: Spool(self.spools),
            long_chunks=SIZES.long_chunks,
            clock=self.clock,
        )
        parts = Parts(database, preparer, texts, writer, recorder, self.totals, limits, self.clock)
        self.job = EmbedJob(parts, {source.id: source})

    def again(self) -> LongBench:
        """The same after a restart."""
        self.job.close()
        return LongBench(self.database, self.cache, self.source, self.collection)

    def clock(self) -> float:
        """The time."""
        return self.now

    def write(self, **words: str | None) -> None:
        """Write files of these words, a chunk each, and have them found; None removes."""
        for name, text in words.items():
            path = Path(self.source.root.decode(), f"{name}.txt")
            if text is None:
                path.unlink()
            else:
                lines = (f"{word} ".ljust(49, ".") for word in text.split())
                path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        Reconciler(self.database, self.clock).reconcile(self.source, accept_deletes=True)

    def drain(self, ready: Callable[[], None] = lambda: None) -> int:
        """Drain once; nothing is left in hand, and no spool."""
        try:
            return asyncio.run(self.job.drain(ready))
        finally:
            assert not self.job.longs
            assert not self.spools.exists() or list(self.spools.iterdir()) == []

    def document(self, name: str) -> Document | None:
        """The document of a file."""
        with self.database.read() as connection:
            return documents.get(connection, self.source.id, f"{name}.txt".encode())

    def states(self) -> dict[str, int]:
        """How many documents are in which state; only those that occur."""
        with self.database.read() as connection:
            return {name: n for name, n in documents.counts(connection).items() if n}

    def words(self) -> dict[str, str]:
        """The words in the collection, by file, in order."""
        found: dict[str, list[tuple[int, str]]] = {}
        for record in self.collection.page(0, 10_000):
            path, ordinal = str(record.metadata["path"]), int(record.metadata["ordinal"] or 0)
            found.setdefault(path[:-4], []).append((ordinal, record.text.split()[0]))
        return {path: " ".join(word for _, word in sorted(pairs)) for path, pairs in found.items()}

    def stop_at(self, page: int) -> Callable[[], None]:
        """Ask for a stop when so many pages are in."""

        def ready() -> None:
            if self.collection.upserts >= page:
                self.job.stop()

        return ready


class Counting(Collection):
    """A collection that counts what it is asked for."""

    upserts = 0
    deletes = 0

    def upsert(self, *arguments: Any) -> None:
        """Write slots."""
        super().upsert(*arguments)
        self.upserts += 1

    def delete(self, ids: Any) -> None:
        """Delete slots."""
        super().delete(ids)
        self.deletes += 1


@pytest.fixture
def bench(
    database: Database, cache: Database, source: Callable[..., WatchedSource]
) -> Iterator[LongBench]:
    """A job with nothing to do."""
    made = LongBench(database, cache, source(), Counting())
    yield made
    made.job.close()


def words(number: int, letter: str = "w") -> str:
    """So many words."""
    return " ".join(f"{letter}{n}" for n in range(number))


def test_long_and_short_documents_are_dealt_with_in_one_drain(bench: LongBench) -> None:
    """Each is indexed, and the totals count them all."""
    bench.write(a=words(50), b=words(3, "b"), c=words(30, "c"), d=words(2, "d"))
    assert bench.drain() == 4
    assert bench.states() == {"indexed": 4}
    assert bench.words() == {
        "a": words(50),
        "b": words(3, "b"),
        "c": words(30, "c"),
        "d": words(2, "d"),
    }
    assert bench.totals.chunks["embedded"] == bench.totals.chunks["upserted"] == 85
    assert bench.drain() == 0


def test_others_are_dealt_with_between_two_pages(bench: LongBench) -> None:
    """A change that comes while a long document is written waits for a page, not for its end."""
    bench.write(a=words(50))
    seen: list[tuple[str, ...]] = []
    turns = iter(range(1_000))

    def ready() -> None:
        if next(turns) == 6:
            bench.write(b="b1 b2", c=words(9, "c"))  # the last one is small, and long
        seen.append(tuple(sorted(bench.words())))

    assert bench.drain(ready) == 3
    assert bench.words() == {"a": words(50), "b": "b1 b2", "c": words(9, "c")}
    both = seen.index(("a", "b", "c"))
    assert len(seen) - both > 5, "the long one was done before"


def test_a_large_file_waits_for_the_long_one_in_hand(
    bench: LongBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are never more than two spools, also where reading takes long, and writing longer."""
    most = 0
    prepare, upsert = Preparer.prepare, bench.collection.upsert

    def slowly(self: Preparer, *arguments: Any) -> Prepared:
        nonlocal most
        time.sleep(0.02)
        prepared = prepare(self, *arguments)
        most = max(most, len(list(bench.spools.iterdir())))
        return prepared

    def more_slowly(*arguments: Any) -> None:
        time.sleep(0.1)
        upsert(*arguments)

    monkeypatch.setattr(Preparer, "prepare", slowly)
    monkeypatch.setattr(bench.collection, "upsert", more_slowly)
    bench.write(**{f"n{n}": words(21, f"n{n}x") for n in range(4)})
    bench.write(**{f"s{n}": words(8, f"s{n}x") for n in range(6)})
    assert bench.drain() == 10
    assert bench.states() == {"indexed": 10}
    assert most == 2


def test_a_stop_leaves_a_long_document_where_it_is(bench: LongBench) -> None:
    """The next start keeps what is in: it embeds and writes but the rest."""
    bench.write(a=words(50))
    bench.drain(bench.stop_at(5))
    document = bench.document("a")
    assert document is not None
    assert (document.status, document.digest) == ("pending", None)
    assert document.reason == "24 of 50 chunks are written"
    assert bench.words() == {"a": words(24)}
    later = bench.again()
    assert later.drain() == 1
    assert later.totals.chunks["embedded"] == 26
    assert later.totals.chunks["upserted"] == 26
    assert later.words() == {"a": words(50)}
    assert later.states() == {"indexed": 1}
    later.job.close()


def test_a_stop_in_the_midst_of_a_deletion(bench: LongBench) -> None:
    """What is left of a long document is deleted at the next start, before anything else."""
    bench.write(a=words(50))
    bench.drain()
    bench.write(a=None)
    turns = iter(range(100))

    def ready() -> None:
        if next(turns) == 4:
            bench.job.stop()

    bench.drain(ready)
    assert bench.document("a") is not None
    with bench.database.read() as connection:
        assert chunks.count_live(connection) in range(1, 49)
    later = bench.again()
    assert later.drain() == 1
    assert later.words() == {}
    assert later.document("a") is None
    later.job.close()


def test_the_lock_is_free_between_two_pages(bench: LongBench) -> None:
    """Who wants to do something to the store need not wait for the end of a long document."""
    bench.write(a=words(50))

    async def run() -> list[int]:
        """How many slots were there whenever the lock was to be had."""
        work, seen = asyncio.create_task(bench.job.drain()), []
        while not work.done():
            async with bench.job.lock:
                seen.append(bench.collection.count())
            await asyncio.sleep(0)
        await work
        return seen

    assert len(set(asyncio.run(run())) & {4, 8, 12, 16, 20, 24, 28}) >= 5


def test_a_store_that_goes_away_between_pages(bench: LongBench) -> None:
    """What was in hand is due again, and goes on where it was."""
    bench.write(a=words(50))

    def ready() -> None:
        if bench.collection.upserts == 5:
            bench.collection.away = StoreError("away")

    with pytest.raises(StoreError, match="away"):
        bench.drain(ready)
    assert bench.states() == {"pending": 1}
    bench.collection.away = None
    bench.collection.upserts = 99
    assert bench.drain() == 1
    assert bench.words() == {"a": words(50)}
    # One page was embedded, and not written.
    assert bench.totals.chunks["embedded"] == 50
    assert bench.totals.chunks["upserted"] == 50


@pytest.mark.parametrize("by", ["model", "store"])
def test_a_text_that_nobody_takes_fails_its_document_only(bench: LongBench, by: str) -> None:
    """The pages before it stay in; other documents are indexed."""
    target: Any = bench.model if by == "model" else bench.collection
    target.chokes = {"w21": ValueError("poison") if by == "model" else RefusedError("poison")}
    bench.write(a=words(50), b="b1")
    assert bench.drain() == 2
    assert bench.states() == {"failed": 1, "indexed": 1}
    assert bench.words() == {"a": words(20), "b": "b1"}
    target.chokes = {}
    bench.now += 3600
    assert bench.drain() == 1
    assert bench.words() == {"a": words(50), "b": "b1"}
    assert bench.states() == {"indexed": 2}


def test_a_long_document_that_breaks_the_store_is_found_out(bench: LongBench) -> None:
    """While others come and are written, it is the one that fails after a few tries."""
    bench.write(a=words(7))
    bench.collection.chokes = {"w5": StoreError("it died")}
    for number in range(40):
        bench.now += 3600
        if number < 30:
            bench.write(**{f"n{number}": f"n{number}x"})
        try:
            if not bench.drain():
                break
        except StoreError:
            continue
    assert bench.states() == {"indexed": 30, "dead": 1}


def test_what_keeps_new_work_out_does_not_end_what_is_in_hand(bench: LongBench) -> None:
    """A gate that is shut in the midst of a long document; a full disk does end it."""
    bench.write(a=words(50))

    def shut() -> None:
        if bench.collection.upserts == 3:
            bench.write(b="b1")
        if bench.collection.upserts >= 3:
            raise ShutError

    with pytest.raises(ShutError):  # for the other one, in the end
        bench.drain(shut)
    assert bench.words() == {"a": words(50)}
    assert bench.drain() == 1
    bench.write(a=words(50, "x"))

    def full() -> None:
        if bench.collection.upserts > 20:
            raise DiskFullError("full")

    with pytest.raises(DiskFullError):
        bench.drain(full)
    assert bench.states() == {"indexed": 1, "pending": 1}
    assert bench.drain() == 1
    assert bench.words() == {"a": words(50, "x"), "b": "b1"}
