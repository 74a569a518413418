"""What is sent to those who look: what changed, seldom, and to a few."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_page_view import facts, waiting

from ingestd.errors import BusyError
from ingestd.history import History
from ingestd.page import events
from ingestd.page.events import MOST, Events, message
from ingestd.page.facts import Facts, Gatherer
from ingestd.page.view import SECTIONS
from ingestd_state.engine import DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Told:
    """Facts that are set by hand, and how often they were asked for."""

    def __init__(self) -> None:
        self.now: Facts = facts()
        self.asked = 0

    async def gather(self) -> Facts:
        """What was set."""
        self.asked += 1
        return self.now


def listening(told: Told) -> Events:
    """Events that look without a pause."""
    found: Any = told
    return Events(found, every_s=0.001)


async def names(stream: AsyncIterator[bytes]) -> list[str]:
    """The events that come together next."""
    got = await asyncio.wait_for(anext(stream), 10)
    return [line.removeprefix("event: ") for line in got.decode().split("\n") if "event:" in line]


def test_lines_of_an_event_are_marked_one_by_one() -> None:
    """An empty line would end it."""
    assert message("state", "a\n\nb") == b"event: state\ndata: a\ndata: \ndata: b\n\n"


async def test_all_sections_come_first_then_those_that_changed() -> None:
    """Who comes back after a while has the whole page."""
    told = Told()
    stream = listening(told).stream("en")
    assert await names(stream) == ["hello"]
    assert await names(stream) == list(SECTIONS)
    told.now = replace(told.now, table={**told.now.table, "runs": [run()]})
    assert await names(stream) == ["runs"]
    told.now = waiting(3)
    assert await names(stream) == ["state", "figures", "runs"]
    await stream.aclose()  # type: ignore[attr-defined]


def run() -> dict[str, Any]:
    """A run that was done."""
    return {"kind": "drain", "started_at": 1.0, "seconds": 1.0, "outcome": "done", "counts": {}}


async def test_while_nothing_changes_there_is_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A comment, so that both ends see that the other is there."""
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    stream = listening(Told()).stream("en")
    await names(stream)
    await names(stream)
    assert await asyncio.wait_for(anext(stream), 10) == b": alive\n\n"


async def test_a_few_may_look_and_who_leaves_makes_room() -> None:
    """One more than that is told to come back."""
    many = listening(Told())
    streams = [many.stream("en") for _ in range(MOST)]
    for stream in streams:
        await names(stream)
    assert many.listening == MOST
    with pytest.raises(BusyError, match="open already"):
        many.stream("en")
    await streams[0].aclose()  # type: ignore[attr-defined]
    assert await names(many.stream("en")) == ["hello"]


async def test_a_stop_ends_every_stream() -> None:
    """Without waiting for the next look."""
    told = Told()
    found: Any = told
    many = Events(found, every_s=3_600)
    stream = many.stream("en")
    await names(stream)
    await names(stream)
    ending = asyncio.ensure_future(anext(stream, b"end"))
    await asyncio.sleep(0)
    many.close()
    assert await asyncio.wait_for(ending, 10) == b"end"
    assert many.listening == 0


async def test_many_who_look_cost_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTML of the same facts in one language is made once."""
    made: list[str] = []
    monkeypatch.setattr(
        events, "sections", lambda view: made.append(view.say.code) or {"state": "x"}
    )
    many = listening(Told())
    for code in ("en", "ko", "en", "en", "ko"):
        await many.sections(code)
    assert made == ["en", "ko"]


class Table:
    """Stands for all that facts are gathered from."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.reads, self.away = 0.0, 0, False
        monkeypatch.setattr("ingestd.page.facts.from_table", self.read)
        whole: Any = self
        self.gatherer = Gatherer(whole, whole, self.Day(), clock=lambda: self.now)

    class Day(History):
        """The last day, of which nothing is known."""

        def __init__(self) -> None:
            super().__init__(Path("/nonexistent"), lambda: (0, 0), lambda: 0)

    database = None
    last = facts()

    @property
    def totals(self) -> Any:
        """What was done."""
        return type("Totals", (), {"done": 0})

    def clock(self) -> float:
        """The time of day."""
        return self.now

    async def look(self) -> Any:
        """The health."""
        return self.last.health

    def read(self, *_: object) -> Any:
        """The table."""
        self.reads += 1
        self.now += 0.5  # so long it takes
        if self.away:
            raise DatabaseError("away")
        return self.last.table


async def test_the_table_is_counted_for_a_twentieth_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many look: half a second of counting is followed by ten of rest."""
    table = Table(monkeypatch)
    for _ in range(100):
        await table.gatherer.gather()
        table.now += 0.1
    assert table.reads == 1
    table.now += 1
    await table.gatherer.gather()
    assert table.reads == 2


async def test_a_table_that_is_away_leaves_what_was_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page goes on, with what is wrong on it; one that never could be read is empty."""
    table = Table(monkeypatch)
    table.away = True
    assert (await table.gatherer.gather()).table["documents"]["indexed"] == 0
    table.away, table.now = False, 100
    await table.gatherer.gather()
    table.away, table.now = True, 200
    assert (await table.gatherer.gather()).table["documents"]["indexed"] == 1_200
