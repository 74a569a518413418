"""The collection heals by itself: broken files, a server that hangs, a collection that is gone.

The real daemon with a real Chroma server, a hash model, and damage from outside. What counts is
that afterwards everything is as it was, found by queries, and that nothing was embedded for it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from daemon import Daemon, contents, eventually, ingestd

from ingestd_state import collections, vectors
from ingestd_state.engine import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS = 120
FILES = ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle"]


def write(folder: Path, number: int, text: str = "Nothing new.") -> None:
    """Write a document of ten sections."""
    sections = "".join(
        f"\n## Section {place}\n\nFact {place} of {number} is {number * place}. {text}\n"
        for place in range(10)
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.md").write_text(f"# Document {number}\n{sections}", encoding="utf-8")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with some 1,300 chunks, saved by Chroma once at least."""
    place = tmp_path_factory.mktemp("heal")
    for number in range(DOCUMENTS):
        write(place / "docs", number)
    assert ingestd("run", place / "docs", "--once", "--state-dir", place / "state").returncode == 0
    assert list((place / "state" / "chroma").glob(f"*/{FILES[-1]}"))
    return place


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, in its old place: the table knows where the documents are."""
    aside = template.with_name(f"{template.name}-{tmp_path.name}")
    shutil.copytree(template, aside)
    yield template
    shutil.rmtree(template)
    aside.rename(template)


@pytest.fixture
def daemon(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon with short patience."""
    monkeypatch.setattr("daemon.environment", impatient)
    with Daemon(place / "docs", place / "state") as running:
        yield running


def impatient(model: str) -> dict[str, str]:
    """The environment of a daemon that waits seconds, not minutes."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INGESTD_")}
    return {
        **kept,
        "HF_HUB_OFFLINE": "1",
        "INGESTD_MODEL__NAME": model,
        "INGESTD_STORE__TIMEOUT_S": "3",
        "INGESTD_STORE__ATTEMPTS": "2",
        "INGESTD_STORE__PROBE_TIMEOUT_S": "5",
        "INGESTD_LIMITS__FREE_BYTES": "0",
        "INGESTD_WATCH__CANARY_S": "2",
        "INGESTD_CONFIG": "",
        "XDG_CONFIG_HOME": "/nonexistent",
    }


def held(handle: Any) -> dict[str, tuple[Any, ...]]:
    """Everything in a collection: text, metadata less the time of indexing, and embedding.

    Three digits of it: Chroma normalises vectors again whenever they are written.
    """
    got = handle.get(include=["documents", "metadatas", "embeddings"])
    rows = zip(got["ids"], got["documents"], got["metadatas"], got["embeddings"], strict=True)
    return {
        slot: (
            text,
            {key: value for key, value in metadata.items() if key != "indexed_at"},
            [round(float(x), 3) for x in vector],
        )
        for slot, text, metadata, vector in rows
    }


def found_by_query(handle: Any, expected: dict[str, tuple[Any, ...]]) -> bool:
    """Whether queries for the vectors of slots find them: most, for the index is approximate."""
    slots = sorted(expected)[::17]
    got = handle.query(query_embeddings=[expected[slot][2] for slot in slots], n_results=1)
    near = sum(bool(distances) and distances[0] < 0.001 for distances in got["distances"])
    return near > 0.8 * len(slots)


def server(daemon: Daemon) -> psutil.Process:
    """The Chroma server of a daemon."""
    return next(
        child
        for child in psutil.Process(daemon.process.pid).children()
        if "ingestd.embed.chroma.child" in child.cmdline()
    )


def healed(daemon: Daemon, expected: dict[str, tuple[Any, ...]], deadline_s: float = 60) -> None:
    """Wait until everything is there again and found; nothing was embedded for it."""

    def whole() -> bool:
        try:
            handle = daemon.collection()
            return held(handle) == expected and found_by_query(handle, expected)
        except Exception:  # noqa: BLE001 - the server is on its way
            return False

    eventually(whole, deadline_s)
    assert sum(event.get("embedded", 0) for event in daemon.events("document_indexed")) == 0


def flags(place: Path) -> list[str]:
    """The collections that are still to be filled."""
    database = Database(f"sqlite:///{place / 'state' / 'state.db'}")
    try:
        with database.read() as connection:
            return [refill.name for refill in collections.flagged(connection)]
    finally:
        database.close()


def index_file(place: Path, name: str) -> Path:
    """A file of the one index."""
    return next(path for path in (place / "state" / "chroma").glob(f"*/{name}"))


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("name", FILES)
def test_a_killed_server_with_a_torn_index(daemon: Daemon, place: Path, name: str) -> None:
    """Killed in the middle of a save, the server is back by itself, and with it every vector."""
    expected = held(daemon.collection())
    assert len(expected) > 1_000
    process = server(daemon)
    process.suspend()
    cut(index_file(place, name))
    process.kill()
    healed(daemon, expected)
    assert name in daemon.events("store_index_broken")[0]["reason"]
    eventually(lambda: flags(place) == [])
    assert daemon.events("store_refilled")[0]["slots"] == len(expected)
    assert len(list((place / "state" / "chroma" / "set-aside").iterdir())) == 1
    write(place / "docs", 1, "News.")
    eventually(lambda: daemon.collection().get(where_document={"$contains": "News"})["ids"])


@pytest.mark.parametrize("mode", ["managed", "embedded"])
@pytest.mark.parametrize("name", [*FILES, "chroma.sqlite3", "folder"])
def test_a_start_on_broken_files(place: Path, name: str, mode: str) -> None:
    """Whatever is broken at a start, the run ends with all that was there, and nothing embedded."""
    expected = contents(place / "state")
    if name == "folder":
        shutil.rmtree(index_file(place, FILES[0]).parent)
    elif name == "chroma.sqlite3":
        cut(place / "state" / "chroma" / name)
    else:
        cut(index_file(place, name))
    done = ingestd(
        *("run", place / "docs", "--once", "--json", "--store", mode),
        *("--state-dir", place / "state", *(["--port", "18990"] if mode == "managed" else [])),
    )
    assert done.returncode == 0, done.stderr
    assert '"embedded": 0' in done.stdout
    assert "store_refilled" in done.stderr
    assert contents(place / "state") == expected
    assert flags(place) == []


def test_a_server_that_hangs_for_readers_only(daemon: Daemon, place: Path) -> None:
    """Nothing is written, so nobody here waits for it: it is found out and replaced anyway."""
    process, expected = server(daemon), held(daemon.collection())
    process.suspend()
    eventually(lambda: daemon.events("store_replaced"), 60)
    healed(daemon, expected)
    assert server(daemon).pid != process.pid
    assert not daemon.events("paused")


def test_a_server_that_hangs(daemon: Daemon, place: Path) -> None:
    """A server that is there and says nothing is replaced, and what changed meanwhile arrives."""
    process = server(daemon)
    process.suspend()
    write(place / "docs", 1, "Written while it hung.")

    def arrived() -> bool:
        try:
            got = daemon.collection().get(where_document={"$contains": "while it hung"})
        except Exception:  # noqa: BLE001 - the server is on its way
            return False
        return len(got["ids"]) == 10

    started = time.monotonic()
    eventually(lambda: daemon.events("store_replaced"), 60)
    eventually(arrived, 60)
    assert time.monotonic() - started < 60
    assert server(daemon).pid != process.pid
    assert not daemon.events("store_index_broken")


@pytest.mark.parametrize("again", [False, True], ids=["deleted", "emptied"])
def test_a_collection_that_somebody_deleted(daemon: Daemon, place: Path, again: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """It is made anew and filled from files and cache, as soon as the daemon has to write."""
    import chromadb

    expected = held(daemon.collection())
    client = chromadb.HttpClient(port=daemon.port)
    handle = client.get_collection("ingestd")
    if again:
        ids = list(expected)
        for start in range(0, len(ids), 500):
            handle.delete(ids=ids[start : start + 500])
    else:
        client.delete_collection("ingestd")
    if again:
        assert daemon.stop() == -signal.SIGTERM
        daemon.start()
    else:
        # A touch, which needs no embedding: the first write finds out.
        path = place / "docs" / "1.md"
        before = path.stat().st_mtime_ns
        os.utime(path)
        eventually(lambda: daemon.events("store_refilled"), 60)
        os.utime(path, ns=(before, before))
    healed(daemon, expected)
    assert daemon.events("store_emptied")


def test_vectors_that_the_cache_has_lost(place: Path) -> None:
    """Their documents are embedded again, and no other."""
    expected = contents(place / "state")
    cache = Database(f"sqlite:///{place / 'state' / 'vectors.db'}")
    with cache.write() as connection:
        lost = bytes.fromhex(next(iter(expected.values()))[1]["chunk_digest"])
        assert vectors.missing(connection, "", [lost]) == {lost}
        connection.exec_driver_sql("DELETE FROM vectors_1 WHERE digest = ?", (lost,))
    cache.close()
    cut(index_file(place, "data_level0.bin"))
    done = ingestd(
        *("run", place / "docs", "--once", "--json", "--state-dir", place / "state"),
    )
    assert done.returncode == 0, done.stderr
    assert '"embedded": 1,' in done.stdout
    assert contents(place / "state") == expected


@pytest.mark.parametrize(
    "point", ["refill.flagged", "refill.set_aside", "refill.part:2", "refill.done"]
)
def test_a_crash_during_the_healing(
    place: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the process dies, the next one ends with all that was there."""
    expected = contents(place / "state")
    cut(index_file(place, "index_metadata.pickle"))
    arguments = ("run", place / "docs", "--once", "--json", "--state-dir", place / "state")
    normal = impatient
    monkeypatch.setattr("daemon.environment", lambda m: {**normal(m), "INGESTD_FAILPOINT": point})
    assert ingestd(*arguments).returncode == -signal.SIGKILL
    assert flags(place) == ["ingestd"]
    monkeypatch.setattr("daemon.environment", normal)
    done = ingestd(*arguments)
    assert done.returncode == 0, done.stderr
    assert '"embedded": 0' in done.stdout
    assert contents(place / "state") == expected
    assert flags(place) == []


def test_an_end_by_the_bound_of_file_sizes(daemon: Daemon, place: Path) -> None:
    """A server that a file grew out of hand for is looked at before it is started again."""
    expected = held(daemon.collection())
    process = server(daemon)
    with index_file(place, "link_lists.bin").open("ab") as file:
        file.truncate(6 * 1024**3)
    process.send_signal(signal.SIGXFSZ)
    healed(daemon, expected)
    assert daemon.events("store_died")[0]["status"] == -signal.SIGXFSZ
    assert "link_lists.bin" in daemon.events("store_index_broken")[0]["reason"]


def test_a_foreign_index_is_left_alone(place: Path) -> None:
    """What somebody else keeps in our Chroma is not ours to set aside, broken or not."""
    import chromadb

    with chromadb.PersistentClient(str(place / "state" / "chroma")) as client:
        theirs = client.create_collection(
            "theirs", embedding_function=None, configuration={"hnsw": {"sync_threshold": 100}}
        )
        theirs.upsert(
            ids=[f"s{n}" for n in range(500)], embeddings=[[1.0, float(n)] for n in range(500)]
        )
    with sqlite3.connect(place / "state" / "chroma" / "chroma.sqlite3") as database:
        segment = database.execute(
            "SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection "
            "WHERE c.name = 'theirs' AND s.scope = 'VECTOR'"
        ).fetchone()[0]
    database.close()
    cut(place / "state" / "chroma" / segment / "index_metadata.pickle")
    done = ingestd("run", place / "docs", "--once", "--json", "--state-dir", place / "state")
    assert done.returncode == 0, done.stderr
    assert "store_foreign_index_broken" in done.stderr
    assert (place / "state" / "chroma" / segment / "index_metadata.pickle").exists()
    assert flags(place) == []
