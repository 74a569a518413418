"""Questions of people who look at the page: bounded, and with the daemon's own model and store."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingestd import search
from ingestd.embed.stages import URGENT, Stages
from ingestd.errors import BusyError, NotFoundError, WaitTimeoutError
from ingestd.ports import Hit
from ingestd.search import AT_ONCE, QUESTION_CHARS, WAITING, Searcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database


class Whole:
    """An instance as far as a search looks at it: two sources, each with its own collection."""

    spec = None

    def __init__(self, database: Database, source: Callable[..., WatchedSource]) -> None:
        self.database = database
        self.sources = {
            name: source(name, collection=collection)
            for name, collection in (("docs", "one"), ("notes", "two"))
        }
        self.hits = {
            "one": [Hit("a", 0.1, "a", {"source_name": "docs"})],
            "two": [Hit("b", 0.05, "b", {"source_name": "notes"}), Hit("c", 0.5, "c", {})],
        }
        self.store = self.texts = self.job = self
        self.directory: Path | None = None
        self.stages = Stages(asyncio.Lock())
        self.questions: list[tuple[str, str]] = []
        self.readers: list[str] = []
        self.hang = threading.Event()
        self.hang.set()

    def embed_query(self, text: str) -> Any:
        """Note the question and the thread."""
        self.questions.append((text, threading.current_thread().name))
        return np.zeros(2, "f4")

    def existing(self, name: str, _spec: object) -> Any:
        """A collection, if it is there."""
        self.hang.wait(30)
        self.readers.append(threading.current_thread().name)
        if name not in self.hits:
            return None
        found = self.hits[name]
        return type("C", (), {"query": lambda _, __, n: found[:n], "count": lambda _: len(found)})()


@pytest.fixture
def whole(database: Database, source: Callable[..., WatchedSource]) -> Iterator[Whole]:
    """An instance."""
    made = Whole(database, source)
    yield made
    made.hang.set()
    made.stages.close(wait=True)


def searcher(whole: Whole) -> Searcher:
    """What is tested."""
    instance: Any = whole
    return Searcher(instance)


async def test_the_best_of_all_collections_come_first(whole: Whole) -> None:
    """As many as were asked for, whatever collection they are in; one that is missing has none."""
    asking = searcher(whole)
    assert [hit.id for hit in await asking.search("x", 2)] == ["b", "a"]
    del whole.hits["two"]
    assert [hit.id for hit in await asking.search("x", 2)] == ["a"]
    asking.close()


async def test_one_source_can_be_asked(whole: Whole) -> None:
    """One that is not watched is told."""
    asking = searcher(whole)
    assert [hit.id for hit in await asking.search("x", 5, "docs")] == ["a"]
    with pytest.raises(NotFoundError, match="nobody"):
        await asking.search("x", 5, "nobody")
    asking.close()


async def test_a_question_goes_before_the_next_window_of_documents(whole: Whole) -> None:
    """In the thread of the model, before those who have waited for longer; cut, and normal."""
    first, order = threading.Event(), []
    busy = asyncio.ensure_future(whole.stages.encode.run(lambda: first.wait(30)))
    await asyncio.sleep(0)
    batch = asyncio.ensure_future(whole.stages.encode.run(lambda: order.append("batch"), 5))
    asking = searcher(whole)
    asked = asyncio.ensure_future(asking.search("e\u0301" * QUESTION_CHARS, 1))
    while not whole.stages.encode.pressed:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)
    asked.add_done_callback(lambda _: order.append("answer"))
    whole.hits, embed = {}, whole.embed_query
    whole.embed_query = lambda text: (order.append("question"), embed(text))[1]  # type: ignore[method-assign]
    first.set()
    await asyncio.gather(busy, batch, asked)
    assert order[:2] == ["question", "batch"]
    text, thread = whole.questions[0]
    assert text == "é" * (QUESTION_CHARS // 2)
    assert thread.startswith("encode")
    asking.close()
    assert URGENT < 5


async def test_a_client_in_this_process_is_asked_when_nobody_else_uses_it(whole: Whole) -> None:
    """It is closed and opened anew now and then; a server is asked from a thread of the search."""
    asking = searcher(whole)
    await asking.search("x", 1)
    whole.directory = Path("/data")
    await asking.search("x", 1)
    assert whole.readers[0].startswith("search")
    assert whole.readers[-1].startswith("store")
    whole.stages.halted = True
    with pytest.raises(BusyError):
        await asking.search("x", 1)
    asking.close()


async def test_only_so_many_may_ask_at_once(whole: Whole) -> None:
    """One more is told to ask again; when the others have their answers there is room."""
    whole.hang.clear()
    asking = searcher(whole)
    asked = [asyncio.ensure_future(asking.search("x", 1)) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await asking.search("x", 1)
    whole.hang.set()
    await asyncio.gather(*asked)
    assert len(await asking.search("x", 1)) == 1
    asking.close()


async def test_a_store_that_hangs_is_not_waited_for(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that it took too long; and there are no more threads than before."""
    monkeypatch.setattr(search, "ANSWER_S", 0.05)
    whole.hang.clear()
    asking = searcher(whole)
    for _ in range(2 * AT_ONCE):
        with pytest.raises(WaitTimeoutError):
            await asking.search("x", 1)
    names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("search") for name in names) <= AT_ONCE
    whole.hang.set()
    asking.close()
