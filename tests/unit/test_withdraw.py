"""Documents that the collection refuses, and plans that broke off: nobody else pays for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_write import NOW, Collection, Line, write

from ingestd.embed.chroma.calls import RefusedError
from ingestd.embed.prepared import Outcome
from ingestd.embed.withdraw import withdraw
from ingestd.errors import DocumentError, StoreError
from ingestd.reconcile import Reconciler
from ingestd_state import chunks, orphans, work
from ingestd_state.chunks import Slot
from ingestd_state.status import ChunkStatus, DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.embed.prepared import Prepared
    from ingestd.ports import Metadata, Vectors
    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

PLANNED = ChunkStatus.PLANNED


class Picky(Collection):
    """A collection that refuses every request with poison in it."""

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots, or refuse all of them."""
        if any("poison" in text for text in texts):
            raise RefusedError("too large")
        super().upsert(ids, embeddings, texts, metadatas)


class PickyLine(Line):
    """Deals with a refusal as the embed job does: one by one, and the culprit fails."""

    def process(self, batch: Sequence[Document]) -> None:
        """Take a batch to its end."""
        entries = self.prepare(batch)
        tombstones = [entry for entry in batch if entry.status is DocumentStatus.DELETED]
        self.attempt(entries, tombstones)

    def attempt(self, entries: Sequence[Prepared], tombstones: Sequence[Document]) -> None:
        """Write; when it is refused, each by itself."""
        contents = [entry for entry in entries if entry.outcome is Outcome.CONTENT]
        try:
            self.writer.write(contents, tombstones, "ingestd")
        except RefusedError as error:
            if len(entries) + len(tombstones) == 1:
                self.recorder.record([entry.failed(DocumentError(str(error))) for entry in entries])
                return
            for entry in entries:
                self.attempt([entry], [])
            for tombstone in tombstones:
                self.attempt([], [tombstone])
            return
        self.recorder.record(entries)

    def settled(self) -> None:
        """Nothing of a plan is left, and the table says what the collection holds."""
        self.writer.settle()
        with self.database.read() as connection:
            assert chunks.unsettled(connection) == []
            assert chunks.doomed(connection, 9) == []
            assert orphans.count(connection) == 0
            rows = connection.execute(chunks.chunks.select()).all()
        records = {record.id: record.metadata for record in self.collection.page(0, 10_000)}
        assert {row.slot for row in rows} == set(records)
        for row in rows:
            said = records[row.slot]
            assert (row.document_id, row.ordinal) == (said["document_id"], said["ordinal"])
            assert row.digest.hex() == said["chunk_digest"]


@pytest.fixture
def line(database: Database, cache: Database, source: Callable[..., WatchedSource]) -> PickyLine:
    """A line to a collection that refuses poison."""
    return PickyLine(database, cache, source(), Picky())


def test_a_refused_document_keeps_what_it_had(line: PickyLine) -> None:
    """Its old version stays searchable, and is what the table says; others are indexed."""
    write(line, a="a b c", b="x")
    line.run()
    write(line, a="a poison", b="X", c="new")
    line.run()
    assert line.words() == {"a.txt": "a b c", "b.txt": "X", "c.txt": "new"}
    assert line.document("a.txt").status is DocumentStatus.FAILED
    assert line.document("b.txt").status is DocumentStatus.INDEXED
    assert line.document("a.txt").chunk_count == 3
    line.settled()


def test_a_refused_document_keeps_no_slot_of_another(line: PickyLine) -> None:
    """What was lent to it goes back: a deleted document is gone, a shorter one is as it is."""
    write(line, gone="g h i", short="s t u v")
    line.run()
    write(line, gone=None, short="s", poison="poison 1 2 3 4 5 6 7 8")
    line.run()
    line.settled()
    assert line.words() == {"short.txt": "s"}
    assert line.document("poison.txt").status is DocumentStatus.FAILED
    assert line.document("poison.txt").chunk_count == 0


def test_a_refused_document_is_written_when_it_is_well_again(line: PickyLine) -> None:
    """After a refusal, an edit is taken up as any other, and nothing is left of before."""
    write(line, a="a b c", b="x y z")
    line.run()
    write(line, a="a poison b c d e f", b="x")
    line.run()
    write(line, a="a b c d")
    line.run()
    line.settled()
    assert line.words() == {"a.txt": "a b c d", "b.txt": "x"}
    line.assert_tidy()


def test_a_refused_document_that_goes_back_embeds_and_writes_nothing(line: PickyLine) -> None:
    """Its slots hold the old text still, and the table knows it."""
    write(line, a="a b c")
    line.run()
    write(line, a="a poison c")
    line.run()
    write(line, a="a b c")
    line.collection.calls.clear()
    line.run()
    assert line.collection.kinds() == ["relabel"]
    line.assert_tidy()


def test_a_refused_document_that_is_deleted_leaves_nothing(line: PickyLine) -> None:
    """Whether it was ever indexed or not."""
    write(line, a="a b c", b="x")
    line.run()
    write(line, a="poison", new="poison poison")
    line.run()
    write(line, a=None, new=None)
    line.run()
    line.settled()
    assert line.words() == {"b.txt": "x"}
    line.assert_tidy()


def test_an_attempt_that_broke_off_leaves_no_slot_in_limbo(line: PickyLine) -> None:
    """A borrower whose file is lost before it is written again does not hold a lender's text."""
    write(line, lender="a b c d")
    line.run()
    write(line, lender="a", borrower="x y z")
    line.collection.fail_at = len(line.collection.calls) + 1
    with pytest.raises(StoreError):
        line.run()
    with line.database.read() as connection:
        assert len(chunks.unsettled(connection)) == 2
    line.settled()
    write(line, borrower="poison")
    line.run()
    line.settled()
    assert line.words() == {"lender.txt": "a"}


def test_what_got_in_before_the_end_stays_in(line: PickyLine) -> None:
    """Settling believes the collection: what the broken attempt wrote is not written again."""
    write(line, a="a b c d")
    line.collection.how, line.collection.fail_at = "half", 1
    with pytest.raises(StoreError):
        line.run()
    line.settled()
    assert line.words() == {"a.txt": "a b"}
    line.run()
    key = line.document("a.txt").id
    last = [ids for name, ids in line.collection.calls if name == "upsert"][-1]
    assert list(last) == [f"{key}-2", f"{key}-3"]
    line.assert_tidy()


def test_a_lender_of_the_same_plan_gets_its_slot_back(line: PickyLine) -> None:
    """Its old text is searchable, and known to be its own, until its new text is in."""
    write(line, lender="a b c", taker="t")
    line.run()
    write(line, lender="A", taker="t x y")
    line.collection.fail_at = len(line.collection.calls) + 1
    with pytest.raises(StoreError):
        line.run()
    line.settled()
    assert line.words() == {"lender.txt": "a b c", "taker.txt": "t"}
    assert len(line.slots("lender.txt")) == 3
    line.run()
    assert line.words() == {"lender.txt": "A", "taker.txt": "t x y"}
    line.assert_tidy()


def planned(line: PickyLine, name: str, *slots: str) -> str:
    """Give a document rows that a plan left."""
    key = line.document(name).id
    rows = [Slot(slot, key, 9, 0, 1, b"?" * 32, PLANNED) for slot in slots]
    with line.database.write() as connection:
        chunks.plan(connection, rows)
    return key


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"document_id": "stranger", "ordinal": 0, "start": 0, "end": 1, "chunk_digest": "00"},
        {"document_id": "own", "ordinal": 0, "start": 0, "end": 1},
        {"document_id": "own", "ordinal": "no", "start": 0, "end": 1, "chunk_digest": "00"},
        {"document_id": "own", "ordinal": 0, "start": 0, "end": 1, "chunk_digest": "xyz"},
    ],
)
def test_a_slot_that_does_not_say_whose_it_is_goes(line: PickyLine, said: Metadata) -> None:
    """What somebody else wrote into a slot of ours is deleted; the document is written anew."""
    write(line, a="a b")
    line.run()
    key = line.document("a.txt").id
    said = {name: key if value == "own" else value for name, value in said.items()}
    vector = np.ones((1, 16), dtype=np.float32)
    super(Collection, line.collection).upsert(["odd"], vector, ["?"], [said])
    planned(line, "a.txt", "odd", "absent")
    line.recorder.recover()
    line.settled()
    assert line.words() == {"a.txt": "a b"}
    line.run()
    line.assert_tidy()


def test_a_collection_that_does_not_answer_changes_nothing(line: PickyLine) -> None:
    """The plan stays as it is until the collection can be asked."""
    write(line, a="a b")
    line.run()
    key = planned(line, "a.txt", "a-9")

    class Away(Picky):
        def get(self, ids: Sequence[str], *, embeddings: bool = False) -> list[object]:  # type: ignore[override]
            raise StoreError("away")

    with pytest.raises(StoreError, match="away"):
        withdraw(line.database, Away(), [key])
    with line.database.read() as connection:
        assert [entry for entry, _ in chunks.unsettled(connection)] == [key]


def test_one_poison_document_holds_up_nobody(line: PickyLine) -> None:
    """Every other document of its batch is indexed while it fails, time and again."""
    write(line, poison="poison", **{f"d{number}": f"w{number}" for number in range(20)})
    Reconciler(line.database, lambda: NOW).reconcile(line.source)
    for _ in range(3):
        line.drain()
        assert len(line.words()) == 20
        with line.database.write() as connection:
            key = line.document("poison.txt").id
            connection.execute(
                work.documents.update().where(work.documents.c.id == key).values(retry_at=NOW)
            )
    assert line.document("poison.txt").attempts == 3
