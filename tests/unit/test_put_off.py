"""Documents with pictures of text: put off, read by somebody else, and in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from test_job import Bench

from ingestd.embed import model
from ingestd.embed.chunk import Chunker
from ingestd.embed.extract.scans import LATER, PutOffError
from ingestd.embed.job import EmbedJob
from ingestd.embed.prepare import Preparer
from ingestd.embed.prepared import Outcome
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import StoppedError
from ingestd.embed.scanner import Scanner
from ingestd.embed.tokenize import open_tokenizer
from ingestd.errors import StoreError
from ingestd_state import documents, due
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from ingestd.embed.reading.parts import Part
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database


class Puts(Cutter):
    """Puts off whatever is named like a picture."""

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """Cut, unless it is one."""
        if b".png" in name:
            raise PutOffError
        yield from super().cut(fd, name, size, guard=guard)


class Reads(Cutter):
    """A pool whose child reads pictures, slowly: the test says when a page is done."""

    pid = None

    def __init__(self, chunker: Chunker) -> None:
        super().__init__(chunker)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.ended = bool
        self.still = False

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """Cut, when it may."""
        if self.still:
            raise PutOffError
        self.begun.set()
        while not self.go_on.wait(0.01):
            if self.ended():
                raise StoppedError("broken off")
        yield from super().cut(fd, b"a.txt", size, guard=guard)

    def close(self) -> None:
        """Let go of the document in hand."""
        self.ended = lambda: True

    def recycle(self) -> None:
        """Nothing."""


class Desk(Bench):
    """A job with somebody who reads pictures."""

    def __init__(self, database: Database, cache: Database, source: WatchedSource) -> None:
        super().__init__(database, cache, source)
        chunker = Chunker(open_tokenizer(model.locate("hash")))
        self.reads = Reads(chunker)
        common: dict[str, Any] = {"file_bytes": 10_000, "clock": self.clock}
        pool: Any = self.reads
        scanner = Scanner(Preparer(self.reads, "p", **common), pool)
        parts = self.job._parts  # noqa: SLF001 - the same parts, and one more
        fields = {name: getattr(parts, name) for name in parts.__slots__}
        fields |= {"preparer": Preparer(Puts(chunker), "p", **common), "scanner": scanner}
        self.job.close()
        self.job = EmbedJob(type(parts)(**fields), {source.id: source})

    def state(self, name: str) -> documents.Document:
        """What the table says of a file."""
        with self.database.read() as connection:
            found = documents.get(connection, self.source.id, f"{name}.txt".encode())
        assert found is not None
        return found

    def run(self, *, meanwhile: Any = None) -> int:
        """Drain; meanwhile, once a picture is being read, something else."""

        async def both() -> int:
            drained = asyncio.create_task(self.job.drain())
            if meanwhile is None:
                self.reads.go_on.set()
            else:
                await asyncio.to_thread(self.reads.begun.wait, 10)
                await meanwhile()
            return await drained

        return asyncio.run(both())


@pytest.fixture
def desk(
    database: Database, cache: Database, source: Callable[..., WatchedSource]
) -> Iterator[Desk]:
    """A job on one source."""
    made = Desk(database, cache, source())
    yield made
    made.reads.go_on.set()
    made.job.close()


async def until(condition: Any) -> None:
    """Wait until it holds."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never held")


def test_what_is_put_off_comes_last(desk: Desk) -> None:
    """After all others, in the same drain; and then it is like any other."""
    desk.write(**{"a.png": "picture", "b.md": "b words", "c.md": "c words"})
    assert desk.run() == 3
    assert desk.collection.texts() == ["b words", "c words", "picture"]
    found = desk.state("a.png")
    assert (found.status, found.priority, found.reason) == (DocumentStatus.INDEXED, 0, "")


def test_it_is_in_nobodys_way(desk: Desk) -> None:
    """While a picture is read, others come, are written, and can be searched."""
    desk.write(**{"a.png": "picture"})

    async def edit() -> None:
        assert desk.state("a.png").status is DocumentStatus.WORKING
        desk.write(**{"b.md": "b words"})
        desk.job.poke()
        await until(lambda: desk.collection.texts() == ["b words"])
        await desk.job.rest()  # does not wait for the picture
        desk.reads.go_on.set()

    assert desk.run(meanwhile=edit) == 2
    assert desk.collection.texts() == ["b words", "picture"]


def test_a_stop_does_not_wait_for_it(desk: Desk) -> None:
    """It is due again, and still put off."""
    desk.write(**{"a.png": "picture"})

    async def stop() -> None:
        desk.job.stop()

    desk.run(meanwhile=stop)
    found = desk.state("a.png")
    assert (found.status, found.priority) == (DocumentStatus.PENDING, due.PUT_OFF)


def test_a_store_that_fails_does_not_wait_for_it(desk: Desk) -> None:
    """What breaks off a drain breaks off the reading of a picture."""
    desk.write(**{"a.png": "picture"})

    async def fail() -> None:
        desk.collection.away = StoreError("away")
        desk.write(**{"b.md": "b words"})
        desk.job.poke()

    with pytest.raises(StoreError, match="away"):
        desk.run(meanwhile=fail)
    assert desk.state("a.png").status is DocumentStatus.PENDING
    desk.collection.away = None
    assert desk.run() == 2
    assert desk.collection.texts() == ["b words", "picture"]


def test_the_old_text_stays_until_the_new_one_is_read(desk: Desk) -> None:
    """No gap: an edited picture is found by what it said until it is read again."""
    desk.write(**{"a.png": "old"})
    desk.run()
    desk.reads.begun.clear()
    desk.reads.go_on.clear()
    desk.write(**{"a.png": "newer"})

    async def look() -> None:
        assert desk.collection.texts() == ["old"]
        desk.reads.go_on.set()

    desk.run(meanwhile=look)
    assert desk.collection.texts() == ["newer"]


def test_it_is_not_put_off_for_ever(desk: Desk) -> None:
    """Who should read it puts it off again: that is a failure."""
    desk.reads.still = True
    desk.write(**{"a.png": "picture"})
    desk.run()
    found = desk.state("a.png")
    assert found.status is DocumentStatus.FAILED
    assert "its pictures of text are not read" in found.error_text


def test_what_is_put_off_says_so(desk: Desk) -> None:
    """In the table, with its reason."""
    desk.write(**{"a.png": "picture"})
    document = desk.state("a.png")
    prepared = desk.job._parts.preparer.prepare(document, desk.source)  # noqa: SLF001
    assert (prepared.outcome, prepared.reason) == (Outcome.LATER, LATER)
    with desk.database.write() as connection:
        due.claim(connection, desk.now, [desk.source.id], limit=1, limit_bytes=1_000)
    desk.job._parts.recorder.record([prepared])  # noqa: SLF001
    found = desk.state("a.png")
    assert (found.status, found.reason, found.priority) == (
        DocumentStatus.PENDING,
        LATER,
        due.PUT_OFF,
    )
