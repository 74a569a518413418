"""Compaction in parts: what differs, what is worth it, what a failing process costs."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import chromadb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.chroma import layout
from ingestd.embed.chroma.aside import FOLDER, forget_old
from ingestd.embed.chroma.beside import compare
from ingestd.embed.chroma.builder import Builder
from ingestd.embed.chroma.growth import Growth, measure, orphan_bytes
from ingestd.embed.chroma.health import DATABASE, probe
from ingestd.embed.chroma.layout import Held
from ingestd.embed.chroma.segment import probe_segment
from ingestd.embed.chroma.squeeze import Order, squeeze
from ingestd.embed.chroma.squeezer import squeeze_beside
from ingestd.embed.compact import Compactor
from ingestd.embed.compacted import LEAST_FREE_BYTES, due
from ingestd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX = {"space": "cosine", "max_neighbors": 8}
slots = st.dictionaries(st.text(max_size=3), st.sampled_from(["", "a", "b"]), max_size=12)


def listed(found: dict[str, str]) -> list[Held]:
    """As a list in order of the slots."""
    return [Held(slot, found[slot]) for slot in sorted(found)]


@given(before=slots, now=slots)
def test_what_differs_is_found(before: dict[str, str], now: dict[str, str]) -> None:
    """Every slot comes once, in order; what tells no digest never counts as alike."""
    changes = list(compare(listed(before), listed(now)))
    assert [held.slot for held, _, _ in changes] == sorted(before.keys() | now.keys())
    assert {held.slot for held, there, _ in changes if there} == now.keys()
    assert {held.slot for held, _, same in changes if same} == {
        slot for slot, digest in now.items() if digest and before.get(slot) == digest
    }


def grown(live: int, places: int, free: int = 0) -> Growth:
    """A collection."""
    return Growth("c", live, places, places * 100, 10**9, free)


@pytest.mark.parametrize(
    ("growth", "expected"),
    [
        (grown(1_000, 1_999), None),
        (grown(1_000, 2_000), ["c"]),
        (grown(10, 900), None),
        (grown(0, 1_000), ["c"]),
        (grown(0, 0), None),
        (grown(10**6, 10**6 + 5_000), None),
        (grown(100, 100, LEAST_FREE_BYTES), None),
        (grown(100, 100, 6 * 10**8), []),
    ],
)
def test_when_it_is_worth_it(growth: Growth, expected: list[str] | None) -> None:
    """From twice the places on, and a thousand dead; or when half of the database is free."""
    assert due([growth], 2.0) == expected
    assert due([], 2.0) is None


def filled(path: Path, number: int, deleted: int) -> Any:
    """A Chroma with a collection of ours, which was saved, and one of somebody else."""
    client = chromadb.PersistentClient(str(path))
    configuration: Any = {"hnsw": {"space": "cosine", "sync_threshold": 100}}
    rows = np.random.default_rng(0).standard_normal((number, 8)).astype(np.float32)
    for name, metadata in (("ours", {"ingestd": 1}), ("theirs", None)):
        handle = client.create_collection(
            name, embedding_function=None, configuration=configuration, metadata=metadata
        )
        ids = [f"{name}-{place:04}" for place in range(number)]
        texts = [f"{slot} says {place}" for place, slot in enumerate(ids)]
        handle.upsert(
            ids=ids,
            embeddings=rows,
            documents=texts,
            metadatas=[{"chunk_digest": f"{place:064x}"} for place in range(number)],
        )
        if deleted:
            handle.delete(ids=ids[:deleted])
    return client


def test_measures(tmp_path: Path) -> None:
    """Ours are measured from the files, while they are open; those of others are not ours."""
    client = filled(tmp_path, 600, 450)
    [found] = measure(tmp_path)
    assert (found.collection, found.live, found.places) == ("ours", 150, 600)
    assert (found.bloat, found.dead) == (4.0, 450)
    assert found.index_bytes > 600 * 8 * 4
    assert found.database_bytes == (tmp_path / DATABASE).stat().st_size / 2
    assert found.bytes_per_vector == pytest.approx(found.disk_bytes / 150)
    client.delete_collection("theirs")
    assert orphan_bytes(tmp_path) > 600 * 8 * 4
    client.close()


def test_there_is_nothing_to_measure(tmp_path: Path) -> None:
    """No directory, none of ours, or no save yet."""
    assert measure(tmp_path / "none") == []
    assert orphan_bytes(tmp_path / "none") == 0
    client = filled(tmp_path, 10, 0)
    assert [found.places for found in measure(tmp_path)] == [0]
    assert [found.bloat for found in measure(tmp_path)] == [1.0]
    client.close()


def test_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    """It is told as an error of the store."""
    (tmp_path / DATABASE).write_bytes(b"nonsense" * 1_000)
    with pytest.raises(StoreError, match="cannot read"):
        measure(tmp_path)


def test_what_slots_hold(tmp_path: Path) -> None:
    """All of them by slot, or some by name."""
    client = filled(tmp_path, 120, 20)
    with layout.opened(tmp_path) as connection:
        [ours] = layout.layouts(connection)
    found = list(layout.held(tmp_path, ours))
    assert found == [Held(f"ours-{n:04}", f"{n:064x}") for n in range(20, 120)]
    assert layout.digests(tmp_path, "ours", ["ours-0050", "ours-0001", "x"]) == {
        "ours-0050": f"{50:064x}"
    }
    assert layout.digests(tmp_path, "none", ["ours-0050"]) == {}
    client.close()


def test_an_index_is_built(tmp_path: Path) -> None:
    """What is put and not dropped is in its files, all of it, also by a second process."""
    rows = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    ids = [f"s{number}" for number in range(30)]
    with Builder(tmp_path, INDEX) as builder:
        builder.put(ids[:20], rows[:20])
        builder.drop(ids[:5])
        assert builder.save() == 15
    with Builder(tmp_path, INDEX) as builder:
        builder.put(ids[20:], rows[20:])
        assert builder.save() == 25
    labels = probe_segment(tmp_path / layout.index_of_build(tmp_path), frozenset(), saved=True)
    assert labels is not None
    assert (labels.ids, labels.added) == (25, 30)


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    """A process that builds an index, and need not survive that."""
    started = Builder(tmp_path, INDEX)
    yield started
    started.kill()


def test_a_process_that_fails_says_why(builder: Builder) -> None:
    """What Chroma raises there is raised here."""
    builder.put(["a"], np.ones((1, 8), np.float32))
    builder.put(["b"], np.ones((1, 9), np.float32))
    with pytest.raises(StoreError, match="dimension"):
        builder.save()


def test_a_process_that_dies(builder: Builder) -> None:
    """It is noticed at the next order."""
    assert builder.save() == 0
    os.kill(builder.pid, signal.SIGKILL)
    with pytest.raises(StoreError, match="failed"):
        builder.save()
    with pytest.raises(StoreError, match="gone"):
        builder.drop(["a"])


def test_a_process_that_hangs(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    builder.save()
    monkeypatch.setattr("ingestd.embed.chroma.builder.ANSWER_S", 0.2)
    os.kill(builder.pid, signal.SIGSTOP)
    with pytest.raises(StoreError, match="no answer"):
        builder.save()


def test_the_copy_of_the_database(tmp_path: Path) -> None:
    """It holds all slots, no text in the log of ours, and the log of others as it was."""
    chroma, target = tmp_path / "chroma", tmp_path / "copy"
    target.mkdir()
    filled(chroma, 250, 30).close()
    [ours] = [one for one in probe(chroma).findings if one.ours]
    before, after = squeeze(Order(str(chroma), str(target), [ours.segment]))
    assert after <= before
    assert [file.name for file in target.iterdir()] == [DATABASE]
    queue = "SELECT count(*), max(length(metadata)), max(seq_id) FROM embeddings_queue WHERE topic "
    with (
        sqlite3.connect(chroma / DATABASE) as old,
        sqlite3.connect(target / DATABASE) as new,
        layout.opened(chroma) as connection,
    ):
        [found] = layout.layouts(connection)
        theirs = (f"%/{found.id}",)
        for table in ("embeddings", "embedding_metadata", "collections", "segments"):
            query = f"SELECT * FROM {table} ORDER BY 1, 2"  # noqa: S608 - names of ours
            assert new.execute(query).fetchall() == old.execute(query).fetchall()
        assert (
            new.execute(f"{queue} NOT LIKE ?", theirs).fetchall()
            == old.execute(f"{queue} NOT LIKE ?", theirs).fetchall()
        )
        assert new.execute(f"{queue} LIKE ?", theirs).fetchone()[1] in {None, 2}
        newest = "SELECT max(seq_id) FROM embeddings_queue"
        assert new.execute(newest).fetchone() == old.execute(newest).fetchone()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_copy_that_fails_says_why(tmp_path: Path) -> None:
    """Without a database, or when it is to be broken off, nothing is left to wait for."""
    with pytest.raises(StoreError, match="cannot be copied"):
        squeeze_beside(tmp_path, tmp_path, [], lambda: None)

    def stop() -> None:
        raise StoreError("stopped")

    filled(tmp_path / "chroma", 50, 0).close()
    (tmp_path / "new").mkdir()
    # In a process of its own: ours loses its locks when Chroma's threads close the file late.
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "chroma" / DATABASE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="stopped"):
            squeeze_beside(tmp_path / "chroma", tmp_path / "new", [], stop)
        holder.kill()


def test_what_was_set_aside_long_ago_goes(tmp_path: Path) -> None:
    """A copy of a broken index is kept for some days."""
    kept = tmp_path / FOLDER / "index"
    kept.mkdir(parents=True)
    forget_old(tmp_path, days=1)
    assert kept.exists()
    forget_old(tmp_path, days=-1)
    assert not kept.exists()
    forget_old(tmp_path / "none", days=1)


async def test_a_remote_store_is_not_compacted() -> None:
    """It is not measured either, and it is said who can do it."""
    compactor = Compactor(None)
    assert await compactor.growth() == []
    with pytest.raises(StoreError, match="remote"):
        await compactor.compact(asyncio.Lock(), ["ingestd"])
    compactor.stop()
