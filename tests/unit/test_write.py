"""Writing a batch: the order that survives a failure at any point, over real tables."""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.embed import metadata, model
from ingestd.embed import place as place_module
from ingestd.embed.chroma.memory import MemoryCollection
from ingestd.embed.chunk import Chunker
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.outcome import Recorder
from ingestd.embed.prepare import Preparer
from ingestd.embed.prepared import Outcome, Prepared
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.texts import TextEmbedder
from ingestd.embed.tokenize import open_tokenizer
from ingestd.embed.totals import Totals
from ingestd.embed.write import Writer
from ingestd.errors import StoreError
from ingestd.reconcile import Reconciler
from ingestd.settings.running import LimitSettings
from ingestd_state import changes, chunks, documents, due, sources, vectors, work
from ingestd_state.engine import Database, DatabaseError
from ingestd_state.status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from ingestd.ports import Metadata, Vectors
    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document

MODEL = "m"
NOW = 4e9  # long after any file was written: nothing is racy

View = dict[tuple[str, int], dict[str, Any]]


class Collection(MemoryCollection):
    """A collection that notes each call, and fails one of them on request."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.fail_at: int | None = None
        self.how = "before"
        self.watch: Callable[[], None] = lambda: None

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots; each with the whole contract."""
        assert embeddings.shape == (len(ids), 16)
        for entry in metadatas:
            assert tuple(sorted(entry)) == tuple(sorted(metadata.KEYS))
        parent = super()

        def do(n: int) -> None:
            parent.upsert(ids[:n], embeddings[:n], texts[:n], metadatas[:n])

        self._call("upsert", ids, do)

    def relabel(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Write metadata of slots that are there."""
        assert {record.id for record in self.page(0, 10_000)} >= set(ids)
        parent = super()
        self._call("relabel", ids, lambda n: parent.relabel(ids[:n], metadatas[:n]))

    def delete(self, ids: Sequence[str]) -> None:
        """Delete slots."""
        parent = super()
        self._call("delete", ids, lambda n: parent.delete(ids[:n]))

    def _call(self, name: str, ids: Sequence[str], do: Callable[[int], None]) -> None:
        self.calls.append((name, tuple(ids)))
        failing = len(self.calls) == self.fail_at
        done = {"before": 0, "half": (len(ids) + 1) // 2, "after": len(ids)}[self.how]
        do(done if failing else len(ids))
        self.watch()
        if failing:
            raise StoreError("injected")

    def kinds(self) -> list[str]:
        """The calls, without what they were about."""
        return [name for name, _ in self.calls]


class Line:
    """From the disk to a collection, in one thread: what the embed job does, without waiting."""

    def __init__(
        self,
        database: Database,
        cache: Database,
        source: WatchedSource,
        collection: Collection,
        *,
        pipeline: str = "p1",
    ) -> None:
        self.database, self.cache, self.source, self.collection = (
            database,
            cache,
            source,
            collection,
        )
        self.totals = Totals()
        common: dict[str, Any] = {"totals": self.totals, "clock": lambda: NOW}
        chunker = Chunker(open_tokenizer(model.locate("hash")), size=50)
        self.preparer = Preparer(Cutter(chunker), pipeline, file_bytes=10_000, clock=lambda: NOW)
        self.texts = TextEmbedder(cache, lambda: HashEmbedder(16), model=MODEL, **common)
        self.writer = Writer(
            database, cache, lambda _: collection, model=MODEL, pipeline=pipeline, **common
        )
        self.recorder = Recorder(database, LimitSettings(), pipeline=pipeline, **common)

    def run(self) -> None:
        """Reconcile, and deal with everything that is due."""
        Reconciler(self.database, lambda: NOW).reconcile(self.source, accept_deletes=True)
        self.drain()

    def drain(self) -> None:
        """Deal with what is due; on an error, all in hand is given back."""
        self.writer.settle()
        while batch := self.claim():
            try:
                self.process(batch)
            except Exception:
                with self.database.write() as connection:
                    work.release(connection, [document.id for document in batch])
                raise

    def settle(self) -> None:
        """What a new process does first."""
        self.recorder.recover()
        self.writer.settle()

    def claim(self) -> list[Document]:
        """Take what is due in hand."""
        with self.database.write() as connection:
            return due.claim(connection, NOW, [self.source.id], limit=99, limit_bytes=1 << 30)

    def prepare(self, batch: Sequence[Document]) -> list[Prepared]:
        """Read and embed."""
        entries = [
            self.preparer.prepare(document, self.source)
            for document in batch
            if document.status is not DocumentStatus.DELETED
        ]
        contents = [entry for entry in entries if entry.outcome is Outcome.CONTENT]
        assert self.texts.embed(contents) == []
        return entries

    def process(self, batch: Sequence[Document]) -> None:
        """Take a batch to its end."""
        entries = self.prepare(batch)
        tombstones = [entry for entry in batch if entry.status is DocumentStatus.DELETED]
        contents = [entry for entry in entries if entry.outcome is Outcome.CONTENT]
        skipped = [
            entry.document
            for entry in entries
            if entry.outcome is Outcome.SKIPPED and entry.document.chunk_count
        ]
        if contents or tombstones or skipped:
            self.writer.write(contents, [*skipped, *tombstones], "ingestd")
        same = [entry for entry in entries if entry.outcome is Outcome.SAME]
        self.writer.relabel(same, "ingestd")
        self.recorder.record(entries)
        self.recorder.deleted(tombstones)

    def view(self) -> View:
        """What the collection holds, by path and ordinal; equal for equal files."""
        found: View = {}
        for record in self.collection.page(0, 10_000, embeddings=True):
            values = {"text": record.text, "embedding": record.embedding, **record.metadata}
            for name in ("document_id", "indexed_at"):
                values.pop(name)
            place = (str(values["path"]), int(values["ordinal"]))
            assert place not in found, f"twice: {place}"
            found[place] = values
        return found

    def words(self) -> dict[str, str]:
        """The first words of the chunks of each document, in order."""
        found: dict[str, str] = {}
        for (path, _), values in sorted(self.view().items()):
            found[path] = f"{found.get(path, '')} {values['text'].split()[0]}".strip()
        return found

    def document(self, path: str) -> Document:
        """The document at a path."""
        with self.database.read() as connection:
            found = documents.get(connection, self.source.id, os.fsencode(path))
        assert found is not None
        return found

    def slots(self, path: str) -> list[str]:
        """The slots of a document."""
        key = self.document(path).id
        with self.database.read() as connection:
            return [slot.slot for slot in chunks.of_documents(connection, [key])[key]]

    def assert_tidy(self) -> None:
        """The table says exactly what is in the collection, and that nothing is to be done."""
        with self.database.read() as connection:
            assert not due.is_due(connection, NOW, [self.source.id])
            everyone = list(documents.by_path(connection))
            rows = chunks.of_documents(connection, [document.id for document in everyone])
        assert {d.status for d in everyone} <= {DocumentStatus.INDEXED, DocumentStatus.SKIPPED}
        slots = {slot.slot: slot for found in rows.values() for slot in found}
        assert {slot.status for slot in slots.values()} <= {ChunkStatus.LIVE}
        records = {record.id: record.metadata for record in self.collection.page(0, 10_000)}
        assert set(records) == set(slots)
        for name, slot in slots.items():
            assert records[name]["document_id"] == slot.document_id
            assert records[name]["ordinal"] == slot.ordinal
            assert records[name]["chunk_digest"] == slot.digest.hex()
        for document in everyone:
            assert document.chunk_count == len(rows[document.id])


@pytest.fixture
def line(database: Database, cache: Database, source: Callable[..., WatchedSource]) -> Line:
    """A line to an empty collection."""
    return Line(database, cache, source(), Collection())


def write(line: Line, **files: str | None) -> None:
    """Write files of these words, a chunk each; None removes. Times are always the same."""
    root = Path(os.fsdecode(line.source.root))
    for name, words in files.items():
        path = root / f"{name}.txt"
        if words is None:
            path.unlink()
            continue
        path.write_text("".join(f"{word} ".ljust(49, ".") + "\n" for word in words.split()))
        os.utime(path, (1e9, 1e9))


def upserts(line: Line) -> int:
    """Slots written so far."""
    return sum(len(ids) for name, ids in line.collection.calls if name == "upsert")


def test_documents_arrive_with_the_whole_contract(line: Line) -> None:
    """Each chunk carries what the contract promises, as it is."""
    write(line, a="alpha beta")
    line.run()
    line.assert_tidy()
    record = line.collection.page(1, 1)[0]
    document = line.document("a.txt")
    full = os.fsdecode(line.source.root) + "/a.txt"
    assert record.text == "beta ".ljust(49, ".")
    assert record.metadata == {
        "source": full,
        "source_name": "docs",
        "path": "a.txt",
        "title": record.metadata["title"],
        "headings": "",
        "start": 50,
        "end": 99,
        "ordinal": 1,
        "mime": "text/plain",
        "lang": record.metadata["lang"],
        "document_id": document.id,
        "chunk_digest": record.metadata["chunk_digest"],
        "content_digest": (document.digest or b"").hex(),
        "modified_at": 1e9,
        "indexed_at": NOW,
        "pipeline": "p1",
    }
    assert set(record.metadata) == set(metadata.KEYS) - {"page"}


def test_labels_are_part_of_the_contract(line: Line) -> None:
    """What a move rewrites are keys of the contract, for any bytes in a path."""
    found = metadata.labels(line.source, b"\xff/a.md", 1_500_000_000)
    assert set(found) < set(metadata.KEYS)
    assert found["path"] == "\\xff/a.md"
    assert found["modified_at"] == 1.5


def test_the_write_order(line: Line) -> None:
    """Plan, upsert, relabel, live, delete, forget: each step finds the table as it must be."""
    write(line, a="a b c d")
    line.run()
    seen: list[dict[str, str]] = []

    def look() -> None:
        with line.database.read() as connection:
            rows = chunks.of_documents(connection, [line.document("a.txt").id])
        found = {slot.slot[-1]: slot.status.value for found in rows.values() for slot in found}
        seen.append(found)

    line.collection.calls.clear()
    line.collection.watch = look
    write(line, a="b X")
    line.run()
    assert line.collection.kinds() == ["upsert", "relabel", "delete"]
    planned = {"1": "planned", "0": "planned", "2": "doomed", "3": "doomed"}
    assert seen == [planned, planned, {**planned, "0": "live", "1": "live"}]
    assert line.words() == {"a.txt": "b X"}
    line.collection.watch = lambda: None
    line.assert_tidy()


def test_an_edit_writes_what_changed(line: Line) -> None:
    """One chunk of many is embedded and upserted; the rest are relabelled where they move."""
    write(line, a="a b c d e")
    line.run()
    before, slots = line.totals.chunks.copy(), set(line.slots("a.txt"))
    write(line, a="a b X d e")
    line.run()
    assert line.totals.chunks["embedded"] - before["embedded"] == 1
    assert line.totals.chunks["upserted"] - before["upserted"] == 1
    assert set(line.slots("a.txt")) == slots
    assert line.words() == {"a.txt": "a b X d e"}
    write(line, a="new a b X d e")
    line.run()
    assert line.totals.chunks["upserted"] - before["upserted"] == 2
    assert line.words() == {"a.txt": "new a b X d e"}
    line.assert_tidy()


def test_a_document_takes_over_the_slots_of_one_that_leaves(line: Line) -> None:
    """A delete and an add in one batch are upserts into the same places: no growth."""
    write(line, a="a b c")
    line.run()
    key, slots = line.document("a.txt").id, line.slots("a.txt")
    write(line, b="x y z", a=None)
    line.collection.calls.clear()
    line.run()
    assert line.collection.kinds() == ["upsert"]
    assert line.document("b.txt").id != key
    assert sorted(line.slots("b.txt")) == sorted(slots)
    assert line.words() == {"b.txt": "x y z"}
    line.assert_tidy()


def test_a_file_that_comes_back_does_not_steal_slots(line: Line) -> None:
    """Another document lives in the slots that it once had; both stay whole."""
    write(line, a="a b c")
    line.run()
    slots = set(line.slots("a.txt"))
    write(line, b="x y z", a=None)
    line.run()
    assert set(line.slots("b.txt")) == slots
    write(line, a="a b c d")
    line.run()
    assert line.words() == {"a.txt": "a b c d", "b.txt": "x y z"}
    write(line, a="a b c d e f", b="x y z u v w")
    line.run()
    assert line.words() == {"a.txt": "a b c d e f", "b.txt": "x y z u v w"}
    line.assert_tidy()


def test_a_tombstone_goes_with_its_chunks(line: Line) -> None:
    """After a deletion neither slots nor rows are left, and others are untouched."""
    write(line, a="a b", b="c")
    line.run()
    write(line, a=None)
    line.run()
    with line.database.read() as connection:
        assert documents.get(connection, line.source.id, b"a.txt") is None
    assert line.words() == {"b.txt": "c"}
    line.assert_tidy()


def test_a_tombstone_whose_file_came_back_in_time_loses_nothing(line: Line) -> None:
    """Between the claim and the plan the file may be there again: then nothing leaves."""
    write(line, a="a b")
    line.run()
    write(line, b="new", a=None)
    Reconciler(line.database).reconcile(line.source, accept_deletes=True)
    batch = line.claim()
    write(line, a="a b")
    Reconciler(line.database).reconcile(line.source)
    line.process(batch)
    assert line.words() == {"a.txt": "a b", "b.txt": "new"}
    before = upserts(line)
    line.drain()
    assert upserts(line) == before
    line.assert_tidy()


def test_a_tombstone_whose_file_came_back_too_late_is_written_anew(line: Line) -> None:
    """Its slots were doomed already: the same bytes must not count as indexed."""
    write(line, a="a b")
    line.run()
    write(line, a=None)
    line.collection.fail_at = len(line.collection.calls) + 1
    with pytest.raises(StoreError):
        line.run()
    write(line, a="a b")
    line.run()
    assert line.words() == {"a.txt": "a b"}
    line.assert_tidy()


def test_a_file_that_loses_its_text_loses_its_chunks(line: Line) -> None:
    """A skipped document has nothing in the collection, and gets it back with its text."""
    write(line, a="a b c")
    line.run()
    write(line, a="")
    line.run()
    assert line.words() == {}
    assert line.document("a.txt").status is DocumentStatus.SKIPPED
    assert line.document("a.txt").reason == "no text"
    line.assert_tidy()
    write(line, a="a b c")
    line.run()
    assert line.words() == {"a.txt": "a b c"}
    assert line.totals.chunks["embedded"] == 3
    line.assert_tidy()


def test_a_new_file_that_lost_its_text_half_way_leaves_nothing(line: Line) -> None:
    """What a failed first attempt brought into the collection goes again."""
    write(line, a="a b c")
    line.collection.how, line.collection.fail_at = "half", 1
    with pytest.raises(StoreError):
        line.run()
    assert line.collection.count() == 2
    write(line, a="")
    line.run()
    assert line.words() == {}
    line.assert_tidy()


def test_a_move_is_a_relabelling(line: Line) -> None:
    """The same slots, texts and embeddings under a new path; the model sees nothing."""
    write(line, a="a b")
    line.run()
    slots, embedded = line.slots("a.txt"), line.totals.chunks["embedded"]
    root = Path(os.fsdecode(line.source.root))
    (root / "sub").mkdir()
    (root / "a.txt").rename(root / "sub/z.txt")
    line.collection.calls.clear()
    line.run()
    assert line.collection.kinds() == ["relabel"]
    assert line.slots("sub/z.txt") == slots
    assert line.totals.chunks["embedded"] == embedded
    assert line.words() == {"sub/z.txt": "a b"}
    assert {values["source"] for values in line.view().values()} == {str(root / "sub/z.txt")}
    line.assert_tidy()


def test_a_move_to_another_format_is_read_anew(line: Line) -> None:
    """What a file gives depends on its name; it ends as if it had always been called so."""
    root = Path(os.fsdecode(line.source.root))
    (root / "a.txt").write_text("# Title\n\nwords\n")
    line.run()
    (root / "a.txt").rename(root / "a.md")
    line.run()
    ((_, values),) = line.view().items()
    assert (values["mime"], values["title"]) == ("text/markdown", "Title")
    line.assert_tidy()


def test_a_forced_document_is_written_whole(line: Line) -> None:
    """When the collection lost everything, a forced pass fills it without the model."""
    write(line, a="a b", b="c")
    line.run()
    before = line.view()
    line.collection = lost = Collection()
    again = Line(line.database, line.cache, line.source, lost)
    with line.database.write() as connection:
        ids = [document.id for document in documents.by_path(connection)]
        changes.mark_changed(connection, ids, now=NOW, forced=True)
    again.drain()
    assert again.view() == before
    assert again.totals.chunks["embedded"] == 0
    again.assert_tidy()


def test_a_new_pipeline_relabels_what_it_cuts_alike(line: Line) -> None:
    """Chunks that stay the same keep their slots and embeddings, and name the new pipeline."""
    write(line, a="a b")
    line.run()
    later = Line(line.database, line.cache, line.source, line.collection, pipeline="p2")
    later.recorder.outdate()
    line.collection.calls.clear()
    later.drain()
    assert line.collection.kinds() == ["relabel"]
    assert {values["pipeline"] for values in later.view().values()} == {"p2"}
    later.assert_tidy()


def test_givers_are_written_before_takers(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text of a document goes before its new version is in, whoever wants its slots."""
    monkeypatch.setattr(place_module, "BATCH", 1)
    takers = {f"t{n}": "t" for n in range(5)}
    givers = {f"g{n}": f"g{n}1 g{n}2 g{n}3 g{n}4" for n in range(5)}
    write(line, **takers, **givers)
    line.run()
    seen: list[set[str]] = []
    line.collection.watch = lambda: seen.append(
        {record.text.split()[0] for record in line.collection.page(0, 100)}
    )
    write(line, **{name: f"t {name}1 {name}2 {name}3 {name}4" for name in takers})
    write(line, **{name: f"{name}new" for name in givers})
    line.run()
    assert len(seen) > 20
    for texts, (name, old) in itertools.product(seen, givers.items()):
        assert f"{name}new" in texts or set(old.split()) <= texts
    line.collection.watch = lambda: None
    line.assert_tidy()


def test_a_failed_attempt_leaves_the_old_version(line: Line) -> None:
    """While a document cannot be written, all of its old text is found; others come and go."""
    write(line, a="a b c d", b="x")
    line.run()
    write(line, a="A")
    line.collection.fail_at = len(line.collection.calls) + 1
    with pytest.raises(StoreError):
        line.run()
    with line.database.write() as connection:
        connection.execute(
            documents.documents.update()
            .where(documents.documents.c.path == b"a.txt")
            .values(retry_at=NOW + 60)
        )
    write(line, c="y z", b=None)
    Reconciler(line.database).look(line.source, [b"b.txt", b"c.txt"])
    line.drain()
    assert line.words() == {"a.txt": "a b c d", "c.txt": "y z"}


def test_a_crash_leaves_the_old_version_until_the_new_one_is_in(line: Line) -> None:
    """Settling at the start deletes nothing of a document that is still to be written."""
    write(line, a="a b c d")
    line.run()
    write(line, a="A")
    line.collection.fail_at = len(line.collection.calls) + 1
    with pytest.raises(StoreError):
        line.run()
    line.settle()
    assert line.words() == {"a.txt": "a b c d"}
    line.drain()
    assert line.words() == {"a.txt": "A"}
    line.assert_tidy()


def test_a_repeat_with_what_was_known_before_uses_no_slot_twice(line: Line) -> None:
    """A batch that was refused is written again document by document, as it was taken in hand."""
    write(line, a="a b", b="c d")
    Reconciler(line.database).reconcile(line.source)
    entries = line.prepare(line.claim())
    line.collection.fail_at = 1
    with pytest.raises(StoreError):
        line.writer.write(entries, [], "ingestd")
    for entry in entries:
        line.writer.write([entry], [], "ingestd")
    line.recorder.record(entries)
    line.assert_tidy()
    write(line, a="a b e f", b="c d g h")
    line.run()
    assert line.words() == {"a.txt": "a b e f", "b.txt": "c d g h"}
    line.assert_tidy()


def test_embeddings_that_left_the_cache_are_made_again(line: Line) -> None:
    """A cache that was pruned between embedding and writing costs a repeat, nothing else."""
    write(line, a="a b")
    Reconciler(line.database).reconcile(line.source)
    batch = line.claim()
    entries = line.prepare(batch)
    with line.cache.write() as connection:
        vectors.prune(connection, 0)
    with pytest.raises(StoreError, match="cache"):
        line.writer.write(entries, [], "ingestd")
    with line.database.write() as connection:
        work.release(connection, [document.id for document in batch])
    line.run()
    assert line.words() == {"a.txt": "a b"}
    line.assert_tidy()


def test_a_change_while_it_is_written_is_not_lost(line: Line) -> None:
    """The document stays due; what was written counts as written."""
    write(line, a="a b")
    line.run()
    write(line, a="a X")

    def change() -> None:
        line.collection.watch = lambda: None
        write(line, a="a Y Z")
        Reconciler(line.database).look(line.source, [b"a.txt"])

    line.collection.watch = change
    line.run()
    assert line.words() == {"a.txt": "a Y Z"}
    line.assert_tidy()


def test_embeddings_in_use_are_the_last_to_leave_the_cache(line: Line) -> None:
    """Writing a chunk marks its embedding as used."""
    write(line, a="a b")
    line.run()
    with line.cache.write() as connection:
        connection.execute(vectors.vectors.update().values(used_at=1))
        vectors.put(connection, MODEL, [(b"x" * 32, bytes(64))], now=5.0)
    copy = Path(os.fsdecode(line.source.root)) / "b.txt"
    copy.write_text((copy.parent / "a.txt").read_text())
    line.run()
    assert line.totals.chunks["embedded"] == 2
    with line.cache.write() as connection:
        number, size = vectors.size(connection)
        assert number == 3
        vectors.prune(connection, size - 1)
        assert vectors.missing(connection, MODEL, [b"x" * 32]) == {b"x" * 32}


FIRST: dict[str, str | None] = {
    "grow": "a b",
    "shrink": "c d e f g",
    "gone": "h i",
    "empty": "j k",
    "same": "l m",
    "edit": "n o p",
}
SECOND: dict[str, str | None] = {
    "new": "y z",  # before anything is removed: it shall not get the inode of that
    "grow": "a b A B C D E F",
    "shrink": "c X",
    "gone": None,
    "empty": "",
    "same": "l m",
    "edit": "n O p",
}
THIRD: dict[str, str | None] = {
    "grow": "a b",
    "shrink": "c d e f g",
    "gone": "h i",
    "empty": "j k",
    "edit": "",
    "new": None,
}


class Trials:
    """Runs a line into one failure after the other, and compares what comes of it."""

    def __init__(self, line: Line, migrated: Path, folder: Path) -> None:
        self._line = line
        self._migrated = migrated
        self._folder = folder
        self._numbers = itertools.count()

    @contextmanager
    def line(self) -> Iterator[Line]:
        """A line over the same files to a new table and a new collection."""
        path = self._folder / f"trial{next(self._numbers)}.db"
        shutil.copy(self._migrated, path)
        database = Database(f"sqlite:///{path}")
        with database.write() as connection:
            register(connection, self._line.source)
        yield self.make(database)
        database.close()

    def make(self, database: Database) -> Line:
        """A line over the same files."""
        return Line(database, self._line.cache, self._line.source, Collection())

    def expected(self) -> View:
        """What an undisturbed run over the files as they are gives."""
        with self.line() as line:
            line.run()
            line.assert_tidy()
            return line.view()

    def write(self, files: dict[str, str | None]) -> None:
        """Bring the files into a state."""
        root = Path(os.fsdecode(self._line.source.root))
        there = {name for name in files if (root / f"{name}.txt").exists()}
        write(self._line, **{n: w for n, w in files.items() if w is not None or n in there})


def register(connection: Connection, source: WatchedSource) -> None:
    """Register a source that exists in another table."""
    sources.ensure(connection, source.name, source.root, source.collection, "{}")


@pytest.fixture
def trials(line: Line, migrated: Path, tmp_path: Path) -> Trials:
    """Trials over the files of the line."""
    return Trials(line, migrated, tmp_path)


def converges(
    trials: Trials, fail: Callable[[Line, int], bool], *, crash: bool, then: dict[str, str | None]
) -> int:
    """Fail at every point in turn; after each, the end is that of an undisturbed run.

    Args:
        trials: lines over the same files.
        fail: runs a line into its n-th failure; tells whether there was one.
        crash: whether a new process goes on, or the same one tries again.
        then: what the files are when it goes on.

    Returns:
        At how many points it failed.
    """
    trials.write(SECOND)
    trials.write(then)
    expected = trials.expected()
    for number in itertools.count(1):
        trials.write(FIRST)
        trials.write({"new": None})
        with trials.line() as line:
            line.run()
            trials.write(SECOND)
            if not fail(line, number):
                return number - 1
            trials.write(then)
            after = line
            if crash:
                after = Line(line.database, line.cache, line.source, line.collection)
                after.settle()
            after.run()
            assert after.view() == expected, f"after failure {number}"
            after.assert_tidy()
    raise AssertionError


@pytest.mark.parametrize(
    ("how", "crash", "then"),
    [
        ("before", False, SECOND),
        ("half", False, SECOND),
        ("after", False, SECOND),
        ("half", True, SECOND),
        ("half", False, THIRD),
        ("half", True, THIRD),
    ],
)
def test_a_failure_of_any_call_to_the_store_heals(
    trials: Trials,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    then: dict[str, str | None],
    *,
    crash: bool,
) -> None:
    """Done, not done or half done: the end is as if nothing had been, even if files changed."""
    monkeypatch.setattr(place_module, "BATCH", 3)

    def fail(line: Line, number: int) -> bool:
        line.collection.how = how
        line.collection.fail_at = len(line.collection.calls) + number
        try:
            line.run()
        except StoreError:
            return True
        return False

    assert converges(trials, fail, crash=crash, then=then) >= 6


@pytest.mark.parametrize(
    ("crash", "then"), [(False, SECOND), (True, SECOND), (False, THIRD), (True, THIRD)]
)
def test_a_failure_of_any_commit_heals(
    trials: Trials, *, crash: bool, then: dict[str, str | None]
) -> None:
    """The same when the state table cannot be written: a full disk, or the plug."""

    def fail(line: Line, number: int) -> bool:
        Reconciler(line.database, lambda: NOW).reconcile(line.source, accept_deletes=True)
        commit, commits = line.database.write, itertools.count(1)

        @contextmanager
        def failing() -> Iterator[Connection]:
            with commit() as connection:
                yield connection
                if next(commits) == number:
                    raise DatabaseError("injected")

        line.database.write = failing  # type: ignore[method-assign]
        try:
            line.drain()
        except DatabaseError:
            return True
        finally:
            line.database.write = commit  # type: ignore[method-assign]
        return False

    assert converges(trials, fail, crash=crash, then=then) >= 5
