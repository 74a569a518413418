"""The chunks of a long document on disk: in order, by pages, matched with slots, and gone after."""

from __future__ import annotations

import hashlib
import resource
import signal
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingestd.embed import spool as spool_module
from ingestd.embed.spool import Spool, SpoolError, clear_spools
from ingestd.ports import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def chunk(ordinal: int, text: str = "", *, prefix: str = "", start: int = 0) -> Chunk:
    """A chunk of this text."""
    text = text or f"text {ordinal}"
    digest = hashlib.sha256(f"{prefix}\n{text}".encode()).digest()
    return Chunk(ordinal, start, start + len(text), text, prefix, ("A", "b > c"), digest)


def held(slot: str, of: Chunk) -> tuple[str, bytes, int]:
    """What is known of a slot that holds this chunk."""
    return slot, of.digest, of.end - of.start


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    made = Spool(tmp_path / "spool")
    yield made
    made.close()


def test_chunks_come_back_as_they_were(spool: Spool) -> None:
    """In order and by pages, with every field, whatever is in their texts."""
    chunks = [
        chunk(0, "a\0b"),
        chunk(1, "안녕 \U0001f600", prefix="T > \x00"),
        chunk(2, start=1 << 40),
        replace(chunk(5), page=1_000),
    ]
    spool.add(chunks[:3])
    spool.add(chunks[3:])
    spool.add([])
    assert len(spool) == 4
    assert list(spool.pages()) == [chunks]
    assert list(spool.pages(3)) == [chunks[:3], chunks[3:]]
    assert [slot for page in spool.places(2) for _, slot in page] == [None] * 4


def test_an_empty_spool_has_no_pages(spool: Spool) -> None:
    """And no slots that leave."""
    assert list(spool.pages()) == []
    assert spool.leaving(9) == []
    assert len(spool) == 0


def test_a_page_is_bounded_in_characters(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts make short pages; each has at least one chunk."""
    monkeypatch.setattr(spool_module, "PAGE_CHARACTERS", 100)
    spool.add([chunk(n, "x" * length) for n, length in enumerate((500, 40, 40, 40, 1))])
    assert [[c.ordinal for c in page] for page in spool.pages()] == [[0], [1, 2, 3], [4]]


def test_chunks_must_come_in_order(spool: Spool) -> None:
    """A chunk that was there is not taken twice."""
    spool.add([chunk(0), chunk(1)])
    with pytest.raises(ValueError, match="chunk 1 comes after 1"):
        spool.add([chunk(1)])


def test_slots_go_to_the_chunks_that_they_hold(spool: Spool) -> None:
    """In order among equal texts; the length tells texts apart that embed alike; others leave."""
    same = [chunk(n, "same") for n in range(3)]
    spool.add([*same, chunk(3, "own"), chunk(4, "new")])
    longer = chunk(9, "same")
    longer = Chunk(9, 0, 5, "other", "", (), same[0].digest)
    spool.match([held("s1", same[0]), held("x", longer), held("o", chunk(7, "own"))])
    spool.match([held("s2", same[0]), held("y", chunk(0, "gone"))])
    places = [(c.ordinal, slot) for page in spool.places(2) for c, slot in page]
    assert places == [(0, "s1"), (1, "s2"), (2, None), (3, "o"), (4, None)]
    assert spool.leaving(9) == ["x", "y"]


def test_leaving_slots_are_taken_over_in_order(spool: Spool) -> None:
    """A page at a time."""
    spool.leave(["a", "b"])
    spool.leave(["c"])
    assert spool.leaving(2) == ["a", "b"]
    spool.taken(1)
    assert spool.leaving(9) == ["b", "c"]
    spool.taken(2)
    assert spool.leaving(9) == []


def test_a_closed_spool_leaves_nothing(tmp_path: Path) -> None:
    """Closing twice does no harm; it still says how many chunks there were."""
    spool = Spool(tmp_path / "a/b")
    spool.add([chunk(0)])
    assert spool.size_bytes > 0
    spool.close()
    spool.close()
    assert list((tmp_path / "a/b").iterdir()) == []
    assert (len(spool), spool.size_bytes) == (1, 0)


def test_what_a_dead_process_left_is_cleared(tmp_path: Path) -> None:
    """Only spools; a folder that is not there is no failure."""
    clear_spools(tmp_path / "absent")
    spool = Spool(tmp_path)
    (tmp_path / "other").touch()
    clear_spools(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    spool.close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk with little room: a file cannot grow above so many bytes."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_does_not_take_it_is_nobodys_fault(spool: Spool) -> None:
    """It is told as what it is: no document fails for it."""
    chunks = [chunk(n, "x" * 1_000 + str(n)) for n in range(10_000)]
    with files_of_at_most(200_000), pytest.raises(SpoolError, match=r"\.spool: "):
        spool.add(chunks)


def test_twenty_thousand_equal_chunks_are_matched_in_linear_time(spool: Spool) -> None:
    """A file of one line, repeated, is no worse than any other."""
    number = 20_000
    digest = b"d" * 32
    spool.add([Chunk(n, n * 4, n * 4 + 4, "same", "", (), digest) for n in range(number)])
    spool.match((f"s{n}", digest, 4) for n in range(number + 5))
    assert len(spool.leaving(99)) == 5
    assert all(slot == f"s{c.ordinal}" for page in spool.places() for c, slot in page)
