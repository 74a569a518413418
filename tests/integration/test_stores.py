"""Stores that fail: Chroma away, slow, full or not ours; tables locked, full or damaged.

In every case the daemon keeps recording what changes, says what hinders it and when it tries
again, and ends where an undisturbed one does.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from daemon import eventually, ingestd
from stores import Follower, Proxy, Server, paths, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS = 12


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder of short documents."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(DOCUMENTS):
        write(folder / f"{number}.md", f"Fact {number}.")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Somebody else's Chroma server, running."""
    with Server(tmp_path / "theirs") as running:
        yield running


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that is not there yet."""
    return tmp_path / "state"


def write(path: Path, text: str) -> None:
    """Write a Markdown document of two sections."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {path.stem}\n\n{text}\n\n## More\n\nThe end.\n", encoding="utf-8")


def names(docs: Path) -> set[str]:
    """The paths that should be indexed."""
    return {str(file.relative_to(docs)) for file in docs.rglob("*.md")}


# ---- Chroma ---------------------------------------------------------------------------------


def test_a_remote_store_that_is_away_at_the_start_is_waited_for(docs: Path, state: Path) -> None:
    """The daemon starts, watches and records; when the store comes, everything goes in."""
    server = Server(state.with_name("theirs"))
    with Follower(docs, state, server.url, STORE__ATTEMPTS=1) as daemon:
        eventually(lambda: daemon.states().get("pending") == DOCUMENTS)
        write(docs / "late.md", "Written while the store is away.")
        eventually(lambda: daemon.states().get("pending") == DOCUMENTS + 1)
        told = daemon.until("store_unavailable")
        assert told["next_try_in_s"] >= 1
        assert not daemon.events("ready")
        with server:
            eventually(lambda: paths(server.client()) == names(docs))
            daemon.until("resumed")
            assert daemon.stop() == -15


def test_once_with_the_store_away_ends_with_its_exit_code(docs: Path, state: Path) -> None:
    """A single pass cannot wait: exit code 10 and what does not answer."""
    url = Server(state.with_name("theirs")).url
    run = Follower(docs, state, url, STORE__ATTEMPTS=1)
    run.store += ["--once"]
    with run:
        assert run.process.wait(60) == 10
    assert "does not answer" in run.log.read_text()


def test_a_server_killed_in_the_middle_of_an_ingest_loses_nothing(
    docs: Path, state: Path, server: Server
) -> None:
    """Killed while documents go in, and started again on the same data: the texts are all there."""
    for number in range(200):
        write(docs / "many" / f"{number}.md", f"One of many, number {number}.")
    settings = {"LIMITS__BATCH_DOCUMENTS": 5, "STORE__ATTEMPTS": 1}
    with Follower(docs, state, server.url, **settings) as daemon:
        eventually(lambda: daemon.states().get("indexed", 0) > 20)
        server.kill()
        daemon.until("store_unavailable")
        write(docs / "late.md", "Written while the store is away.")
        server.start()
        eventually(lambda: daemon.states() == {"indexed": DOCUMENTS + 201})
        held = texts(server.client())
        assert {path for path, _ in held} == names(docs)
        assert held["many/77.md", 0].startswith("# 77")


def test_a_server_that_stalls_is_given_up_and_tried_again(
    docs: Path, state: Path, server: Server
) -> None:
    """It takes requests and never answers: changes are recorded meanwhile, and go in afterwards."""
    with (
        Proxy(server.port) as proxy,
        Follower(docs, state, proxy.url, STORE__TIMEOUT_S=1, STORE__ATTEMPTS=2) as daemon,
    ):
        daemon.ready()
        proxy.switch("stall")
        write(docs / "late.md", "Written while the store stalls.")
        daemon.until("store_unavailable")
        write(docs / "later.md", "Written while the job rests.")
        eventually(lambda: sum(daemon.states().values()) == DOCUMENTS + 2, 10)
        proxy.switch("pass")
        eventually(lambda: paths(server.client()) == names(docs))
        assert daemon.until("resumed")["after_s"] > 0


def test_a_stop_does_not_wait_for_a_server_that_stalls(
    docs: Path, state: Path, server: Server
) -> None:
    """It takes ``stop_s`` and little more, and the next start carries on."""
    with Proxy(server.port) as proxy:
        with Follower(docs, state, proxy.url, LIMITS__STOP_S=2) as daemon:
            daemon.ready()
            proxy.switch("stall")
            write(docs / "late.md", "Written while the store stalls.")
            assert proxy.stalled.wait(30)
            begun = time.monotonic()
            assert daemon.stop() == -15
            assert time.monotonic() - begun < 2 + 6
            assert daemon.events("stop_forced")
        proxy.switch("pass")
        with Follower(docs, state, proxy.url):
            eventually(lambda: paths(server.client()) == names(docs))


def test_a_single_pass_stops_as_quickly(docs: Path, state: Path, server: Server) -> None:
    """A stop during ``run --once`` on a store that stalls; the next one does what is left."""
    with Proxy(server.port) as proxy:
        proxy.switch("stall writes")
        run = Follower(docs, state, proxy.url, LIMITS__STOP_S=2)
        run.store += ["--once"]
        with run:
            assert proxy.stalled.wait(60)
            begun = time.monotonic()
            assert run.stop() == -15
            assert time.monotonic() - begun < 2 + 6
        proxy.switch("pass")
        with run:
            assert run.process.wait(60) == 0
        assert paths(server.client()) == names(docs)


def test_a_full_disk_at_the_server_is_told_as_such(docs: Path, state: Path, server: Server) -> None:
    """Chroma's words for it are understood: the work waits, and goes on when there is room."""
    with Proxy(server.port) as proxy, Follower(docs, state, proxy.url) as daemon:
        daemon.ready()
        proxy.switch("full")
        write(docs / "late.md", "Written while the disk is full.")
        told = daemon.until("disk_full")
        assert told["next_try_in_s"] >= 1
        proxy.switch("pass")
        eventually(lambda: paths(server.client()) == names(docs))
        assert "dead" not in daemon.states()


@pytest.mark.parametrize(("metadata", "exit_code"), [({"by": "them"}, 13), ("ours", 9)])
def test_a_collection_that_does_not_fit_ends_the_start(
    docs: Path, state: Path, server: Server, metadata: object, exit_code: int
) -> None:
    """Somebody else's collection, and one of ours for vectors of another dimension."""
    if metadata == "ours":
        metadata = {"ingestd": 1, "model": "x", "model_fingerprint": "x", "dimension": 7}
    server.client().create_collection("ingestd", embedding_function=None, metadata=metadata)
    with Follower(docs, state, server.url) as daemon:
        assert daemon.process.wait(60) == exit_code
    assert "hint:" in daemon.log.read_text()


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"by": "them"}, "not made by ingestd"),
        ({"dimension": 7}, "dimensions"),
        ({}, "expecting embedding with dimension"),
    ],
    ids=["theirs", "told", "untold"],
)
def test_a_collection_that_somebody_replaces_is_told(
    docs: Path, state: Path, server: Server, metadata: dict[str, object], code: str
) -> None:
    """Deleted and made anew with another dimension under the daemon: no document is blamed."""
    with Follower(docs, state, server.url, STORE__ATTEMPTS=1) as daemon:
        daemon.ready()
        client = server.client()
        old = client.get_collection("ingestd", embedding_function=None)
        if "by" not in metadata:
            metadata = {**old.metadata, **metadata}
        client.delete_collection("ingestd")
        made = client.create_collection("ingestd", embedding_function=None, metadata=metadata)
        made.add(ids=["x"], embeddings=[[1.0] * 7])
        write(docs / "late.md", "Written afterwards.")
        assert daemon.until("paused", code=code)["hint"]
        write(docs / "later.md", "Written while it rests.")
        eventually(lambda: sum(daemon.states().values()) == DOCUMENTS + 2, 10)
        assert {"failed", "dead"}.isdisjoint(daemon.states())
        client.delete_collection("ingestd")
        eventually(lambda: paths(client) == names(docs))


# ---- SQLite ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ours", "theirs"])
def test_a_table_that_another_process_keeps_is_waited_for(
    docs: Path, state: Path, how: str
) -> None:
    """Locked for longer than a writer waits: what changed meanwhile is indexed afterwards."""
    with Follower(docs, state) as daemon:
        daemon.ready()
        with locked(state / "state.db", how):
            write(docs / "late.md", "Written while the table is locked.")
            eventually(lambda: daemon.events("state_away") or daemon.events("paused"), 30)
            write(docs / "0.md", "Changed while the table is locked.")
            assert daemon.process.poll() is None
        eventually(lambda: daemon.states() == {"indexed": DOCUMENTS + 1})
        assert paths(daemon_client(daemon)) == names(docs)


@contextlib.contextmanager
def locked(table: Path, how: str) -> Iterator[None]:
    """Keep a table from being written, by our lock file or by SQLite's own lock."""
    if how == "ours":
        with table.with_name("state.db.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    connection = sqlite3.connect(table, isolation_level=None, timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


def daemon_client(daemon: Follower) -> object:
    """A client of the daemon's own server."""
    import chromadb

    return chromadb.HttpClient(port=daemon.port)


def garble(file: Path, start: int = 0, length: int = 100) -> None:
    """Flip every bit of a stretch."""
    data = bytearray(file.read_bytes())
    data[start : start + length] = bytes(byte ^ 0xFF for byte in data[start : start + length])
    file.write_bytes(data)


@pytest.fixture
def indexed(docs: Path, state: Path) -> Path:
    """A state directory with everything in it."""
    done = once(docs, state)
    assert done.returncode == 0, done.stderr
    return state


def once(docs: Path, state: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """A single pass."""
    return ingestd("run", docs, "--once", "--json", "--state-dir", state, *options)


def test_a_damaged_state_table_is_refused_with_its_cure(docs: Path, indexed: Path) -> None:
    """Exit code 11; the command of the hint, run as it stands, cures it; nothing is embedded."""
    garble(indexed / "state.db")
    done = once(docs, indexed)
    assert done.returncode == 11
    command = re.search(r"`([^`]*mv [^`]*)`", done.stderr)
    assert command, done.stderr
    subprocess.run(["sh", "-c", command[1]], check=True)
    done = once(docs, indexed)
    assert done.returncode == 0, done.stderr
    assert f'"indexed": {DOCUMENTS}' in done.stdout
    assert '"embedded": 0' in done.stdout


def test_a_damaged_page_of_the_state_table_ends_the_run(docs: Path, indexed: Path) -> None:
    """The file opens, but a page is broken: exit code 11 and the same cure, not a traceback."""
    table = indexed / "state.db"
    for page in range(1, table.stat().st_size // 4096):
        garble(table, page * 4096)
    done = once(docs, indexed)
    assert done.returncode == 11, done.stderr
    assert "mv " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_of_a_newer_version_is_refused(docs: Path, indexed: Path) -> None:
    """Exit code 11, and the hint is to install the newer version again."""
    with contextlib.closing(sqlite3.connect(indexed / "state.db")) as table, table:
        table.execute("UPDATE alembic_version SET version_num = '9999'")
    done = once(docs, indexed)
    assert done.returncode == 11
    assert "newer version" in done.stderr


def test_a_damaged_cache_is_made_anew_at_the_start(docs: Path, indexed: Path) -> None:
    """Nothing is lost but time: a new text is embedded, the rest stays searchable."""
    garble(indexed / "vectors.db")
    write(docs / "late.md", "Written afterwards.")
    done = once(docs, indexed)
    assert done.returncode == 0, done.stderr
    assert f'"unchanged": {DOCUMENTS}' in done.stdout
    assert (indexed / "vectors.db.damaged").is_file()


def test_a_cache_that_is_damaged_while_it_runs_is_made_anew(docs: Path, state: Path) -> None:
    """Every page of it is broken under the daemon: it goes on with a new one."""
    with Follower(docs, state) as daemon:
        daemon.ready()
        with contextlib.closing(sqlite3.connect(state / "vectors.db")) as cache:
            cache.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for page in range((state / "vectors.db").stat().st_size // 4096):
            garble(state / "vectors.db", page * 4096, 4096)
        write(docs / "late.md", "Written afterwards.")
        daemon.until("cache_damaged")
        eventually(lambda: daemon.states() == {"indexed": DOCUMENTS + 1})
        assert not daemon.events("paused")


# ---- the disk -------------------------------------------------------------------------------


def test_below_the_watermark_nothing_is_written(docs: Path, tmp_path: Path) -> None:
    """Too little space: it says so, keeps recording, and goes on by itself when there is room."""
    with small_disk(tmp_path / "disk", 64) as disk:
        daemon = Follower(docs, disk / "state", LIMITS__FREE_BYTES=20 * 1024**2)
        daemon.log = tmp_path / "daemon.log"
        with daemon:
            daemon.ready()
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * (room(disk) - 10 * 1024**2))
            write(docs / "late.md", "Written while there is too little space.")
            told = daemon.until("disk_full")
            assert "must stay free" in told["error"]
            assert told["next_try_in_s"] >= 1
            write(docs / "later.md", "Written while it rests.")
            eventually(lambda: sum(daemon.states().values()) == DOCUMENTS + 2, 10)
            assert paths(daemon_client(daemon)) == names(docs) - {"late.md", "later.md"}
            ballast.unlink()
            eventually(lambda: paths(daemon_client(daemon)) == names(docs))
            daemon.until("resumed")


def test_once_below_the_watermark_ends_with_its_exit_code(docs: Path, state: Path) -> None:
    """A single pass cannot wait for space: exit code 17, and what must stay free."""
    run = Follower(docs, state, LIMITS__FREE_BYTES=1 << 60)
    run.store = ["--once"]
    with run:
        assert run.process.wait(60) == 17
    assert "must stay free" in run.log.read_text()


def test_a_disk_that_is_full_to_the_last_byte_loses_nothing(docs: Path, tmp_path: Path) -> None:
    """Without a watermark: every table and Chroma itself meet the end of the disk, and recover."""
    with small_disk(tmp_path / "disk", 48) as disk:
        daemon = Follower(docs, disk / "state", LIMITS__FREE_BYTES=0, STORE__ATTEMPTS=2)
        daemon.log = tmp_path / "daemon.log"
        with daemon:
            daemon.ready()
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * max(0, room(disk) - 256 * 1024))
            for number in range(300):
                write(docs / "many" / f"{number}.md", f"One of many, number {number}. " * 20)
            daemon.until("disk_full")
            assert daemon.process.poll() is None
            ballast.unlink()
            total = DOCUMENTS + 300
            eventually(lambda: daemon.states() == {"indexed": total}, 120)
            eventually(lambda: paths(daemon_client(daemon)) == names(docs))
        config = tmp_path / "config.toml"
        config.write_text("[limits]\nfree_bytes = 0\n")
        done = once(docs, disk / "state", "--config", config)
        assert done.returncode == 0, done.stderr
        assert f'"unchanged": {total}' in done.stdout


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of this size, which only this process and its children see."""
    place.mkdir()
    # Whatever happens to this process, its mounts are gone with it.
    new_mount_namespace = 0x00020000
    if ctypes.CDLL(None, use_errno=True).unshare(new_mount_namespace):
        pytest.skip(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"]
    subprocess.run(["mount", *options, str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def room(place: Path) -> int:
    """Bytes that are free."""
    return shutil.disk_usage(place).free


# ---- the state directory --------------------------------------------------------------------


def test_a_second_daemon_is_refused(docs: Path, state: Path) -> None:
    """Exit code 6, with the process that has it; the first one goes on."""
    with Follower(docs, state) as daemon:
        daemon.ready()
        with Follower(docs, state) as second:
            assert second.process.wait(30) == 6
        assert f"process {daemon.process.pid}" in daemon.log.read_text()
        write(docs / "late.md", "Written afterwards.")
        eventually(lambda: daemon.states() == {"indexed": DOCUMENTS + 1})


def delete(folder: Path) -> None:
    """Delete a folder in which somebody writes meanwhile, as often as it takes."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("how", ["deleted", "moved", "table"])
def test_a_state_directory_that_is_taken_away_ends_the_daemon(
    docs: Path, state: Path, how: str
) -> None:
    """It does not write into deleted files: it ends with exit code 11, and can be started again."""
    daemon = Follower(docs, state)
    daemon.log = state.with_name("daemon.log")
    with daemon:
        daemon.ready()
        if how == "deleted":
            delete(state)
        elif how == "moved":
            state.rename(state.with_name("elsewhere"))
        else:
            (state / "state.db").unlink()
        assert daemon.process.wait(30) == 11
    assert "under the running daemon" in daemon.log.read_text()
    if how != "table":
        with Follower(docs, state) as again:
            again.ready()
            assert again.states() == {"indexed": DOCUMENTS}
