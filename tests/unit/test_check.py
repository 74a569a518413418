"""What a check finds: over real tables and files, with a collection in memory."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from ingestd.check.checker import Checker, Parts
from ingestd.check.findings import Finding, Kind, Remedy, Summary
from ingestd.check.reading import Reader
from ingestd.check.sound import text_is_sound
from ingestd.check.strays import StrayCheck
from ingestd.embed import model
from ingestd.embed.chroma.memory import MemoryCollection
from ingestd.embed.chunk import Chunker
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.extract import extract
from ingestd.embed.prepare import Preparer
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.spool import Spool
from ingestd.embed.texts import TextEmbedder
from ingestd.embed.tokenize import open_tokenizer
from ingestd.embed.totals import Totals
from ingestd.embed.write import Writer
from ingestd.errors import ModelMismatchError, StoreError
from ingestd.ports import Record
from ingestd.reconcile import Reconciler
from ingestd.repair import Repairer
from ingestd_state import changes, collections, documents, due, orphans, sources, vectors
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus, SourceStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.ports import Metadata
    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

MODEL = "m"
SPEC = model.locate("hash")
PIPELINE = "p"


class Collection(MemoryCollection):
    """A collection that fails for slots without a vector, as Chroma does, and counts."""

    def __init__(self) -> None:
        super().__init__("ingestd")
        self.bare: set[str] = set()
        self.largest = 0

    def get(self, ids: Sequence[str], *, embeddings: bool = False) -> list[Record]:
        """These slots."""
        self.largest = max(self.largest, len(ids))
        if embeddings and self.bare & set(ids):
            raise StoreError("Error finding id")
        return super().get(ids, embeddings=embeddings)

    def page(self, offset: int, limit: int, *, embeddings: bool = False) -> list[Record]:
        """Slots by place."""
        self.largest = max(self.largest, limit)
        return super().page(offset, limit, embeddings=embeddings)


class Home:
    """One source, its tables, and a collection in memory."""

    def __init__(
        self,
        database: Database,
        cache: Database,
        source: WatchedSource,
        *,
        long_chunks: int | None = None,
    ) -> None:
        self.database, self.cache, self.source = database, cache, source
        self.collection = Collection()
        self.missing = False
        chunker = Chunker(open_tokenizer(SPEC), max_tokens=64)
        self.preparer = Preparer(Cutter(chunker), PIPELINE, file_bytes=1 << 20)
        self.spools = Path(os.fsdecode(source.root)).with_name("spools")
        self._reading = self.preparer
        if long_chunks is not None:
            self._reading = Preparer(
                Cutter(chunker),
                PIPELINE,
                file_bytes=1 << 20,
                spools=lambda: Spool(self.spools),
                long_chunks=long_chunks,
            )
        common: dict[str, Any] = {"totals": Totals(), "clock": time.time}
        self._texts = TextEmbedder(cache, lambda: HashEmbedder(16), model=MODEL, **common)
        self._writer = Writer(
            database, cache, lambda _: self.collection, model=MODEL, pipeline=PIPELINE, **common
        )

    def path(self, name: str) -> Path:
        """Where a file of this name is."""
        return Path(os.fsdecode(self.source.root)) / name

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text, "utf-8")

    def index(self) -> None:
        """Take up what there is, and write it."""
        Reconciler(self.database).reconcile(self.source)
        with self.database.write() as connection:
            claimed = due.claim(
                connection, time.time(), [self.source.id], limit=999, limit_bytes=1 << 30
            )
        alive = [one for one in claimed if one.status is not DocumentStatus.DELETED]
        entries = [self.preparer.prepare(document, self.source) for document in alive]
        assert self._texts.embed(entries) == []
        gone = [one for one in claimed if one.status is DocumentStatus.DELETED]
        self._writer.write(entries, gone, "ingestd")

    def check(self, **options: Any) -> tuple[list[Finding], Checker]:
        """Every finding, and who found it."""

        def opened(_name: str) -> Collection | None:
            return None if self.missing else self.collection

        with closing(Reader(self._reading, PIPELINE)) as reader:
            parts = Parts(self.database, self.cache, opened, MODEL, reader)
            checker = Checker(parts, **options)
            found = list(checker.run())
        assert not self.spools.exists() or not list(self.spools.iterdir())
        return found, checker

    def found(self, **options: Any) -> list[tuple[str, str]]:
        """Kind and path of each finding that counts."""
        findings, _ = self.check(**options)
        return [(one.kind.value, one.path.decode()) for one in findings if not one.implied]

    def document(self, name: str) -> Document:
        """What the table knows of a file."""
        with self.database.read() as connection:
            found = documents.get(connection, self.source.id, os.fsencode(name))
        assert found is not None
        return found

    def slot(self, name: str, ordinal: int = 0) -> Record:
        """What a slot holds."""
        wanted = (name, ordinal)
        for record in self.collection.page(0, 9_999, embeddings=True):
            if (record.metadata["path"], record.metadata["ordinal"]) == wanted:
                return record
        raise AssertionError(wanted)

    def set_row(self, name: str, **values: Any) -> None:
        """Change a row of the table behind everybody's back."""
        key = self.document(name).id
        with self.database.write() as connection:
            connection.execute(table.update().where(table.c.id == key).values(**values))

    def overwrite(self, record: Record, **changed: Any) -> None:
        """Change what a slot holds."""
        vector = changed.get("embedding", record.embedding)
        self.collection.upsert(
            [changed.get("id", record.id)],
            np.array([vector], dtype="f4"),
            [changed.get("text", record.text)],
            [{**record.metadata, **changed.get("metadata", {})}],
        )


LONG = "\n\n".join(
    f"## Part {part}\n\n" + " ".join(f"word{part}x{n}" for n in range(60)) for part in range(4)
)


@pytest.fixture(params=["short", "long"])
def home(
    request: pytest.FixtureRequest,
    database: Database,
    cache: Database,
    source: Callable[..., WatchedSource],
    monkeypatch: pytest.MonkeyPatch,
) -> Home:
    """Three documents of one to several chunks, indexed; the check takes all of them for long ones.

    Whatever is found must be the same where rows come page by page, and chunks lie on the disk.
    """
    long = request.param == "long"
    if long:
        monkeypatch.setattr("ingestd.check.rows.AT_ONCE", 1)
        monkeypatch.setattr("ingestd.check.slots.PAGE", 2)
    home = Home(database, cache, source(), long_chunks=0 if long else None)
    home.write("a.md", "# Alpha\n\nThe cat sat on the mat.\n")
    home.write("sub/b.md", f"# Beta > Gamma\n\n{LONG}\n")
    home.write("c.txt", "Just text.\n")
    home.index()
    return home


def test_a_sound_index_gives_no_finding(home: Home) -> None:
    """Where everything agrees, nothing is found, deep or not, and everything was looked at."""
    findings, checker = home.check()
    assert findings == []
    summary = checker.summary
    assert (summary.files, summary.documents) == (3, 3)
    assert summary.slots == summary.stored == home.collection.count() > 5
    assert (summary.uncached, summary.outdated, summary.notes) == (0, 0, [])
    assert home.found(deep=True) == []


def test_a_slot_that_is_gone(home: Home) -> None:
    """A slot that the table knows and the collection lacks is missing."""
    home.collection.delete([home.slot("sub/b.md", 2).id])
    assert home.found() == home.found(deep=True) == [("missing", "sub/b.md")]


def test_a_slot_without_a_vector(home: Home) -> None:
    """One slot without a vector is found among those of its page, which all fail with it."""
    home.collection.bare = {home.slot("sub/b.md", 1).id}
    [finding], _ = home.check()
    assert (finding.kind, finding.slot) == (Kind.MISSING, home.slot("sub/b.md", 1).id)
    assert "vector" in finding.expected


def test_a_store_that_does_not_answer_is_no_finding(home: Home) -> None:
    """A collection that cannot be read at all ends the check."""

    def refuse(_ids: object, **_: object) -> list[Record]:
        raise StoreError("away")

    home.collection.get = refuse  # type: ignore[assignment, method-assign]
    with pytest.raises(StoreError, match="away"):
        home.check()


def test_a_foreign_slot(home: Home) -> None:
    """A slot that no document owns is an orphan."""
    home.overwrite(home.slot("a.md"), id="foreign", metadata={"document_id": "x", "path": "x"})
    [finding], _ = home.check()
    assert (finding.kind, finding.slot, finding.remedy) == (Kind.ORPHAN, "foreign", Remedy.DELETE)
    assert home.found(only=["docs"]) == [("orphan", "x")]


@pytest.mark.parametrize("named", [{}, {"source_name": "docs", "path": "../../etc/passwd"}])
def test_a_slot_of_somebody_else(home: Home, named: Metadata) -> None:
    """A slot whose labels are none of ours, or lead out of the source, is an orphan as well."""
    home.collection.upsert(["alien"], np.ones((1, 16), "f4"), ["text"], [named])
    [finding], _ = home.check()
    assert (finding.kind, finding.slot) == (Kind.ORPHAN, "alien")


def test_the_same_chunk_twice(home: Home) -> None:
    """A second slot for a chunk that has one is a duplicate."""
    home.overwrite(home.slot("a.md"), id="copy")
    [finding], _ = home.check()
    assert (finding.kind, finding.slot) == (Kind.DUPLICATE, "copy")


def test_the_same_chunk_twice_in_the_table(home: Home) -> None:
    """Two rows for one chunk are a duplicate, found once."""
    from ingestd_state import chunks

    key = home.document("a.md").id
    with home.database.write() as connection:
        [row] = chunks.of_documents(connection, [key])[key]
        twin = chunks.Slot("twin", key, row.ordinal, row.start, row.end, row.digest, row.status)
        chunks.plan(connection, [twin])
    home.overwrite(home.slot("a.md"), id="twin")
    assert home.found() == [("duplicate", "a.md")]


def test_another_text(home: Home) -> None:
    """A slot whose text was changed is stale."""
    home.overwrite(home.slot("sub/b.md", 1), text="something else")
    assert home.found() == home.found(deep=True) == [("stale", "sub/b.md")]


def test_another_text_that_the_file_cannot_refute(home: Home) -> None:
    """Where the file is another by now, the digest alone decides."""
    home.overwrite(home.slot("a.md"), text="something else")
    home.write("a.md", "# Changed\n\nmeanwhile, and longer than before\n")
    assert sorted(home.found()) == [("stale", "a.md"), ("stale", "a.md")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", "/elsewhere/a.md"),
        ("path", "b.md"),
        ("modified_at", 1.5),
        ("ordinal", 7),
        ("start", 3),
        ("mime", "text/html"),
        ("document_id", "other"),
        ("chunk_digest", "00"),
        ("content_digest", "00"),
        ("pipeline", "other"),
        ("title", "Another"),
        ("headings", "Another"),
        ("title", None),
    ],
)
def test_another_label(home: Home, key: str, value: object) -> None:
    """A label that is not what the table, or the file, gives is wrong metadata."""
    home.overwrite(home.slot("sub/b.md", 1), metadata={key: value})
    [finding], _ = home.check()
    assert (finding.kind, finding.path) == (Kind.WRONG_METADATA, b"sub/b.md")
    assert key in finding.expected
    assert home.found(deep=True) == [("wrong metadata", "sub/b.md")]


def test_a_label_that_only_a_deep_check_can_tell(home: Home) -> None:
    """The language is not in the table: a deep check reads the file for it."""
    home.overwrite(home.slot("sub/b.md", 1), metadata={"lang": "xx"})
    assert home.found() == []
    assert home.found(deep=True) == [("wrong metadata", "sub/b.md")]


def test_labels_of_others_are_left_alone(home: Home) -> None:
    """An application may add keys of its own."""
    home.overwrite(home.slot("a.md"), metadata={"rating": 5})
    assert home.found() == home.found(deep=True) == []


def test_another_vector(home: Home) -> None:
    """A vector that is not the cached one is of a wrong model."""
    home.overwrite(home.slot("sub/b.md", 1), embedding=home.slot("sub/b.md", 0).embedding)
    assert home.found() == [("wrong model", "sub/b.md")]


def test_a_vector_that_left_the_cache_is_counted(home: Home) -> None:
    """What cannot be compared is no finding, and is told."""
    with home.cache.write() as connection:
        vectors.prune(connection, 0)
    findings, checker = home.check()
    assert findings == []
    assert checker.summary.uncached == home.collection.count()


def test_vectors_of_a_flagged_collection_are_not_compared(home: Home) -> None:
    """A collection that is about to be filled anew has no vectors to find fault with."""
    home.overwrite(home.slot("a.md"), embedding=[1.0] * 16)
    with home.database.write() as connection:
        collections.flag(connection, "ingestd", "torn", now=1.0)
    findings, checker = home.check()
    assert findings == []
    [note] = checker.summary.notes
    assert "filled anew" in note


def test_a_new_file(home: Home) -> None:
    """A file that the table does not know is missing."""
    home.write("new.md", "new")
    home.write("node_modules/x.md", "left out by the rules")
    assert home.found() == [("missing", "new.md")]


def test_a_changed_file_whose_times_were_restored(home: Home) -> None:
    """An edit that puts size and mtime back is found all the same."""
    before = home.path("c.txt").stat()
    home.write("c.txt", "Just taxt.\n")
    os.utime(home.path("c.txt"), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert home.found() == [("stale", "c.txt")]
    assert home.found(deep=True) == [("stale", "c.txt")]


def test_other_bytes_behind_the_same_fingerprint(home: Home) -> None:
    """What no time tells, a deep check reads."""
    home.write("c.txt", "Just taxt.\n")
    found = home.path("c.txt").stat()
    home.set_row("c.txt", mtime_ns=found.st_mtime_ns, ctime_ns=found.st_ctime_ns)
    home.collection.relabel([home.slot("c.txt").id], [{"modified_at": found.st_mtime_ns / 1e9}])
    assert home.found() == []
    assert home.found(deep=True) == [("stale", "c.txt")]


def test_a_file_that_is_gone(home: Home) -> None:
    """A document without a file is an orphan, in a folder that is gone as well."""
    home.path("a.md").unlink()
    home.path("sub/b.md").unlink()
    home.path("sub").rmdir()
    assert sorted(home.found()) == [("orphan", "a.md"), ("orphan", "sub/b.md")]


def test_a_rule_that_came_later(home: Home) -> None:
    """A document that the rules leave out by now is an orphan."""
    home.write(".ingestignore", "sub/\n")
    assert home.found() == [("orphan", "sub/b.md")]


def test_a_folder_that_cannot_be_told(home: Home) -> None:
    """Where the rules cannot be read, nothing is said about what is there; it is noted."""
    (home.path("sub") / ".ingestignore").mkdir()
    findings, checker = home.check()
    assert findings == []
    assert "sub" in checker.summary.notes[0]


def test_a_source_that_is_away(home: Home) -> None:
    """A root that is not there is a note, and its documents stay as they are."""
    home.path("").rename(home.path("").with_name("elsewhere"))
    findings, checker = home.check()
    assert findings == []
    assert "not there" in checker.summary.notes[0]
    assert checker.summary.slots == home.collection.count()


def test_a_source_that_lost_too_much(home: Home) -> None:
    """What a scan would hold is a note, not a finding."""
    for number in range(30):
        home.write(f"many/{number}.md", f"text {number}")
    home.index()
    for number in range(30):
        home.path(f"many/{number}.md").unlink()
    findings, checker = home.check()
    assert findings == []
    assert "held" in checker.summary.notes[0]


def test_an_empty_root_is_not_believed(home: Home) -> None:
    """Where all files are gone at once, the folder may be unmounted."""
    for name in ("a.md", "sub/b.md", "c.txt"):
        home.path(name).unlink()
    home.path("sub").rmdir()
    findings, checker = home.check()
    assert findings == []
    assert "empty" in checker.summary.notes[0]


def test_a_detached_source_is_left_out(home: Home) -> None:
    """A source that is no longer configured is not looked at, and its slots are owned."""
    with home.database.write() as connection:
        sources.detach_others(connection, [])
    home.collection.delete([home.slot("a.md").id])
    findings, checker = home.check()
    assert findings == []
    assert checker.summary.documents == 0


def test_slots_left_in_an_old_collection(home: Home) -> None:
    """Once its source writes elsewhere, what a document left behind is nobody's."""
    from ingestd_state.schema import sources as rows

    with home.database.write() as connection:
        connection.execute(rows.update().values(collection="elsewhere"))
        row = sources.all_sources(connection)[0]
    known = {"docs": (row, home.source.rules)}
    found = list(StrayCheck(home.database, home.collection, known, Summary()).findings())
    assert {(one.kind, one.implied) for one in found} == {(Kind.ORPHAN, False)}
    assert len(found) == home.collection.count()


def test_rows_that_are_gone(home: Home) -> None:
    """A document that lacks a row is incomplete; the slot without a row follows from that."""
    from sqlalchemy import delete

    from ingestd_state.schema import chunks as rows

    lost = home.slot("sub/b.md", 2).id
    with home.database.write() as connection:
        connection.execute(delete(rows).where(rows.c.slot == lost))
    findings, checker = home.check()
    assert [(one.kind, one.slot, one.implied) for one in findings] == [
        (Kind.MISSING, "", False),
        (Kind.ORPHAN, lost, True),
    ]
    assert checker.summary.found.total() == 1


def test_a_document_that_is_gone_from_the_table(home: Home) -> None:
    """A file that the table forgot is one finding, whatever its slots look like."""
    from sqlalchemy import delete

    from ingestd_state.schema import chunks as rows

    key = home.document("sub/b.md").id
    with home.database.write() as connection:
        connection.execute(delete(rows).where(rows.c.document_id == key))
        connection.execute(delete(table).where(table.c.id == key))
    assert home.found() == [("missing", "sub/b.md")]


@pytest.mark.parametrize("count", [0, 99])
def test_a_wrong_count(home: Home, count: int) -> None:
    """A document whose number of chunks is not that of its rows is found."""
    home.set_row("sub/b.md", chunk_count=count)
    [(_, path)] = home.found()
    assert path == "sub/b.md"


def test_rows_that_the_file_does_not_give(home: Home) -> None:
    """A deep check cuts the file anew, and compares."""
    from sqlalchemy import update

    from ingestd_state.schema import chunks as rows

    slot = home.slot("sub/b.md", 1)
    with home.database.write() as connection:
        connection.execute(update(rows).where(rows.c.slot == slot.id).values(start=1))
    home.overwrite(slot, metadata={"start": 1})
    assert home.found() == []
    assert home.found(deep=True) == [("stale", "sub/b.md")]


def test_what_waits_is_no_finding(home: Home) -> None:
    """What is pending, failed or about to be deleted is counted, and is no difference."""
    home.write("a.md", "# Changed\n\nand longer than it was before\n")
    Reconciler(home.database).reconcile(home.source)
    with home.database.write() as connection:
        orphans.add(connection, "ingestd", ["alien"])
    home.collection.upsert(["alien"], np.ones((1, 16), "f4"), ["text"], [{}])
    findings, checker = home.check()
    assert findings == []
    assert checker.summary.waiting == 1
    home.set_row("a.md", status="failed", retry_at=9e9)
    findings, checker = home.check()
    assert findings == []
    assert checker.summary.failed == 1


def test_what_is_to_be_written_anew_is_no_finding(home: Home) -> None:
    """Once a document is marked, its damage waits to be mended."""
    home.collection.delete([home.slot("a.md").id])
    findings, _ = home.check()
    Repairer(home.database, {"docs": home.source}).mark(findings)
    assert home.found() == []


def test_damage_of_a_failed_document_is_found(home: Home) -> None:
    """The old version of a document that fails stays searchable: it must be sound."""
    home.set_row("a.md", status="dead", error_text="no")
    home.collection.delete([home.slot("a.md").id])
    assert home.found() == [("missing", "a.md")]


def test_a_moved_document_waits_for_its_labels(home: Home) -> None:
    """Between a rename and its labels, the old labels are no finding."""
    home.path("a.md").rename(home.path("z.md"))
    Reconciler(home.database).reconcile(home.source)
    assert home.found() == []


def test_another_pipeline_is_told(home: Home) -> None:
    """What another version indexed is counted: a run takes it up."""
    home.set_row("a.md", pipeline="old")
    home.overwrite(home.slot("a.md"), metadata={"pipeline": "old"})
    findings, checker = home.check()
    assert findings == []
    assert checker.summary.outdated == 1


def test_a_collection_that_is_gone_is_one_finding(home: Home) -> None:
    """A collection that is not there is one finding, not one a slot."""
    home.missing = True
    [finding], _ = home.check()
    assert (finding.kind, finding.remedy) == (Kind.MISSING, Remedy.FILL)
    assert finding.collection == "ingestd"


def test_a_collection_of_another_model_is_one_finding(home: Home) -> None:
    """A collection that another model filled is one finding, not one a vector."""

    def mismatch(_name: str) -> MemoryCollection | None:
        raise ModelMismatchError("filled by another")

    reader = Reader(home.preparer, PIPELINE)
    checker = Checker(Parts(home.database, home.cache, mismatch, MODEL, reader))
    [finding] = checker.run()
    assert (finding.kind, finding.remedy) == (Kind.WRONG_MODEL, Remedy.FILL)


def test_only_one_source(home: Home, source: Callable[..., WatchedSource]) -> None:
    """With a source named, others are not looked at."""
    other = source("other")
    home.write("new.md", "new")
    assert home.found(only=[other.name]) == []
    assert home.found(only=["docs"]) == [("missing", "new.md")]


def test_a_difference_that_settles_is_dropped(home: Home) -> None:
    """While a daemon runs, what it takes up meanwhile is no finding; what stays is one."""
    home.write("new.md", "new")
    home.write("other.md", "not taken up")
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now == 2 * seconds:
            Reconciler(home.database).look(home.source, [b"new.md"])

    found = home.found(running=True, patience_s=1.0, sleep=sleep, clock=lambda: now)
    assert found == [("missing", "other.md")]
    assert now == pytest.approx(1.0, abs=0.2)


def test_a_damaged_slot_is_certain_at_once(home: Home) -> None:
    """Damage in a document that nobody has in hand is not waited for."""
    home.collection.delete([home.slot("a.md").id])
    home.overwrite(home.slot("c.txt"), id="copy")
    start = time.monotonic()
    found = home.found(running=True, patience_s=60, sleep=lambda _s: pytest.fail("waited"))
    assert sorted(found) == [("duplicate", "c.txt"), ("missing", "a.md")]
    assert time.monotonic() - start < 30


def test_documents_in_hand_are_left_alone(home: Home) -> None:
    """While a daemon runs, the slots of what it has in hand may be anything."""
    home.collection.delete([home.slot("a.md").id])
    key = home.document("a.md").id
    with home.database.write() as connection:
        changes.mark_changed(connection, [key], now=time.time())
    assert home.found(running=True) == []
    assert home.found() == [("missing", "a.md")]


def test_many_suspects_are_looked_at_in_parts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No list of all differences is held, and none is lost."""
    monkeypatch.setattr("ingestd.check.checker.SUSPECTS", 2)
    for number in range(5):
        home.write(f"{number}.md", f"text {number}")
    assert len(home.found(running=True)) == 5


class Counted(str):
    """A text that counts how many of its kind are alive."""

    __slots__ = ()
    alive = 0
    most = 0

    def __new__(cls, value: str) -> Self:
        """Count it in."""
        cls.alive += 1
        cls.most = max(cls.most, cls.alive)
        return super().__new__(cls, value)

    def __del__(self) -> None:
        type(self).alive -= 1


def test_no_more_than_a_page_is_held(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many slots there are, the check holds those of a page."""
    for number in range(300):
        home.write(f"many/{number}.md", "".join(f"# {n}\n\n{number} {n}\n\n" for n in range(10)))
    home.index()
    assert home.collection.count() > 3_000
    home.collection.largest = 0
    plain_get, plain_page = home.collection.get, home.collection.page

    def counted(records: list[Record]) -> list[Record]:
        return [Record(r.id, Counted(r.text), r.metadata, r.embedding) for r in records]

    monkeypatch.setattr(home.collection, "get", lambda ids, **k: counted(plain_get(ids, **k)))
    monkeypatch.setattr(home.collection, "page", lambda *a, **k: counted(plain_page(*a, **k)))
    assert home.found() == []
    assert home.collection.largest <= 500
    assert Counted.most <= 1_000
    assert Counted.alive == 0


def test_a_time_may_lose_its_last_bit(home: Home) -> None:
    """Chroma gives a float back but for its last bit: that is no finding."""
    slot = home.slot("a.md")
    home.overwrite(slot, metadata={"modified_at": float(slot.metadata["modified_at"] or 0) + 3e-7})
    assert home.found() == home.found(deep=True) == []


def test_every_text_gives_its_digest() -> None:
    """Whatever the title and headings, the stored text is recognised without the file."""
    chunker = Chunker(open_tokenizer(SPEC), max_tokens=32)
    many = "\n\n".join(f"{'#' * (n % 6 + 1)} Level {n} > {'x' * n}\n\n{LONG}" for n in range(8))
    longest = f"# {'very long title ' * 40}\n\n## {'heading ' * 60}\n\nsome text\n"
    texts = (many, longest, "no heading", "# A\n\n# A\n\n## B  with   spaces\n\ntext", "#\n\ntext")
    seen = 0
    for text in texts:
        extracted = extract(text.encode(), b"a.md")
        for chunk in chunker.chunks(extracted):
            labels = {"title": extracted.title, "headings": " > ".join(chunk.headings)}
            seen += 1
            assert text_is_sound(Record("s", chunk.text, labels), chunk.digest), chunk
            assert not text_is_sound(Record("s", chunk.text + "x", labels), chunk.digest)
    assert seen > 50


def test_repair_does_not_write_what_cannot_be_read(home: Home) -> None:
    """Damage in a source that is away is left: its files cannot be read now."""
    home.collection.delete([home.slot("a.md").id])
    home.path("").rename(home.path("").with_name("elsewhere"))
    findings, _ = home.check()
    plan = Repairer(home.database, {"docs": home.source}).mark(findings)
    assert plan.away == {"docs"}
    assert home.document("a.md").status is DocumentStatus.INDEXED


def test_repair_believes_no_wipe(home: Home) -> None:
    """A scan that repair asks for holds what is gone from a source that is not believed."""
    finding = Finding(Kind.ORPHAN, Remedy.SCAN, "", "", source="docs", path=b"a.md")
    for name in ("a.md", "sub/b.md", "c.txt"):
        home.path(name).unlink()
    home.path("sub").rmdir()
    Repairer(home.database, {"docs": home.source}).mark([finding])
    assert home.document("a.md").status is DocumentStatus.INDEXED
    with home.database.read() as connection:
        assert sources.all_sources(connection)[0].status is SourceStatus.OFFLINE


def test_repair_leaves_a_slot_that_has_an_owner_by_now(home: Home) -> None:
    """Between check and repair, a document may have taken the slot over."""
    slot = home.slot("a.md").id
    finding = Finding(Kind.ORPHAN, Remedy.DELETE, "", "", slot=slot, collection="ingestd")
    Repairer(home.database, {"docs": home.source}).mark([finding, finding])
    with home.database.read() as connection:
        assert orphans.count(connection) == 0


def test_repair_marks_in_batches(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings are acted on as they come, each document once."""
    monkeypatch.setattr("ingestd.repair.BATCH", 2)
    home.collection.delete([record.id for record in home.collection.page(0, 999)])
    taken = 0

    def counting() -> Iterator[Finding]:
        nonlocal taken
        for finding in home.check()[0]:
            taken += 1
            yield finding

    plan = Repairer(home.database, {"docs": home.source}).mark(counting())
    assert plan.actions[Remedy.REWRITE] == taken > 5
    for name in ("a.md", "sub/b.md", "c.txt"):
        document = home.document(name)
        assert (document.status, document.forced) == (DocumentStatus.PENDING, True)
