"""A check of documents with very many chunks: the same findings, and no more than a page held."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, update
from test_check import LONG, MODEL, PIPELINE, Home

from ingestd.check.checker import Checker, Parts
from ingestd.check.findings import Finding, Kind, Remedy, Summary
from ingestd.check.reading import Reader
from ingestd.check.strays import StrayCheck
from ingestd.cli import comparing
from ingestd.embed.chroma.memory import MemoryCollection
from ingestd.embed.spool import Spool, SpoolError
from ingestd.ports import Chunk
from ingestd.repair import Repairer
from ingestd_state import chunks, documents, owned, sources
from ingestd_state.schema import chunks as rows
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingestd.ports import Record
    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

MANY = 100_000
"""Chunks of a long document; its rows alone are 40 MB in memory."""
NAMES = ("a.md", "sub/b.md", "c.md", "d.md", "e.md")


@pytest.fixture
def home(database: Database, cache: Database, source: Callable[..., WatchedSource]) -> Home:
    """Documents of several chunks, each with titles of its own; read again, all are long."""
    home = Home(database, cache, source(), long_chunks=0)
    for name in NAMES:
        home.write(name, f"# {name}\n\n{LONG.replace('word', name[0])}\n")
    home.index()
    return home


def set_rows(home: Home, name: str, ordinals: Sequence[int], **values: object) -> None:
    """Change rows of a document behind everybody's back."""
    key = home.document(name).id
    with home.database.write() as connection:
        connection.execute(
            update(rows)
            .where(rows.c.document_id == key, rows.c.ordinal.in_(ordinals))
            .values(**values)
        )


def lose_row(home: Home, name: str, ordinal: int) -> None:
    """Let the table forget a chunk."""
    key = home.document(name).id
    with home.database.write() as connection:
        where = (rows.c.document_id == key, rows.c.ordinal == ordinal)
        connection.execute(delete(rows).where(*where))


def twin(home: Home, name: str, ordinal: int) -> None:
    """Give a chunk a second row."""
    key = home.document(name).id
    with home.database.write() as connection:
        where = (rows.c.document_id == key, rows.c.ordinal == ordinal)
        row = connection.execute(select(rows).where(*where)).one()
        values = {**dict(row._mapping), "slot": f"{row.slot}-twin"}  # noqa: SLF001 - the public name
        connection.execute(insert(rows).values(values))


DAMAGES: dict[str, Callable[[Home], object]] = {
    "sound": lambda _home: None,
    "planned": lambda home: set_rows(home, "a.md", [2], status="planned"),
    "doomed": lambda home: set_rows(home, "a.md", [0, 3], status="doomed"),
    "shifted": lambda home: set_rows(home, "a.md", [1], ordinal=70),
    "too many": lambda home: home.set_row("a.md", chunk_count=2),
    "too few": lambda home: home.set_row("a.md", chunk_count=70),
    "cut otherwise": lambda home: set_rows(home, "a.md", [1, 2], start=7),
    "lost": lambda home: (lose_row(home, "a.md", 0), lose_row(home, "sub/b.md", 3)),
    "twice": lambda home: (twin(home, "a.md", 1), twin(home, "a.md", 3)),
    "stray": lambda home: [
        home.overwrite(home.slot(name, 1), id=f"copy of {name}", metadata={"ordinal": ordinal})
        for name, ordinal in (("a.md", 1), ("sub/b.md", 1.0), ("c.md", 10**18), ("d.md", "1"))
    ],
    "text": lambda home: home.overwrite(home.slot("a.md", 2), text="something else"),
    "title": lambda home: home.overwrite(home.slot("a.md", 2), metadata={"title": "X"}),
    "lang": lambda home: home.overwrite(home.slot("d.md", 2), metadata={"lang": "xx"}),
    "slots": lambda home: home.collection.delete([home.slot(n, 1).id for n in NAMES]),
    "given up": lambda home: (home.set_row("a.md", status="dead"), twin(home, "a.md", 0)),
    "edited": lambda home: home.write("a.md", "# Other\n\nText.\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_a_long_document_has_the_findings_of_a_short_one(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    *,
    deep: bool,
    running: bool,
) -> None:
    """Whether its rows and chunks are in memory or come page by page; and repair does the same."""
    DAMAGES[damage](home)
    options: dict[str, Any] = {"deep": deep, "running": running, "sleep": lambda _s: None}
    long, checker = home.check(**options)
    for page in (1, 3):
        with monkeypatch.context() as patch:
            patch.setattr("ingestd.check.rows.AT_ONCE", page)
            patch.setattr("ingestd.check.slots.PAGE", page)
            found, other = home.check(**options)
        assert found == long
        assert other.summary == checker.summary
    monkeypatch.setattr(home, "_reading", home.preparer)
    short, other = home.check(**options)
    assert short == long
    assert other.summary == checker.summary
    assert bool(long) == (damage != "sound" and (deep or damage != "lang"))


def test_repair_does_the_same_for_a_long_document(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is marked does not depend on how the rows came."""
    monkeypatch.setattr("ingestd.check.rows.AT_ONCE", 1)
    home.collection.delete([home.slot("a.md", 1).id, home.slot("a.md", 2).id])
    home.overwrite(home.slot("c.md"), id="copy")
    plan = Repairer(home.database, {"docs": home.source}).mark(home.check()[0])
    assert plan.actions == {Remedy.REWRITE: 2, Remedy.DELETE: 1}
    document = home.document("a.md")
    assert (document.status, document.forced) == (DocumentStatus.PENDING, True)
    assert home.check()[0] == []


class Hollow(MemoryCollection):
    """A collection in which nothing is."""

    def __init__(self) -> None:
        super().__init__("ingestd")
        self.asked = 0

    def get(self, ids: Sequence[str], *, embeddings: bool = False) -> list[Record]:
        """Nothing."""
        self.asked += len(ids)
        return []


@pytest.fixture
def endless(home: Home) -> str:
    """The id of a document of very many chunks, all of them in the table, none in the collection.

    The table believes that it has few, as after a large file has become a small one.
    """
    key = home.document("c.md").id
    with home.database.write() as connection:
        connection.execute(delete(rows).where(rows.c.document_id == key))
        for first in range(0, MANY, 10_000):
            connection.execute(
                insert(rows),
                [
                    {
                        "slot": f"{key}-{number}",
                        "document_id": key,
                        "ordinal": number,
                        "start": number,
                        "end": number + 1,
                        "digest": number.to_bytes(32, "big"),
                        "status": "live",
                    }
                    for number in range(first, first + 10_000)
                ],
            )
        connection.execute(delete(rows).where(rows.c.document_id != key))
        connection.execute(delete(table).where(table.c.id != key))
    return key


def test_no_more_than_a_page_of_rows_is_held(home: Home, endless: str) -> None:
    """However many chunks a document has, and whatever it is said to have."""
    collection = Hollow()
    with closing(Reader(home.preparer, PIPELINE)) as reader:
        checker = Checker(Parts(home.database, home.cache, lambda _: collection, MODEL, reader))
        tracemalloc.start()
        try:
            kinds = {finding.kind for finding in checker.run()}
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kinds >= {Kind.MISSING}
    assert checker.summary.slots == collection.asked == MANY
    assert peak < 8_000_000, f"{peak / 1e6:.1f} MB"


def test_the_rows_of_a_document_are_counted_where_they_lie(home: Home, endless: str) -> None:
    """What a stray needs to know of its document costs no memory, and nothing a second time."""
    with home.database.read() as connection:
        document = documents.by_id(connection, endless)
        assert owned.held(connection, [endless, "nobody"]) == MANY
        assert owned.distinct(connection, endless) == MANY
        assert owned.has(connection, endless, MANY - 1)
        assert not owned.has(connection, endless, MANY)
        slot = chunks.at(connection, endless, f"{endless}-7")
        assert slot is not None
        assert slot.ordinal == 7
        assert chunks.at(connection, "nobody", f"{endless}-7") is None
    assert document is not None


def test_many_strays_of_one_document_count_its_chunks_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of a million strays would read a million rows."""
    lose_row(home, "a.md", 0)
    found = home.slot("a.md", 0)
    for number in range(50):
        home.overwrite(found, id=f"stray-{number}")
    counted: list[str] = []
    plain = owned.distinct

    def counting(connection: Any, document_id: str) -> int:
        counted.append(document_id)
        return plain(connection, document_id)

    monkeypatch.setattr(owned, "distinct", counting)
    with home.database.read() as connection:
        known = {row.name: (row, home.source.rules) for row in sources.all_sources(connection)}
    strays = list(StrayCheck(home.database, home.collection, known, Summary()).findings())
    assert len(strays) == 51
    assert all(one.implied for one in strays)
    assert counted == [home.document("a.md").id]


def test_a_second_look_at_a_slot_is_at_that_slot_alone(home: Home) -> None:
    """Beside a daemon, each difference is looked at again: not the whole document each time."""
    long = "\n\n".join(f"## Part {part}\n\n{part} and more" for part in range(200))
    home.write("long.md", long)
    home.index()
    ids = [home.slot("long.md", ordinal).id for ordinal in range(200)]
    home.collection.delete(ids)
    asked: list[str] = []
    plain = home.collection.get

    def asking(ids: Sequence[str], **options: Any) -> list[Record]:
        asked.extend(ids)
        return plain(ids, **options)

    home.collection.get = asking  # type: ignore[method-assign]
    assert len(home.found(running=True)) == 200
    assert len(asked) <= 200 + 200 + home.collection.count()


def test_a_difference_that_is_gone_at_the_second_look(home: Home) -> None:
    """Of a slot, and of a document as a whole."""
    lose_row(home, "a.md", 0)
    missing = home.slot("c.md", 1)
    home.collection.delete([missing.id])
    with home.database.read() as connection:
        row = sources.all_sources(connection)[0]
    with closing(Reader(home.preparer, PIPELINE)) as reader:
        checker = Checker(
            Parts(home.database, home.cache, lambda _: home.collection, MODEL, reader)
        )
        findings = [finding for finding in checker.run() if not finding.implied]
        assert [finding.slot for finding in findings] == ["", missing.id]
        slots = checker._slots(home.collection, Summary())  # noqa: SLF001 - the way of the checker

        def again(finding: Finding) -> bool:
            name = finding.path.decode()
            return slots.again(finding, home.document(name), row)

        assert [again(finding) for finding in findings] == [True, True]
        home.set_row("a.md", chunk_count=home.document("a.md").chunk_count - 1)
        set_rows(home, "c.md", [1], status="doomed")
        # The rest of the first one is not numbered from 0: another finding, not the same.
        assert [again(finding) for finding in findings] == [False, False]
        home.set_row("a.md", status="working", forced=True)
        assert not again(findings[0])


def chunk(ordinal: int) -> Chunk:
    """A chunk of a kilobyte."""
    text = f"{ordinal} " * 200
    return Chunk(ordinal, ordinal, ordinal + 1, text, "", (), ordinal.to_bytes(32, "big"))


def test_a_spool_without_a_name(tmp_path: Path) -> None:
    """What a check keeps on the disk is gone with it, however it ends."""
    spool = comparing._spool(SimpleNamespace(state_dir=tmp_path))  # type: ignore[arg-type]  # noqa: SLF001 - nothing else makes it
    assert list(tmp_path.iterdir()) == []
    for first in range(0, 6_000, 500):  # more than SQLite keeps in memory
        spool.add([chunk(number) for number in range(first, first + 500)])
    assert spool.at(0) == chunk(0)
    assert spool.at(5_999) == chunk(5_999)
    assert spool.at(6_000) is None
    assert sum(len(page) for page in spool.pages()) == 6_000
    spool.close()


def test_where_no_spool_can_be_made(tmp_path: Path) -> None:
    """A state directory that takes no file is told as such."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SpoolError, match="file"):
        comparing._spool(SimpleNamespace(state_dir=file))  # type: ignore[arg-type]  # noqa: SLF001 - the same


def test_a_long_document_that_is_read_again_is_on_the_disk(home: Home) -> None:
    """One at a time, and only until another one is read."""
    with closing(Reader(home._reading, PIPELINE)) as reader:  # noqa: SLF001 - as the check reads
        first = reader.read(home.document("a.md"), home.source)
        assert isinstance(first.prepared.spool, Spool)
        assert (first.prepared.chunks, first.total) == ([], home.document("a.md").chunk_count)
        second = reader.read(home.document("c.md"), home.source)
        assert first.prepared.spool is None
        assert second.chunk(1) is not None
        assert second.chunk(second.total) is None
        assert len(list(home.spools.iterdir())) == 1
    assert list(home.spools.iterdir()) == []
