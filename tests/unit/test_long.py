"""Documents too long for one plan: written in pages, and after any crash as if nothing had been."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_write import NOW, Collection, Line, Trials, write

from ingestd.embed import model
from ingestd.embed import place as place_module
from ingestd.embed.chroma.calls import RefusedError
from ingestd.embed.chunk import Chunker
from ingestd.embed.deliver import deliver, long_entry, long_tombstone
from ingestd.embed.prepare import Preparer
from ingestd.embed.prepared import Outcome, Prepared
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.spool import Sizes, Spool
from ingestd.embed.tokenize import open_tokenizer
from ingestd.embed.write import Writer
from ingestd.errors import StoreError
from ingestd.reconcile import Reconciler
from ingestd.settings.running import LimitSettings
from ingestd_state import chunks, documents, owned, work
from ingestd_state.engine import DatabaseError
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

SIZES = Sizes(long_chunks=6, page=4)


class LongLine(Line):
    """A line in which seven chunks make a long document, and four a page."""

    def __init__(
        self, database: Database, cache: Database, source: WatchedSource, collection: Collection
    ) -> None:
        super().__init__(database, cache, source, collection)
        self.spools = Path(os.fsdecode(source.root)).with_name("spools")
        self.preparer = Preparer(
            Cutter(Chunker(open_tokenizer(model.locate("hash")), size=50)),
            "p1",
            file_bytes=1_000_000,
            spools=lambda: Spool(self.spools),
            long_chunks=SIZES.long_chunks,
            clock=lambda: NOW,
        )
        self.writer = Writer(
            database,
            cache,
            lambda _: collection,
            model="m",
            pipeline="p1",
            totals=self.totals,
            clock=lambda: NOW,
            sizes=SIZES,
        )
        self.limit = LimitSettings()
        self.between: Callable[[], None] = lambda: None

    def process(self, batch: Sequence[Document]) -> None:
        """Take a batch to its end: what is long in steps, and each step by itself is whole."""
        entries = [
            self.preparer.prepare(document, self.source)
            for document in batch
            if document.status is not DocumentStatus.DELETED
        ]
        tombstones = [entry for entry in batch if entry.status is DocumentStatus.DELETED]
        try:
            self.deal(entries, tombstones)
        finally:
            for entry in entries:
                entry.discard()

    def deal(self, entries: Sequence[Prepared], tombstones: Sequence[Document]) -> None:
        """Write what is short together, and then what is long."""
        longs = [(entry, long_entry(self.writer, entry)) for entry in entries]
        leaving = [(entry, long_tombstone(self.writer, entry)) for entry in tombstones]
        short = [entry for entry, long in longs if long is None]
        gone = [entry for entry, long in leaving if long is None]
        assert self.texts.embed([e for e in short if e.outcome is Outcome.CONTENT]) == []
        deliver(self.writer, {self.source.id: self.source}, short, gone)
        self.recorder.record(short)
        self.recorder.deleted(gone)
        for entry, long in longs:
            if long is not None:
                self.take(long.steps)
                self.recorder.record([entry])
                self.take(self.writer.long.sweep())
        for tombstone, long in leaving:
            if long is not None:
                self.take(long.steps)
                self.recorder.deleted([tombstone])

    def take(self, steps: Iterator[Prepared | None]) -> None:
        """All steps, embedding before each what it writes."""
        for page in steps:
            if page is not None:
                assert len(page.chunks) <= SIZES.page
                assert self.texts.embed([page]) == []
            with self.database.read() as connection:
                assert chunks.unsettled(connection) == []
            self.between()

    def assert_tidy(self) -> None:
        """Also no spool is left."""
        super().assert_tidy()
        assert not self.spools.exists() or list(self.spools.iterdir()) == []


@pytest.fixture
def line(database: Database, cache: Database, source: Callable[..., WatchedSource]) -> LongLine:
    """A line to an empty collection."""
    return LongLine(database, cache, source(), Collection())


def words(*numbers: object) -> str:
    """A document of these words, a chunk each."""
    return " ".join(f"w{number}" for number in numbers)


FIFTY = words(*range(50))


def test_a_long_document_arrives_page_by_page(line: LongLine) -> None:
    """Every chunk once, in order; no request holds more than a page; the text says how far."""
    write(line, a=FIFTY, b="short one")
    said: list[str] = []
    line.between = lambda: said.append(line.document("a.txt").reason)
    line.run()
    assert line.words() == {"a.txt": FIFTY, "b.txt": "short one"}
    line.assert_tidy()
    assert max(len(ids) for _, ids in line.collection.calls) <= SIZES.page
    assert line.document("a.txt").chunk_count == 50
    assert line.document("a.txt").reason == ""
    assert "48 of 50 chunks are written" in said
    assert line.totals.chunks == {"embedded": 52, "upserted": 52, "reused": 0}


def test_nothing_is_indexed_until_the_last_page_is_in(line: LongLine) -> None:
    """From the first page on the row tells no digest; the file put back is taken for a change."""
    write(line, a=FIFTY)
    line.run()
    seen: set[tuple[bytes | None, DocumentStatus]] = set()
    write(line, a=words(*range(25, 75)))

    def look() -> None:
        if "upsert" in line.collection.kinds():
            document = line.document("a.txt")
            seen.add((document.digest, document.status))

    line.collection.calls.clear()
    line.between = look
    line.run()
    assert seen >= {(None, DocumentStatus.WORKING)}
    assert {digest for digest, status in seen if status is DocumentStatus.WORKING} == {None}
    line.between = lambda: None
    line.assert_tidy()


def test_an_edit_of_a_long_document_writes_what_changed(line: LongLine) -> None:
    """One chunk is embedded and upserted, the rest keep their slots and move."""
    write(line, a=FIFTY)
    line.run()
    before, slots = line.totals.chunks.copy(), set(line.slots("a.txt"))
    write(line, a=words("top", *range(20), "edit", *range(21, 50)))
    line.run()
    line.assert_tidy()
    done = line.totals.chunks - before
    assert (done["embedded"], done["upserted"], done["relabelled"]) == (2, 2, 49)
    assert done["deleted"] == 0
    assert set(line.slots("a.txt")) > slots
    assert line.words() == {"a.txt": words("top", *range(20), "edit", *range(21, 50))}


def test_new_text_takes_over_the_slots_of_old_text(line: LongLine) -> None:
    """A document that is replaced by another as long grows by nothing, and deletes nothing."""
    write(line, a=FIFTY)
    line.run()
    slots = set(line.slots("a.txt"))
    write(line, a=words(*(f"n{n}" for n in range(50))))
    line.run()
    assert set(line.slots("a.txt")) == slots
    assert "delete" not in line.collection.kinds()
    line.assert_tidy()


@pytest.mark.parametrize(
    "after", [words(*range(9)), words(3, "x"), words("only"), "", FIFTY + " more"]
)
def test_a_long_document_may_become_any_length(line: LongLine, after: str) -> None:
    """Also short or empty: what is left of it goes in pages, at the end."""
    write(line, a=FIFTY)
    line.run()
    line.collection.calls.clear()
    write(line, a=after)
    line.run()
    assert line.words() == ({"a.txt": after} if after else {})
    assert max(len(ids) for _, ids in line.collection.calls) <= 250
    line.assert_tidy()


def test_old_chunks_are_found_until_the_new_ones_are_in(line: LongLine) -> None:
    """At no time is a text of both versions missing, nor are there fewer chunks than before."""
    write(line, a=FIFTY)
    line.run()
    both = {f"w{n}" for n in range(10, 20)}
    seen: list[set[str]] = []
    line.collection.watch = lambda: seen.append(
        {record.text.split()[0] for record in line.collection.page(0, 100)}
    )
    write(line, a=words(*range(10, 20), *(f"n{n}" for n in range(15))))
    line.run()
    assert all(both <= texts for texts in seen)
    kinds = line.collection.kinds()
    assert kinds.index("delete") > max(n for n, kind in enumerate(kinds) if kind == "upsert")
    line.collection.watch = lambda: None
    line.assert_tidy()


def test_a_long_document_leaves_in_pages(line: LongLine) -> None:
    """A tombstone with many chunks goes with all of them; others stay."""
    write(line, a=FIFTY, b="x")
    line.run()
    write(line, a=None)
    line.run()
    assert line.words() == {"b.txt": "x"}
    with line.database.read() as connection:
        assert documents.get(connection, line.source.id, b"a.txt") is None
    line.assert_tidy()


def test_a_tombstone_whose_file_comes_back_between_two_pages(line: LongLine) -> None:
    """The rest of it stays, and what went is written again, without the model."""
    write(line, a=FIFTY)
    line.run()
    embedded = line.totals.chunks["embedded"]
    write(line, a=None)
    back = iter([None, None])

    def come_back() -> None:
        if next(back, 0) == 0 and not Path(os.fsdecode(line.source.root), "a.txt").exists():
            write(line, a=FIFTY)
            Reconciler(line.database, lambda: NOW).look(line.source, [b"a.txt"])

    line.between = come_back
    line.run()
    assert line.words() == {"a.txt": FIFTY}
    assert line.totals.chunks["embedded"] == embedded
    line.between = lambda: None
    line.assert_tidy()


def test_a_file_that_goes_between_two_pages(line: LongLine) -> None:
    """Nothing more of it is written, and what is in goes."""
    write(line, a=FIFTY)
    pages = itertools.count()

    def remove() -> None:
        if next(pages) == 3:
            write(line, a=None)
            Reconciler(line.database, lambda: NOW).reconcile(line.source, accept_deletes=True)

    line.between = remove
    line.run()
    assert line.totals.chunks["upserted"] < 20
    assert line.words() == {}
    line.assert_tidy()


@pytest.mark.parametrize("moved", [True, False])
def test_a_long_document_is_labelled_in_pages(line: LongLine, *, moved: bool) -> None:
    """A rename and a touch write labels only, no more than a page at once."""
    write(line, a=FIFTY)
    line.run()
    root = Path(os.fsdecode(line.source.root))
    if moved:
        (root / "a.txt").rename(root / "b.txt")
    else:
        os.utime(root / "a.txt", (2e9, 2e9))
    before = line.totals.chunks.copy()
    line.collection.calls.clear()
    line.run()
    done = line.totals.chunks - before
    assert done == {"relabelled": 50}
    assert {len(ids) for _, ids in line.collection.calls} == {4, 2}
    found = {str(values["modified_at"]) for values in line.view().values()}
    assert line.words() == {"b.txt" if moved else "a.txt": FIFTY}
    assert found == {"1000000000.0" if moved else "2000000000.0"}
    line.assert_tidy()


def test_a_forced_long_document_is_written_whole(line: LongLine) -> None:
    """Into the slots that it has."""
    write(line, a=FIFTY)
    line.run()
    slots = line.slots("a.txt")
    with line.database.write() as connection:
        key = line.document("a.txt").id
        connection.execute(work.documents.update().values(forced=True, status="pending"))
        assert key
    before = line.totals.chunks.copy()
    line.run()
    assert line.totals.chunks - before == {"upserted": 50, "reused": 50}
    assert line.slots("a.txt") == slots
    line.assert_tidy()


def test_a_refused_page_leaves_the_pages_before(line: LongLine) -> None:
    """The plan of that page is taken back; what is in stays, and the next attempt keeps it."""
    write(line, a=FIFTY)

    def refuse(ids: Sequence[str], *rest: Any) -> None:
        texts: Sequence[str] = rest[1]
        if any(text.startswith("w21 ") for text in texts):
            raise RefusedError("too large")
        upsert(ids, *rest)

    upsert = line.collection.upsert
    line.collection.upsert = refuse  # type: ignore[method-assign]
    with pytest.raises(RefusedError):
        line.run()
    assert line.words() == {"a.txt": words(*range(20))}
    with line.database.read() as connection:
        assert chunks.unsettled(connection) == []
        assert owned.held(connection, [line.document("a.txt").id]) == 20
    line.collection.upsert = upsert  # type: ignore[method-assign]
    before = line.totals.chunks.copy()
    line.drain()
    done = line.totals.chunks - before
    assert (done["upserted"], done["relabelled"], done["embedded"]) == (30, 20, 50 - 24)
    assert line.words() == {"a.txt": FIFTY}
    line.assert_tidy()


# What may fail

FIRST: dict[str, str | None] = {
    "grow": words(*range(5)),
    "edit": words(*range(14)),
    "shrink": words(*(f"s{n}" for n in range(11))),
    "gone": words(*(f"g{n}" for n in range(9))),
    "blank": words(*(f"b{n}" for n in range(7))),
}
THEN: dict[str, str | None] = {
    "grow": words(*range(9)),
    "edit": words("top", *range(5), "new", *range(9, 15), *range(5, 9)),
    "shrink": words("s3", "x"),
    "gone": None,
    "blank": "",
    "short": "a b",
    "arrives": words(*(f"a{n}" for n in range(10))),
}
BACK: dict[str, str | None] = {**FIRST, "short": None, "arrives": None}


STRIDE = 4
"""Each variant tries a fourth of the places: together, all of them."""


class LongTrials(Trials):
    """Trials of long documents."""

    def make(self, database: Database) -> LongLine:
        """A line over the same files."""
        return LongLine(database, self._line.cache, self._line.source, Collection())


@pytest.fixture
def trials(line: LongLine, migrated: Path, tmp_path: Path) -> LongTrials:
    """Trials over the files of the line; every text is in the cache."""
    found = LongTrials(line, migrated, tmp_path)
    for state in (FIRST, THEN, BACK):
        found.write(state)
        found.expected()
    return found


def converges(
    trials: LongTrials,
    fail: Callable[[LongLine, int], bool],
    *,
    first: int,
    crash: bool,
    then: dict[str, str | None],
) -> int:
    """Fail at every few places in turn; after each, the end is that of an undisturbed run."""
    trials.write(THEN)
    trials.write(then)
    expected = trials.expected()
    for number in itertools.count(first, STRIDE):
        trials.write(BACK)
        with trials.line() as line:
            assert isinstance(line, LongLine)
            line.run()
            trials.write(THEN)
            if not fail(line, number):
                return number - 1
            trials.write(then)
            after = line
            if crash:
                after = LongLine(line.database, line.cache, line.source, line.collection)
                after.settle()
            after.run()
            assert after.view() == expected, f"after failure {number}"
            after.assert_tidy()
            assert line.totals.chunks["embedded"] == after.totals.chunks["embedded"] == 0
    raise AssertionError


@pytest.mark.parametrize(
    ("first", "how", "crash", "then"),
    [
        (1, "half", True, THEN),
        (2, "half", False, BACK),
        (3, "before", True, BACK),
        (4, "after", True, THEN),
    ],
)
def test_a_failure_of_any_call_to_the_store_heals(
    trials: LongTrials,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
    how: str,
    then: dict[str, str | None],
    *,
    crash: bool,
) -> None:
    """Done, not done or half done: the end is as if nothing had been, also when files go back."""
    monkeypatch.setattr(place_module, "BATCH", 3)

    def fail(line: LongLine, number: int) -> bool:
        line.collection.how = how
        line.collection.fail_at = len(line.collection.calls) + number
        try:
            line.run()
        except StoreError:
            return True
        return False

    assert converges(trials, fail, first=first, crash=crash, then=then) > 20


@pytest.mark.parametrize(
    ("first", "crash", "then"),
    [(1, True, THEN), (2, True, BACK), (3, False, THEN), (4, False, BACK)],
)
def test_a_failure_of_any_commit_heals(
    trials: LongTrials, first: int, then: dict[str, str | None], *, crash: bool
) -> None:
    """The same when the state table cannot be written: a full disk, or the plug."""

    def fail(line: LongLine, number: int) -> bool:
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

    assert converges(trials, fail, first=first, crash=crash, then=then) > 40
