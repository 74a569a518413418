"""SIGKILL between any two steps of the write order: the next run ends as if it had not been.

Each test copies an index of a folder as it was, dies at one place while it takes up what has
changed since, runs again, and compares everything with a run that nobody disturbed.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb
import pytest
from daemon import eventually, free_port
from forked import Zygote
from history import (
    LIMITS,
    View,
    after,
    assert_exact,
    before,
    collection_of,
    long_after,
    long_before,
    rows,
    same_documents,
    stored,
    stray,
    write,
)

from ingestd.embed.chroma import ended
from ingestd_state.failpoint import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forked import Ended

SCENARIOS: dict[str, tuple[int, ...]] = {
    "claim.committed": (1, 3),
    "embed.window": (1, 2),
    "plan.begun": (1, 2),
    "plan.committed": (1, 3),
    "upsert.part": (1, 2, 4),
    "upsert.done": (1, 2),
    "relabel.part": (1, 2),
    "live.begun": (1, 2),
    "live.committed": (1, 2),
    "doomed.deleted": (1,),
    "doomed.forgotten": (1,),
    "labels.part": (1, 2),
    "labels.done": (1,),
    "outcome.begun": (1, 2),
    "orphan.deleted": (1,),
    "settle.recovered": (1,),
    "reconcile.begun": (1,),
    "reconcile.applied": (1,),
    "reconcile.missing": (1,),
    "reconcile.buried": (1,),
    "reconcile.decided": (1,),
}
"""At which of its times each point is tried, in the run over the changed folder."""
LONG_SCENARIOS: dict[str, tuple[int, ...]] = {
    "long.matched": (1, 3),
    "long.planned": (1, 6),
    "long.upserted": (1, 7),
    "long.live": (1, 8),
    "long.doomed": (1, 2),
    "long.finished": (1, 3),
    "long.leaving": (1, 3),
    "embed.window": (3,),
    "upsert.part": (5, 12),
    "relabel.part": (5,),
    "doomed.deleted": (2, 3),
    "labels.part": (2,),
}
"""The same for a folder of long documents, which are written in pages."""
PAGES = (15, 10)
"""With more chunks than this a document is long there; so many are a page."""
OF_THEIR_OWN = {
    *("withdraw.begun", "withdraw.committed", "migrate.begun", "migrate.committed", "prune.begun"),
    *("backfill.part", "register.part"),
    *(name for name in POINTS if name.startswith(("refill.", "compact."))),
}


@dataclass
class Bench:
    """A changed folder, an index of how it was, and what an undisturbed run makes of it."""

    folder: Path
    start: Path
    end: Path
    expected: View
    zygote: Zygote
    fresh_texts: int = 0

    def run(self, state: Path, failpoint: str = "", **variables: str) -> Ended:
        """Take up the folder, once."""
        chosen = {"INGESTD_FAILPOINT": failpoint} if failpoint else {}
        return self.zygote(
            *("run", self.folder, "--once", "--json", "--state-dir", state),
            **LIMITS,
            **chosen,
            **variables,
        )

    def dies(self, state: Path, failpoint: str, **variables: str) -> None:
        """A run that comes to the point, and dies there."""
        ended = self.run(state, failpoint, **variables)
        assert ended.code == -signal.SIGKILL, ended.stderr[-2_000:]
        assert f"dying at {failpoint.partition(':')[0]}" in ended.stderr

    def converges(self, state: Path) -> dict[str, Any]:
        """A run that nobody disturbs ends where it must; returns its report."""
        report = self.run(state).report()
        assert assert_exact(state) == self.expected
        same_documents(state, self.end)
        return report


def prepared(
    root: Path, zygote: Zygote, was: Callable[[Path], None], becomes: Callable[[Path], None]
) -> Bench:
    """A bench; the folder is as it is after the work."""
    bench = Bench(root / "docs", root / "start", root / "end", {}, zygote)
    bench.folder.mkdir()
    was(bench.folder)
    bench.run(bench.start).report()
    stray(bench.start)
    becomes(bench.folder)
    shutil.copytree(bench.start, bench.end)
    report = bench.run(bench.end).report()
    assert report["documents"]["failed"] == 0
    bench.fresh_texts = report["chunks"]["embedded"]
    bench.expected = assert_exact(bench.end)
    return bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The bench."""
    root = tmp_path_factory.mktemp("bench")
    with Zygote(root) as zygote:
        yield prepared(root, zygote, before, after)


@pytest.fixture(scope="module")
def long_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench of long documents."""
    root = tmp_path_factory.mktemp("long")
    with Zygote(root) as zygote:
        zygote.sizes = PAGES
        yield prepared(root, zygote, long_before, long_after)


@pytest.fixture
def state(bench: Bench, tmp_path: Path) -> Path:
    """A copy of the index as it was."""
    copy = tmp_path / "state"
    shutil.copytree(bench.start, copy)
    return copy


def test_every_point_has_its_scenario() -> None:
    """A point that is added needs one."""
    assert set(SCENARIOS) | set(LONG_SCENARIOS) | OF_THEIR_OWN == set(POINTS)


@pytest.mark.parametrize(
    ("point", "time"), [(name, time) for name, times in SCENARIOS.items() for time in times]
)
def test_dying_at_a_point_loses_nothing(bench: Bench, state: Path, point: str, time: int) -> None:
    """Killed there, then run again: every text, vector, label and row is as if it had not been."""
    bench.dies(state, f"{point}:{time}")
    # What a kill does to Chroma's own files is tested elsewhere; to look at them takes a second.
    ended.record(state / "chroma")
    bench.converges(state)


@pytest.mark.parametrize(
    ("point", "time"), [(name, time) for name, times in LONG_SCENARIOS.items() for time in times]
)
def test_dying_amid_long_documents_loses_nothing(
    long_bench: Bench, tmp_path: Path, point: str, time: int
) -> None:
    """The same where documents are written in pages; nothing that is in is written again."""
    state = tmp_path / "state"
    shutil.copytree(long_bench.start, state)
    long_bench.dies(state, f"{point}:{time}")
    ended.record(state / "chroma")
    cache = sqlite3.connect(state / "vectors.db")
    (there,) = cache.execute("SELECT count(*) FROM vectors_1").fetchone()
    cache.close()
    report = long_bench.converges(state)
    cache = sqlite3.connect(state / "vectors.db")
    (then,) = cache.execute("SELECT count(*) FROM vectors_1").fetchone()
    cache.close()
    assert report["chunks"]["embedded"] == then - there
    assert list((state / "spool").iterdir()) == []


def test_dying_again_and_again_amid_long_documents(long_bench: Bench, tmp_path: Path) -> None:
    """Each start gets further than the one before, until everything is in."""
    state = tmp_path / "state"
    shutil.copytree(long_bench.start, state)
    for point in ("long.live:2", "long.upserted", "withdraw.begun", "long.live:9", "long.planned"):
        long_bench.dies(state, point)
        ended.record(state / "chroma")
    assert long_bench.converges(state)["chunks"]["embedded"] < long_bench.fresh_texts


@pytest.mark.parametrize("point", ["withdraw.begun", "withdraw.committed"])
def test_dying_while_a_plan_is_taken_back(bench: Bench, state: Path, point: str) -> None:
    """A plan that broke off half-way into the collection; the next start dies over it as well."""
    bench.dies(state, "upsert.part:2")
    assert rows(state, "SELECT count(*) FROM chunks WHERE status = 'planned'") != [(0,)]
    bench.dies(state, point)
    bench.converges(state)


def test_dying_again_and_again(bench: Bench, state: Path) -> None:
    """One death after the other, each at a later step: the work gets on, and ends as it must."""
    for point in (
        *("claim.committed", "plan.committed", "upsert.part", "plan.begun", "upsert.part:2"),
        *("live.begun", "live.committed"),
    ):
        bench.dies(state, point)
    bench.converges(state)


@pytest.mark.parametrize("point", ["migrate.begun", "migrate.committed"])
def test_dying_while_the_tables_change(bench: Bench, state: Path, point: str) -> None:
    """The tables are of the old version or of the new one, and what they say stays."""
    with sqlite3.connect(state / "state.db") as table:
        for statement in (
            "DROP INDEX ix_documents_recheck_at",
            "DROP TABLE collections",
            "DROP TABLE orphans",
            "ALTER TABLE sources DROP COLUMN watching",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            table.execute(statement)
    bench.dies(state, point)
    expected = "0001" if point == "migrate.begun" else "0003"
    assert rows(state, "SELECT version_num FROM alembic_version") == [(expected,)]
    bench.run(state).report()
    stray(state)
    bench.converges(state)


def test_dying_while_everything_is_taken_up_again(bench: Bench, state: Path) -> None:
    """The old version is back: what was taken up for the new one is as it was, nothing is new."""
    bench.dies(state, "backfill.part", INGESTD_CHUNK__SIZE="400")
    assert rows(state, "SELECT count(*) FROM documents WHERE priority = -1") != [(0,)]
    report = bench.converges(state)
    assert report["chunks"]["embedded"] == bench.fresh_texts


@pytest.mark.parametrize("time", [1, 2])
def test_dying_while_a_source_goes_elsewhere(bench: Bench, state: Path, time: int) -> None:
    """It writes to where it did, and nothing is deleted there; or it goes there after all."""
    elsewhere = {"INGESTD_STORE__COLLECTION": "elsewhere"}
    bench.dies(state, f"register.part:{time}", **elsewhere)
    assert rows(state, "SELECT count(*) FROM orphans") > [(1,)]
    again = state.with_name("again")
    shutil.copytree(state, again)
    bench.converges(state)
    report = bench.run(again, **elsewhere).report()
    assert report["chunks"]["embedded"] == bench.fresh_texts
    assert collection_of(again) == {}
    assert rows(again, "SELECT count(*) FROM orphans") == [(0,)]
    assert rows(again, "SELECT DISTINCT status FROM chunks") == [("live",)]


def garble(state: Path) -> None:
    """Make Chroma's database unreadable."""
    with (state / "chroma/chroma.sqlite3").open("r+b") as file:
        file.write(b"\xa5" * 4_096)


def flag(state: Path) -> None:
    """Say that the collection is to be filled anew."""
    with sqlite3.connect(state / "state.db") as table:
        table.execute("INSERT INTO collections VALUES ('ingestd', 1.0, 'its index is broken')")


@pytest.mark.parametrize(
    ("point", "damage"),
    [
        ("refill.flagged", garble),
        ("refill.set_aside", garble),
        ("refill.set_aside", flag),
        ("refill.part", flag),
        ("refill.done", flag),
    ],
)
def test_dying_while_a_collection_is_filled_anew(
    bench: Bench, state: Path, point: str, damage: Callable[[Path], None]
) -> None:
    """What was lost is written again from the vectors cache; only new texts are embedded."""
    new = bench.fresh_texts
    damage(state)
    bench.dies(state, point)
    report = bench.converges(state)
    assert report["chunks"]["embedded"] == new


@pytest.mark.parametrize("point", [name for name in POINTS if name.startswith("compact.")])
def test_dying_while_chroma_is_compacted(bench: Bench, state: Path, point: str) -> None:
    """The old files or the new ones serve, what was built is gone, and nothing is embedded."""
    arguments = ("compact", "--state-dir", state)
    ended = bench.zygote(*arguments, INGESTD_FAILPOINT=point, **LIMITS)
    assert ended.code == -signal.SIGKILL, ended.stderr[-2_000:]
    assert (state / "chroma/compacting").exists()
    assert collection_of(state) == collection_of(bench.start)
    report = bench.converges(state)
    assert report["chunks"]["embedded"] == bench.fresh_texts
    assert not (state / "chroma/compacting").exists()


def test_dying_while_the_cache_is_cut(bench: Bench, state: Path) -> None:
    """The vectors cache is as it was; the next run cuts it, and keeps what the chunks use."""
    with sqlite3.connect(state / "vectors.db") as cache:
        (used,) = cache.execute("SELECT count(*) FROM vectors_1").fetchone()
        cache.executemany(
            "INSERT INTO vectors_1 (digest, model, embedding, used_at) VALUES (?, 'm', ?, 4e9)",
            [(bytes([number]) * 32, bytes(50_000)) for number in range(30)],
        )
    room = {"INGESTD_LIMITS__VECTORS_BYTES": str(1024 * 1024)}
    bench.dies(state, "prune.begun", **room)
    with sqlite3.connect(state / "vectors.db") as cache:
        (number,) = cache.execute("SELECT count(*) FROM vectors_1").fetchone()
        assert number >= used + 30
    bench.run(state, **room).report()
    with sqlite3.connect(state / "vectors.db") as cache:
        (size,) = cache.execute("SELECT sum(length(embedding)) FROM vectors_1").fetchone()
        assert size <= 1024 * 1024
    assert assert_exact(state) == bench.expected
    live = {row[0] for row in rows(state, "SELECT digest FROM chunks")}
    with sqlite3.connect(state / "vectors.db") as cache:
        kept = {row[0] for row in cache.execute("SELECT digest FROM vectors_1")}
    assert live <= kept


# A reader meanwhile

SEEN = (
    *("plan.begun", "plan.committed", "upsert.part:1", "upsert.part:2", "upsert.done"),
    *("relabel.part", "live.begun", "doomed.deleted", "live.committed", "labels.part"),
)
PATHS = ("grow.md", "shrink.md", "edit.md", "insert.md")


def edit(folder: Path, time: int) -> None:
    """Bring four documents into one of two states, in which they give slots to each other."""
    few, many = (("a", "b"), ("a", *range(9), "b")) if time % 2 else ((0, 1), (*range(5), *"uvwxy"))
    write(folder, "grow.md", *(few if time % 2 else many))
    write(folder, "shrink.md", *(many if time % 2 else few))
    write(folder, "edit.md", 0, 1, f"now {time}", 3)
    write(folder, "insert.md", *([f"top {time}"] if time % 2 else []), *range(12))
    here, there = ("old/a.md", "new/a.md") if time % 2 else ("new/a.md", "old/a.md")
    if (folder / here).exists():
        (folder / there).parent.mkdir(exist_ok=True)
        (folder / here).rename(folder / there)
    else:
        write(folder, there, *range(10))


class Reader(threading.Thread):
    """Asks all the time for the chunks of each document, as a RAG application would."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._handle = handle(port)
        self._ended = threading.Event()
        self.reads = 0
        self.missed: list[str] = []

    def run(self) -> None:
        """Read until it is ended."""
        while not self._ended.wait(0.002):
            for path in PATHS:
                got = self._handle.get(where={"path": path}, limit=1, include=[])
                self.reads += 1
                if not got["ids"]:
                    self.missed.append(path)

    def end(self) -> None:
        """Stop reading."""
        self._ended.set()
        self.join(30)


def handle(port: int) -> Any:
    """The collection, as any client sees it."""
    client = chromadb.HttpClient(port=port)
    return client.get_collection("ingestd", embedding_function=None)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """A Chroma server that somebody else runs; gives its port."""
    port = free_port()
    program = Path(sys.executable).with_name("chroma")
    arguments = [program, "run", "--path", tmp_path / "chroma", "--port", str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:

        def answers() -> bool:
            try:
                return bool(chromadb.HttpClient(port=port).heartbeat())
            except Exception:  # noqa: BLE001 - whatever a server says that is not up yet
                return False

        eventually(answers)
        yield port
        run.kill()


def test_no_document_vanishes_for_a_reader(bench: Bench, server: int, tmp_path: Path) -> None:
    """Through edits, deaths and restarts, each document always has a chunk, old or new."""
    folder, state = tmp_path / "docs", tmp_path / "state"
    folder.mkdir()
    remote = {
        "INGESTD_STORE__MODE": "remote",
        "INGESTD_STORE__URL": f"http://127.0.0.1:{server}",
    }
    there = Bench(folder, state, state, {}, bench.zygote)
    edit(folder, 0)
    there.run(state, **remote).report()
    reader = Reader(server)
    reader.start()
    for time, point in enumerate(SEEN, 1):
        edit(folder, time)
        there.dies(state, point, **remote)
        there.run(state, **remote).report()
    reader.end()
    assert reader.missed == []
    assert reader.reads > len(SEEN) * len(PATHS)
    found = assert_exact(state, stored(handle(server)))
    again = tmp_path / "again"
    there.run(again).report()
    assert {place: entry[0] for place, entry in found.items()} == {
        place: entry[0] for place, entry in assert_exact(again).items()
    }
