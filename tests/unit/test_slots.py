"""Which chunk goes into which slot: for any documents, before and after."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.slots import Assignment, Wanted, assign, assign_page
from ingestd.ports import Chunk
from ingestd_state.chunks import Slot
from ingestd_state.status import ChunkStatus

LIVE, PLANNED, DOOMED = ChunkStatus.LIVE, ChunkStatus.PLANNED, ChunkStatus.DOOMED
TEXTS = "abcdefg"


def chunks(texts: str) -> list[Chunk]:
    """A chunk a letter; equal letters are equal texts."""
    return [
        Chunk(ordinal, ordinal, ordinal + 1, letter, "", (), letter.encode() * 32)
        for ordinal, letter in enumerate(texts)
    ]


def slots(document_id: str, texts: str, statuses: list[ChunkStatus] | None = None) -> list[Slot]:
    """A slot a letter, live where nothing else is said."""
    return [
        Slot(
            f"{document_id}-{n}",
            document_id,
            n,
            n,
            n + 1,
            letter.encode() * 32,
            statuses[n] if statuses else LIVE,
        )
        for n, letter in enumerate(texts)
    ]


def one(before: str, after: str, *, rewrite: bool = False) -> tuple[Assignment, list[Slot]]:
    """Assign a single document."""
    wanted = Wanted("d", len(before), chunks(after), slots("d", before), rewrite)
    (assignment,), doomed = assign([wanted])
    return assignment, doomed


@st.composite
def batches(draw: st.DrawFn) -> list[Wanted]:
    """Some documents, each with slots of any status and any chunks; some leave."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        before = draw(st.text(TEXTS, max_size=8))
        count = len(before)
        statuses = draw(
            st.lists(st.sampled_from(list(ChunkStatus)), min_size=count, max_size=count)
        )
        name = f"d{number}"
        found.append(
            Wanted(
                name,
                count + draw(st.integers(0, 3)),
                chunks(draw(st.text(TEXTS, max_size=8))),
                slots(name, before, statuses),
                draw(st.booleans()),
            )
        )
    return found


@given(batches())
def test_every_chunk_gets_exactly_one_slot(batch: list[Wanted]) -> None:
    """Kept and written together are the chunks, once each, whatever was there before."""
    assignments, _ = assign(batch)
    assert [a.document_id for a in assignments] == [w.document_id for w in batch]
    for assignment, wanted in zip(assignments, batch, strict=True):
        placed = [chunk.ordinal for _, chunk in [*assignment.keep, *assignment.write]]
        assert sorted(placed) == list(range(len(wanted.chunks)))


@given(batches())
def test_no_slot_is_given_twice(batch: list[Wanted]) -> None:
    """No slot is kept, written or doomed twice, and every old slot has exactly one fate."""
    assignments, doomed = assign(batch)
    used = Counter(slot for a in assignments for slot, _ in [*a.keep, *a.write])
    used.update(slot.slot for slot in doomed)
    assert set(used.values()) <= {1}
    old = {slot.slot for wanted in batch for slot in wanted.slots}
    assert old <= set(used)


@given(batches())
def test_kept_slots_hold_their_text(batch: list[Wanted]) -> None:
    """Only a live slot of the document itself that holds the same digest is kept as it is."""
    for assignment, wanted in zip(assign(batch)[0], batch, strict=True):
        own = {slot.slot: slot for slot in wanted.slots}
        for name, chunk in assignment.keep:
            assert own[name].digest == chunk.digest
            assert own[name].status is LIVE
        assert not (wanted.rewrite and assignment.keep)


@given(batches())
def test_a_leaving_slot_is_reused_before_a_fresh_one(batch: list[Wanted]) -> None:
    """A fresh slot is made only when nothing in the batch leaves; then nothing is doomed."""
    assignments, doomed = assign(batch)
    old = {slot.slot for wanted in batch for slot in wanted.slots}
    fresh = [slot for a in assignments for slot, _ in a.write if slot not in old]
    assert not (fresh and doomed)
    arriving = sum(len(wanted.chunks) for wanted in batch)
    assert len(fresh) == max(0, arriving - len(old))
    assert len(doomed) == max(0, len(old) - arriving)


@given(batches())
def test_fresh_slots_are_numbered_on(batch: list[Wanted]) -> None:
    """Fresh slots bear their document's id and the next numbers, which are used up."""
    old = {slot.slot for wanted in batch for slot in wanted.slots}
    for assignment, wanted in zip(assign(batch)[0], batch, strict=True):
        fresh = {slot for slot, _ in assignment.write if slot not in old}
        numbers = range(wanted.next_slot, assignment.next_slot)
        assert fresh == {f"{wanted.document_id}-{number}" for number in numbers}


@given(batches())
def test_the_doomed_are_exactly_the_rest(batch: list[Wanted]) -> None:
    """What nobody took over is doomed, as it was, under the document that it belonged to."""
    assignments, doomed = assign(batch)
    used = {slot for a in assignments for slot, _ in [*a.keep, *a.write]}
    old = {slot.slot: slot for wanted in batch for slot in wanted.slots}
    assert {slot.slot for slot in doomed} == set(old) - used
    for slot in doomed:
        assert slot.status is DOOMED
        assert (slot.document_id, slot.digest) == (
            old[slot.slot].document_id,
            old[slot.slot].digest,
        )


@given(batches())
def test_borrowers_are_those_with_slots_of_others(batch: list[Wanted]) -> None:
    """Who is written last is known, and nobody who gives slots away borrows any."""
    assignments, _ = assign(batch)
    owner = {slot.slot: wanted.document_id for wanted in batch for slot in wanted.slots}
    givers = set()
    for assignment in assignments:
        others = {
            owner[slot]
            for slot, _ in assignment.write
            if owner.get(slot, assignment.document_id) != assignment.document_id
        }
        assert assignment.borrows is bool(others)
        givers |= others
    assert not givers & {a.document_id for a in assignments if a.borrows}


@given(batches())
def test_the_same_batch_gives_the_same_slots(batch: list[Wanted]) -> None:
    """There is no chance in it."""
    assert assign(batch) == assign(batch)


@given(batches())
def test_rows_say_what_is_known(batch: list[Wanted]) -> None:
    """Between plan and live nobody knows what a slot says: each is planned, under its document."""
    for assignment, wanted in zip(assign(batch)[0], batch, strict=True):
        rows = assignment.rows()
        assert {row.document_id for row in rows} <= {wanted.document_id}
        assert {row.status for row in rows} <= {PLANNED}
        assert [row.slot for row in rows] == assignment.slots()
        assert {s for s, _ in (*assignment.keep, *assignment.write)} == set(assignment.slots())
        by_ordinal = {row.ordinal: row.digest for row in rows}
        assert by_ordinal == {chunk.ordinal: chunk.digest for chunk in wanted.chunks}


def test_an_insertion_at_the_top_writes_one_chunk() -> None:
    """30 chunks stay where they are and are relabelled; the new one gets a fresh slot."""
    before = "".join(chr(ord("A") + n) for n in range(30))
    assignment, doomed = one(before, "!" + before)
    assert [(slot, chunk.text) for slot, chunk in assignment.write] == [("d-30", "!")]
    assert [slot for slot, _ in assignment.keep] == [f"d-{n}" for n in range(30)]
    assert (doomed, assignment.next_slot) == ([], 31)


def test_an_edit_takes_over_its_own_slot() -> None:
    """One changed chunk is one upsert into the slot of the old text: no gap, no growth."""
    assignment, doomed = one("abc", "axc")
    assert [(slot, chunk.text) for slot, chunk in assignment.write] == [("d-1", "x")]
    assert doomed == []


def test_repeated_texts_have_a_slot_each() -> None:
    """A text that occurs three times keeps three slots; a fourth one is written."""
    assignment, doomed = one("aaa", "aaaa")
    assert len(assignment.keep) == 3
    assert [slot for slot, _ in assignment.write] == ["d-3"]
    assignment, doomed = one("aaa", "a")
    assert (len(assignment.keep), len(assignment.write), len(doomed)) == (1, 0, 2)


def test_a_rewrite_writes_every_chunk_into_its_slot() -> None:
    """When the collection is not believed, each chunk is sent again to where it is."""
    assignment, doomed = one("abc", "abc", rewrite=True)
    assert [slot for slot, _ in assignment.write] == ["d-0", "d-1", "d-2"]
    assert (assignment.keep, doomed) == ([], [])


def test_one_document_takes_over_from_another() -> None:
    """What a document leaves goes to another of the batch before anything is deleted."""
    leaving = Wanted("old", 2, (), slots("old", "ab"))
    arriving = Wanted("new", 0, chunks("xyz"), ())
    (first, second), doomed = assign([arriving, leaving])
    assert [slot for slot, _ in first.write] == ["old-0", "old-1", "new-0"]
    assert (first.borrows, first.next_slot) == (True, 1)
    assert (second.write, doomed) == ([], [])


def test_a_slot_whose_content_is_not_known_is_written() -> None:
    """A planned slot may hold anything: the same digest in its row is no reason to keep it."""
    wanted = Wanted("d", 1, chunks("a"), slots("d", "a", [PLANNED]))
    (assignment,), doomed = assign([wanted])
    assert [slot for slot, _ in assignment.write] == ["d-0"]
    assert (assignment.keep, doomed) == ([], [])


def test_the_same_embedded_text_cut_otherwise_is_written() -> None:
    """A title that moves from the text to the prefix: the same digest, but another text to show."""
    before = [Slot("d-0", "d", 0, 0, 6, b"T" * 32, LIVE)]
    after = [Chunk(0, 9, 13, "rest", "T", ("T",), b"T" * 32)]
    (assignment,), doomed = assign([Wanted("d", 1, after, before)])
    assert [(slot, chunk.text) for slot, chunk in assignment.write] == [("d-0", "rest")]
    assert (assignment.keep, doomed) == ([], [])


def test_a_page_of_a_long_document_keeps_takes_over_and_adds() -> None:
    """What holds a text keeps it, the others take what leaves, in order, and then fresh slots."""
    places = list(zip(chunks("abcde"), ("s", None, None, "t", None), strict=True))
    page = assign_page("d", 7, places, ["x", "y"])
    assert [(slot, chunk.text) for slot, chunk in page.keep] == [("s", "a"), ("t", "d")]
    assert [(slot, chunk.text) for slot, chunk in page.write] == [
        ("x", "b"),
        ("y", "c"),
        ("d-7", "e"),
    ]
    assert (page.next_slot, page.borrows) == (8, False)
    again = assign_page("d", 7, places, [], rewrite=True)
    assert (again.keep, again.next_slot) == ([], 10)
    assert [slot for slot, _ in again.write] == ["s", "d-7", "d-8", "t", "d-9"]
