"""Care for a Chroma directory: what the files do not tell, the answers tell, and nobody hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingestd.embed.chroma import care as care_module
from ingestd.embed.chroma import ended
from ingestd.embed.chroma import server as server_module
from ingestd.embed.chroma.aside import EVERYTHING, FOLDER
from ingestd.embed.chroma.ask import ask_directory
from ingestd.embed.chroma.care import BrokenError, Care
from ingestd.embed.chroma.health import DATABASE, probe
from ingestd.embed.chroma.server import ManagedServer, ServerPlan
from ingestd.embed.chroma.store import open_embedded, open_http
from ingestd.embed.model import locate
from ingestd.errors import StoreError
from ingestd.lock import FileLock, Owner
from ingestd.settings.content import StoreSettings
from ingestd_state import collections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.reconcile import WatchedSource
    from ingestd_state.engine import Database

SPEC = locate("hash:32")
SETTINGS = StoreSettings(attempts=3)
NUMBER = 1_500
MAKE = """
import sys, numpy as np
from pathlib import Path
from ingestd.settings.content import StoreSettings
from ingestd.embed.chroma.store import open_embedded
from ingestd.embed.model import locate

number = int(sys.argv[2])
store = open_embedded(StoreSettings(), Path(sys.argv[1]))
rows = np.random.default_rng(0).standard_normal((number, 32)).astype(np.float32)
ids = [f"s{n}" for n in range(number)]
for name in ("one", "two"):
    store.collection(name, locate("hash:32"), None).upsert(ids, rows, ids, [{"n": 1}] * number)
store.close()
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two collections of ours, saved by Chroma at least once."""
    path = tmp_path_factory.mktemp("care") / "chroma"
    subprocess.run([sys.executable, "-c", MAKE, str(path), str(NUMBER)], check=True)
    return path


@pytest.fixture
def chroma(template: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(template, tmp_path / "state" / "chroma"))


@pytest.fixture
def care(chroma: Path, database: Database, source: Callable[..., WatchedSource]) -> Care:
    """Care for it, with sources that write to both collections, and little patience."""
    source("a", collection="one")
    source("b", collection="two")
    return Care(chroma, database, timeout_s=8.0)


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[FileLock]:
    """The lock of the directory."""
    with FileLock(tmp_path / "chroma.lock").acquire(Owner.me("test")) as held:
        yield held


@pytest.fixture
def plan(chroma: Path, lock: FileLock, tmp_path: Path) -> ServerPlan:
    """A plan for a server on a free port."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
    return ServerPlan(chroma, tmp_path / "logs", "127.0.0.1", number, 60.0, lock.fileno())


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files tell nothing: only answers do."""
    monkeypatch.setattr(care_module, "probe", lambda path, **_: probe(path, quick=True))


def segment(chroma: Path, name: str) -> Path:
    """The folder of a collection's index."""
    return next(chroma / f.segment for f in probe(chroma).findings if f.collection == name)


def cut(path: Path, *, keep: bool = True) -> None:
    """Leave the first half of a file, and its times."""
    stat = path.stat()
    os.truncate(path, stat.st_size // 2)
    if keep:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def flagged(database: Database) -> dict[str, str]:
    """The flagged collections, and why."""
    with database.read() as connection:
        return {refill.name: refill.reason for refill in collections.flagged(connection)}


def count(chroma: Path, name: str) -> int:
    """Slots of a collection, and the proof that it can be written to."""
    store = open_embedded(SETTINGS, chroma, trusted=True)
    try:
        collection = store.collection(name, SPEC, None)
        collection.refill(["s0"], np.ones((1, 32), np.float32))
        return collection.count()
    finally:
        store.close()


# Before the opening.


def test_a_sound_directory_is_left_alone(care: Care, chroma: Path, database: Database) -> None:
    """Nothing is flagged and nothing moved, and the next end in order is told by its note only."""
    care.before()
    assert not care.clean
    assert flagged(database) == {}
    assert not (chroma / FOLDER).exists()
    care.closed()
    care.before()
    assert care.clean
    care.before()
    assert not care.clean


def test_a_torn_index_alone_is_set_aside(care: Care, chroma: Path, database: Database) -> None:
    """It is flagged with the reason; the other collection keeps its index; both can be opened."""
    torn = segment(chroma, "one")
    cut(torn / "length.bin")
    care.before()
    assert list(flagged(database)) == ["one"]
    assert "length.bin" in flagged(database)["one"]
    assert (chroma / FOLDER / torn.name / "length.bin").exists()
    assert count(chroma, "one") == count(chroma, "two") == NUMBER


def test_what_was_flagged_is_set_aside_again(care: Care, chroma: Path, database: Database) -> None:
    """A refill that broke off starts over from nothing; the reason stays the first one."""
    cut(segment(chroma, "one") / "length.bin")
    care.before()
    reason = flagged(database)["one"]
    assert count(chroma, "one") == NUMBER  # makes a new index
    half = segment(chroma, "one")
    half.mkdir(exist_ok=True)
    (half / "half").touch()
    care.before()
    assert not half.exists()
    assert flagged(database) == {"one": reason}


def test_an_unreadable_database(care: Care, chroma: Path, database: Database) -> None:
    """Everything is set aside, and both collections are flagged."""
    (chroma / DATABASE).write_bytes(b"no database")
    care.before()
    assert set(flagged(database)) == {"one", "two"}
    assert (chroma / FOLDER / EVERYTHING / DATABASE).read_bytes() == b"no database"
    assert not (chroma / DATABASE).exists()


def test_a_note_does_not_hide_later_damage(care: Care, chroma: Path, database: Database) -> None:
    """An end in order is believed only of the files as they were then."""
    care.before()
    care.closed()
    cut(segment(chroma, "two") / "header.bin")
    care.before()
    assert list(flagged(database)) == ["two"]


# Asking a directory.


@pytest.mark.parametrize(
    "name",
    ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle"],
)
def test_a_directory_that_cannot_be_opened(
    care: Care, chroma: Path, database: Database, lock: FileLock, name: str, blind: None
) -> None:
    """What hangs or raises is found out in a child, in time, and set aside after; all is well then.

    Chroma can open some cut files: then there is nothing to find out, and nothing is done.
    """
    cut(segment(chroma, "one") / name)
    started = time.monotonic()
    care.before()
    with contextlib.suppress(BrokenError):
        care.ask_directory(lock.fileno())
    assert time.monotonic() - started < 60
    assert set(flagged(database)) <= {"one"}
    if flagged(database):
        care.before()
    care.ask_directory(lock.fileno())
    assert count(chroma, "two") == NUMBER


def test_a_sound_directory_answers(care: Care, lock: FileLock) -> None:
    """No error, for collections that are there and for one that is not."""
    care.before()
    care.ask_directory(lock.fileno())
    answers = ask_directory(care.directory, ["one", "none"], 60, lock.fileno())
    assert (answers.broken, answers.unreadable) == ({}, "")


def test_a_database_that_only_chroma_finds_broken(
    care: Care, chroma: Path, database: Database, lock: FileLock, blind: None
) -> None:
    """When the opening says that the file is no database, everything is set aside."""
    with (chroma / DATABASE).open("r+b") as file:
        file.write(b"no database ")
    care._unreadable = ""  # noqa: SLF001 - as after a start
    with pytest.raises(BrokenError, match="not a database"):
        care.ask_directory(lock.fileno())
    care.before()
    assert (chroma / FOLDER / EVERYTHING / DATABASE).exists()
    assert set(flagged(database)) == {"one", "two"}


def test_a_directory_that_may_not_be_written(care: Care, lock: FileLock, tmp_path: Path) -> None:
    """Another trouble than damage is an error, and nothing is thrown away."""
    gone = tmp_path / "a file"
    gone.write_text("", "ascii")
    with pytest.raises(StoreError, match="cannot open"):
        ask_directory(gone, ["one"], 60, lock.fileno())


# The server.


async def test_a_server_on_a_torn_index(care: Care, plan: ServerPlan, database: Database) -> None:
    """The files are looked at before the start: it is up at once, without the broken index."""
    cut(segment(plan.data, "one") / "link_lists.bin")
    server = ManagedServer(plan, care)
    await server.start()
    assert list(flagged(database)) == ["one"]
    assert await asyncio.to_thread(counted, plan.url, "two") == NUMBER
    await server.stop()
    assert ended.matches(plan.data)


async def test_a_server_that_gives_no_sound_answer(
    care: Care, plan: ServerPlan, database: Database, blind: None
) -> None:
    """It is ended, what it could not open is set aside, and it is started again."""
    cut(segment(plan.data, "one") / "index_metadata.pickle")
    server = ManagedServer(plan, care)
    await server.start()
    assert list(flagged(database)) == ["one"]
    assert await asyncio.to_thread(counted, plan.url, "one") == NUMBER
    await server.stop()


async def test_a_server_that_hangs_is_replaced(
    care: Care, plan: ServerPlan, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check finds out in time; nothing is flagged, for the index may be innocent."""
    monkeypatch.setattr("ingestd.embed.chroma.process.STOP_S", 1.0)
    server = ManagedServer(plan, care)
    await server.start()
    await server.check()
    pid = server.pid
    assert pid is not None
    assert server.restarts == 0
    care._timeout_s = 1.0  # noqa: SLF001 - it was long for the start
    os.kill(pid, signal.SIGSTOP)
    await asyncio.wait_for(server.check(), 60)
    assert server.pid not in {None, pid}
    assert flagged(database) == {}
    assert await asyncio.to_thread(counted, plan.url, "one") == NUMBER
    await server.stop()


async def test_a_check_while_the_server_is_down_does_nothing(
    care: Care, plan: ServerPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper is at it already."""
    monkeypatch.setattr(server_module, "FIRST_WAIT_S", 60.0)
    server = ManagedServer(plan, care)
    await server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.restarts == 0:  # noqa: ASYNC110 - the keeper tells nobody
        await asyncio.sleep(0.01)
    await server.check()
    assert server.pid is None
    await server.stop()


async def test_a_kill_leaves_no_note(care: Care, plan: ServerPlan) -> None:
    """Only an end in order is noted: after a kill the files are looked at again."""
    server = ManagedServer(plan, care)
    await server.start()
    process = server._process  # noqa: SLF001 - to end it before its keeper notices
    assert process is not None
    process.kill()
    await process.wait()
    await server.stop()
    assert not ended.matches(plan.data)


def counted(url: str, name: str) -> int:
    """Slots of a collection, as a client counts them."""
    store = open_http(SETTINGS, url)
    try:
        return store.collection(name, SPEC, None).count()
    finally:
        store.close()
