"""Compaction: what was deleted is gone from the disk, readers go on, and nothing else changes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb
import httpx
import numpy as np
import pytest
from chromadb.errors import InternalError
from daemon import Daemon, contents, eventually, ingestd
from history import write

from ingestd.embed.chroma import exchange
from ingestd.embed.chroma.aside import FOLDER, WORK
from ingestd.embed.chroma.growth import measure
from ingestd.embed.chroma.health import DATABASE, probe

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "zebra-quagga-4711"
SECTIONS = 25


def fill(folder: Path, documents: int) -> None:
    """Write documents of 25 sections each, which become a chunk each."""
    folder.mkdir(exist_ok=True)
    for number in range(documents):
        write(folder, f"{number}.md", *(f"{number} {place}" for place in range(SECTIONS)))


def once(folder: Path, state: Path) -> None:
    """Index it; what is gone is meant to be gone."""
    for verb in (
        ("run", folder, "--once"),
        ("reconcile", "--accept-deletes", folder.name),
        ("run", folder, "--once"),
    ):
        done = ingestd(*verb, "--state-dir", state)
        assert done.returncode == 0, done.stderr


def compacted(state: Path, *arguments: str) -> dict[str, Any]:
    """Compact; returns the report."""
    done = ingestd("compact", "--json", "--state-dir", state, *arguments)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def files_with(state: Path, text: str) -> set[str]:
    """Names of the files under a folder in which a text stands, in any encoding of ours."""
    forms = [text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")]
    return {
        file.name
        for file in state.rglob("*")
        if file.is_file() and any(form in file.read_bytes() for form in forms)
    }


def text_segments(state: Path) -> int:
    """Of how many parts the index of the texts consists: in one part nothing is marked deleted."""
    with sqlite3.connect(state / "chroma" / DATABASE) as database:
        query = "SELECT count(DISTINCT segid) FROM embedding_fulltext_search_idx"
        return int(database.execute(query).fetchone()[0])


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder and its index: 30 of 40 documents were deleted, one of them with a secret."""
    root = tmp_path_factory.mktemp("compact")
    fill(root / "docs", 40)
    secret = root / "docs/3.md"
    secret.write_text(secret.read_text() + f"\n\n## Secret\n\n{MARKER} " * 20, encoding="utf-8")
    once(root / "docs", root / "state")
    for number in range(30):
        (root / f"docs/{number}.md").unlink()
    once(root / "docs", root / "state")
    return root


@pytest.fixture
def place(start: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(start, tmp_path / "place"))


# What is gone.


def test_deleted_text_is_gone_from_the_disk(place: Path) -> None:
    """Before, the text of a deleted document is in Chroma's files; after, it is nowhere."""
    state = place / "state"
    assert DATABASE in files_with(state, MARKER)
    assert text_segments(state) > 1
    before = contents(state)
    report = compacted(state)
    assert report["database"]
    assert (report["embedded"], report["read_back"]) == (0, 0)
    assert files_with(state, MARKER) == set()
    assert files_with(state, "zebra") == set()
    assert text_segments(state) == 1
    assert contents(state) == before


def test_places_are_given_back(place: Path) -> None:
    """As many places as chunks; the collection keeps its id, and no folder stays behind."""
    state = place / "state"
    chroma = state / "chroma"
    [before] = measure(chroma)
    (chroma / FOLDER).mkdir()
    (chroma / FOLDER / "old").write_text("a broken index that was kept")
    report = compacted(state)
    [after] = measure(chroma)
    assert before.places >= before.live + 30 * SECTIONS
    assert after.places == after.live == before.live == report["slots"]
    assert after.index_bytes < before.index_bytes / 2
    assert after.database_bytes < before.database_bytes
    assert {entry.name for entry in chroma.iterdir() if entry.is_dir()} == {
        probe(chroma).findings[0].segment
    }
    assert ingestd("check", "--state-dir", state).returncode == 0


def test_vectors_that_the_cache_lost_are_read_from_the_old_index(place: Path) -> None:
    """Nothing is embedded, and every vector is as before."""
    state = place / "state"
    before = contents(state)
    with sqlite3.connect(state / "vectors.db") as cache:
        cache.execute("DELETE FROM vectors_1")
    report = compacted(state)
    assert report["read_back"] == report["slots"] == len(before)
    assert contents(state) == before


def test_a_collection_without_chunks(place: Path) -> None:
    """Nothing is left of its index, and it can be written to again."""
    state = place / "state"
    [root] = sqlite3.connect(state / "state.db").execute("SELECT path FROM sources").fetchone()
    folder = Path(root.decode())
    kept = place / "kept"
    shutil.copytree(folder, kept)
    try:
        for file in folder.glob("*.md"):
            file.unlink()
        (folder / "empty.txt").write_text("")
        once(folder, state)
        assert measure(state / "chroma")[0].live == 0
        compacted(state)
        assert measure(state / "chroma")[0].places == 0
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        once(folder, state)
        assert len(contents(state)) == len(list(kept.glob("*.md"))) * SECTIONS
    finally:
        (folder / "empty.txt").unlink(missing_ok=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)


def test_a_single_run_compacts_at_its_end(tmp_path: Path) -> None:
    """There is no night for `--once`: what is worth it is done right away."""
    fill(tmp_path / "docs", 60)
    once(tmp_path / "docs", tmp_path / "state")
    for number in range(50):
        (tmp_path / f"docs/{number}.md").unlink()
    once(tmp_path / "docs", tmp_path / "state")
    [growth] = measure(tmp_path / "state/chroma")
    assert growth.places == growth.live == 10 * SECTIONS


def test_a_dry_run_only_measures(place: Path) -> None:
    """It tells what there is, and changes nothing."""
    state = place / "state"
    files = {file: file.stat().st_mtime_ns for file in (state / "chroma").rglob("*")}
    done = ingestd("compact", "--dry-run", "--json", "--state-dir", state)
    found = json.loads(done.stdout)
    assert found["due"] is False  # fewer dead places than are worth it
    assert found["before"][0]["bloat"] > 3
    assert {file: file.stat().st_mtime_ns for file in (state / "chroma").rglob("*")} == files


def test_nothing_is_begun_without_room(place: Path) -> None:
    """With less room than both take side by side, it says so, and changes nothing."""
    state = place / "state"
    before = contents(state)
    whole = shutil.disk_usage(state).total  # what is free changes while others delete
    (place / "config.toml").write_text(f"[limits]\nfree_bytes = {whole}\n")
    done = ingestd("compact", "--state-dir", state, "--config", place / "config.toml")
    assert done.returncode == 17
    assert "MiB" in done.stderr
    assert contents(state) == before


def test_a_collection_that_is_not_there(place: Path) -> None:
    """It is told, with the exit code for what is not found."""
    for more in ((), ("--dry-run",)):
        done = ingestd("compact", "--collection", "other", "--state-dir", place / "state", *more)
        assert done.returncode == 12, done.stderr


# While readers read.


def documented_search(port: int) -> Any:
    """The function of the page for RAG applications, which takes a vector here."""
    page = (Path(__file__).parents[2] / "docs/rag-apps.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (code,) = (block for block in blocks if "def search" in block)
    code = code.partition("\nresults = ")[0].replace("port=8000", f"port={port}")
    names: dict[str, Any] = {}
    # The model of these tests is one that no client of Chroma's knows.
    exec(code.replace("query_texts=", "query_embeddings="), names)  # noqa: S102 - it is ours
    return names["search"]


class Reader(threading.Thread):
    """Asks again and again, and counts what it meets."""

    def __init__(self, port: int, vector: list[float]) -> None:
        super().__init__(daemon=True)
        self.handle = chromadb.HttpClient(port=port).get_collection("ingestd")
        self.vector = vector
        self.answers = 0
        self.failures: list[Exception] = []
        self.gap_s = 0.0
        self._end = threading.Event()

    def run(self) -> None:
        """Ask until told to end."""
        last = time.monotonic()
        while not self._end.is_set():
            try:
                found = self.handle.query(query_embeddings=[self.vector], n_results=3)
            except (httpx.TransportError, InternalError) as error:
                self.failures.append(error)
                time.sleep(0.02)
                continue
            assert len(found["ids"][0]) == 3
            now = time.monotonic()
            self.gap_s, last = max(self.gap_s, now - last), now
            self.answers += 1

    def end(self) -> None:
        """End, and wait for it."""
        self._end.set()
        self.join(30)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on 20 documents."""
    fill(tmp_path / "docs", 20)
    with Daemon(tmp_path / "docs", tmp_path / "state") as running:
        yield running


def test_readers_go_on_with_the_same_handle(daemon: Daemon) -> None:
    """What they hold stays good; they are without an answer for a moment, and get no wrong one."""
    handle = daemon.collection()
    before = handle.get(include=["embeddings"])
    reader = Reader(daemon.port, list(before["embeddings"][0]))
    reader.start()
    eventually(lambda: reader.answers > 20)
    report = compacted(daemon.state)
    seen = reader.answers
    eventually(lambda: reader.answers > seen + 20)
    reader.end()
    assert report["daemon"] == daemon.process.pid
    assert report["away_s"] < 5
    assert reader.gap_s < 10  # on a machine that does much else; docs have the figures
    after = handle.get(include=["embeddings"])
    assert dict(zip(before["ids"], map(bytes, before["embeddings"]), strict=True)) == dict(
        zip(after["ids"], map(bytes, after["embeddings"]), strict=True)
    )
    assert daemon.events("compacted")
    assert not daemon.events("store_died")


def test_the_documented_search_goes_on(daemon: Daemon) -> None:
    """An application that does as the page says notices nothing but a pause."""
    search = documented_search(daemon.port)
    vector = list(daemon.collection().get(limit=1, include=["embeddings"])["embeddings"][0])
    found, done = [len(search(vector))], threading.Event()

    def ask() -> None:
        while not done.is_set():
            found.append(len(search(vector)))

    reader = threading.Thread(target=ask)
    reader.start()
    compacted(daemon.state)
    done.set()
    reader.join(30)
    assert set(found) == {5}


def test_edits_meanwhile_are_carried_over(daemon: Daemon) -> None:
    """Files that change while the new index is built are in it, or come right after."""
    done = threading.Event()

    def edit() -> None:
        number = 0
        while not done.is_set():
            write(daemon.folder, f"{number % 20}.md", *range(number, number + 8))
            write(daemon.folder, f"new-{number % 9}.md", "n", number)
            if number % 10 == 0:  # few: more at once would be held
                (daemon.folder / f"{number // 10}.md").unlink(missing_ok=True)
            number += 1
            time.sleep(0.1)

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        for _ in range(2):
            compacted(daemon.state)
    finally:
        done.set()
        editor.join()

    def settled() -> bool:
        with sqlite3.connect(f"file:{daemon.state}/state.db?mode=ro", uri=True) as table:
            rows = table.execute("SELECT count(*) FROM documents WHERE status <> 'indexed'")
            return rows.fetchone() == (0,)

    eventually(lambda: settled() and not time.sleep(1) and settled())
    checked = ingestd("check", "--deep", "--state-dir", daemon.state)
    assert checked.returncode == 0, checked.stdout
    assert daemon.stop(60) == -signal.SIGTERM
    assert [one.reason for one in probe(daemon.state / "chroma").findings] == [""]
    assert not (daemon.state / "chroma" / WORK).exists()


def test_it_is_done_by_itself_after_much_was_deleted(daemon: Daemon) -> None:
    """From a thousand dead places and a bloat of 2 on, without being asked."""
    fill(daemon.folder, 80)
    eventually(lambda: daemon.collection().count() == 80 * SECTIONS)
    for number in range(60):
        (daemon.folder / f"{number}.md").unlink()
    ingestd("reconcile", "--accept-deletes", "docs", "--state-dir", daemon.state)
    eventually(lambda: daemon.events("compacted"))
    [growth] = measure(daemon.state / "chroma")
    assert growth.places == growth.live == 20 * SECTIONS


def test_collections_of_others_stay(daemon: Daemon) -> None:
    """They keep their vectors and texts, and what is written to them meanwhile."""
    client = chromadb.HttpClient(port=daemon.port)
    other = client.create_collection("others", embedding_function=None)
    rows = np.random.default_rng(0).standard_normal((1_500, 8)).astype(np.float32)
    ids = [f"o{number}" for number in range(len(rows))]
    other.add(ids=ids, embeddings=rows, documents=[f"text {slot}" for slot in ids])
    other.delete(ids=ids[:200])
    done, added = threading.Event(), []

    def go_on() -> None:
        while not done.is_set():
            slot = f"late-{len(added)}"
            try:
                other.upsert(ids=[slot], embeddings=rows[:1], documents=[slot])
            except httpx.TransportError:
                continue  # as any writer must
            added.append(slot)
            time.sleep(0.02)

    writer = threading.Thread(target=go_on)
    writer.start()
    compacted(daemon.state)
    done.set()
    writer.join()
    quiet = compacted(daemon.state)
    assert quiet["database"]
    wanted = {*ids[200:], *added}
    found = other.get(include=["embeddings", "documents"])
    assert set(found["ids"]) == wanted
    assert len(found["embeddings"]) == len(wanted)
    [near] = other.query(query_embeddings=rows[700:701], n_results=1)["ids"]
    assert near == ["o700"]


def test_a_stop_breaks_it_off(daemon: Daemon, tmp_path: Path) -> None:
    """The daemon ends in time, and the old files serve at the next start."""
    before = daemon.collection().count()
    asking = threading.Thread(
        target=lambda: ingestd("compact", "--state-dir", daemon.state), daemon=True
    )
    asking.start()
    eventually((daemon.state / "chroma" / WORK).exists)
    assert daemon.stop(60) == -signal.SIGTERM
    asking.join(30)
    assert not (daemon.state / "chroma" / WORK).exists()
    with daemon:
        assert daemon.collection().count() == before


def test_a_remote_store_is_measured_and_left_alone(daemon: Daemon, tmp_path: Path) -> None:
    """How much it holds can be told; what it takes, and making it smaller, is not ours."""
    config = tmp_path / "remote.toml"
    config.write_text(f'[store]\nmode = "remote"\nurl = "http://127.0.0.1:{daemon.port}"\n')
    where = ("--state-dir", daemon.state, "--config", config)
    found = json.loads(ingestd("compact", "--dry-run", "--json", *where).stdout)
    assert found["store"] == "remote"
    assert found["before"] == [{"collection": "ingestd", "live": 20 * SECTIONS}]
    done = ingestd("compact", *where)
    assert done.returncode == 10
    assert "remote" in done.stderr


# Where two names cannot be exchanged at once.


@pytest.mark.parametrize("there", ["old and new", "old"])
def test_a_crash_between_two_renames_is_settled(tmp_path: Path, there: str) -> None:
    """The old index is out of the way, the new one not in place: the next start puts one there."""
    chroma = tmp_path / "chroma"
    chroma.mkdir()
    folder = exchange.workplace(chroma)
    old = folder / exchange.OLD / "segment"
    old.mkdir()
    (old / "name").write_text("old")
    if "new" in there:
        (folder / exchange.NEW / "segment").mkdir()
        (folder / exchange.NEW / "segment/name").write_text("new")
    assert exchange.settle(chroma)
    assert (chroma / "segment/name").read_text() == there.rpartition(" ")[2]
    assert not folder.exists()
    assert not exchange.settle(chroma)


@pytest.mark.parametrize("steps", [1, 2])
def test_folders_are_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """In one step where the system can, else in two; the result is the same."""
    if steps > 1:
        monkeypatch.setattr(exchange, "_exchanged", lambda _one, _other: False)
    chroma = tmp_path / "chroma"
    chroma.mkdir()
    folder = exchange.workplace(chroma)
    for place, text in ((chroma, "old"), (folder / exchange.NEW, "new")):
        (place / "segment").mkdir()
        (place / "segment/name").write_text(text)
        (place / DATABASE).write_text(text)
    (chroma / "empty").mkdir()
    exchange.put_in_place(chroma, ["segment", "empty"], database=True)
    assert (chroma / "segment/name").read_text() == (chroma / DATABASE).read_text() == "new"
    exchange.settle(chroma)
    assert {entry.name for entry in chroma.iterdir()} == {"segment", DATABASE}
