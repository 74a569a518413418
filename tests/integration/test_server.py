"""The managed Chroma server: its start and end, its restarts, and what outlives a killed parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingestd.embed.chroma import ceiling
from ingestd.embed.chroma import server as server_module
from ingestd.embed.chroma.listen import check_port, listens
from ingestd.embed.chroma.plan import (
    LOG_LIMIT_BYTES,
    open_log,
    server_environment,
    server_url,
)
from ingestd.embed.chroma.process import spawn, wait_ready
from ingestd.embed.chroma.server import ManagedServer, ServerPlan
from ingestd.embed.chroma.store import open_http
from ingestd.embed.model import locate
from ingestd.errors import PortBusyError, StoreError
from ingestd.instance import lock_chroma
from ingestd.location import Location
from ingestd.lock import FileLock, Owner, holder
from ingestd.settings.content import StoreSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

SPEC = locate("hash:8")
SETTINGS = StoreSettings(attempts=10)
ROW = np.ones((1, 8), np.float32)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[ServerPlan]:
    """A plan for a free port, with its lock held."""
    with FileLock(tmp_path / "chroma.lock").acquire(Owner.me("test")) as guard:
        yield ServerPlan(
            data=tmp_path / "chroma",
            log_dir=tmp_path / "logs",
            host="127.0.0.1",
            port=free_port(),
            start_timeout_s=60,
            lock_fd=guard.fileno(),
        )


@pytest.fixture
async def server(plan: ServerPlan) -> AsyncIterator[ManagedServer]:
    """A server that runs."""
    managed = ManagedServer(plan)
    await managed.start()
    yield managed
    await managed.stop()


async def until(condition: Callable[[], bool], limit_s: float = 30) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return False


def write(url: str, *ids: str) -> int:
    """Write slots through a client of its own; tells how many are there."""
    store = open_http(SETTINGS, url)
    collection = store.collection("docs", SPEC, None)
    collection.upsert(ids, np.repeat(ROW, len(ids), 0), ids, [{"n": 1}] * len(ids))
    count = collection.count()
    store.close()
    return count


async def test_start_stop_and_start_again(plan: ServerPlan) -> None:
    """It answers when it is started, ends when it is stopped, and keeps what was written."""
    server = ManagedServer(plan)
    assert server.pid is None
    for number in (1, 2):
        await server.start()
        pid = server.pid
        assert pid is not None
        assert await asyncio.to_thread(write, plan.url, f"slot-{number}") == number
        await server.stop()
        assert server.pid is None
        assert not alive(pid)
        check_port(plan.host, plan.port)
    await server.stop()
    assert server.restarts == 0


async def test_it_ends_by_itself_when_asked(server: ManagedServer) -> None:
    """A stop is a SIGTERM: the server finishes, and nothing is killed."""
    process = server._process  # noqa: SLF001 - its exit status is nowhere else
    await server.stop()
    assert process is not None
    assert process.returncode == 0


def test_how_the_process_is_set_up(server: ManagedServer, plan: ServerPlan) -> None:
    """A session of its own, no file without bound, the lock in its hands, loopback only."""
    pid = server.pid
    assert pid is not None
    assert os.getsid(pid) == pid
    assert resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == ceiling.LEAST
    theirs = Path(f"/proc/{pid}/fd/{plan.lock_fd}")
    assert os.path.samestat(os.fstat(plan.lock_fd), theirs.stat())
    assert listens(pid, plan.port)
    assert not listens(os.getpid(), plan.port)
    assert not listens(pid, free_port())
    with socket.socket() as probe:
        probe.bind((plan.host.replace("127.0.0.1", "127.0.0.2"), plan.port))


async def test_files_may_grow_with_the_data(
    plan: ServerPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that began empty is not killed for having grown: the bound is lifted in time."""
    monkeypatch.setattr(ceiling, "LOOK_S", 0.1)
    server = ManagedServer(plan)
    await server.start()
    try:
        pid = server.pid
        assert pid is not None
        monkeypatch.setattr(ceiling, "LEAST", 0)
        size = (plan.data / "chroma.sqlite3").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (2 * size, resource.RLIM_INFINITY))
        await until(lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] >= 8 * size)
        assert server.restarts == 0
    finally:
        await server.stop()


async def test_it_comes_back_after_a_kill(server: ManagedServer, plan: ServerPlan) -> None:
    """Killed, it is back within seconds; a client that was there before notices a delay only."""
    store = await asyncio.to_thread(open_http, SETTINGS, plan.url)
    collection = store.collection("docs", SPEC, None)
    collection.upsert(["a"], ROW, ["A"], [{"n": 1}])
    for number in (1, 2):
        killed = server.pid
        assert killed is not None
        started = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        await asyncio.to_thread(collection.upsert, [f"b{number}"], ROW, ["B"], [{"n": 1}])
        assert time.monotonic() - started < 15
        assert server.restarts == number
        assert server.pid not in {None, killed}
    assert collection.count() == 3
    store.close()


async def test_a_busy_port(plan: ServerPlan) -> None:
    """Somebody else's port is named, and nothing is started."""
    with socket.socket() as other:
        other.bind((plan.host, plan.port))
        other.listen()
        server = ManagedServer(plan)
        with pytest.raises(PortBusyError, match=str(plan.port)):
            await server.start()
    assert server.pid is None
    assert not plan.log_dir.exists()


async def test_a_port_that_is_taken_meanwhile(
    plan: ServerPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another Chroma took the port in between, its answers are not mistaken for ours."""
    other = ManagedServer(replace(plan, data=plan.data / "other", log_dir=plan.data / "logs"))
    await other.start()
    monkeypatch.setattr(server_module, "check_port", lambda *_: None)
    server = ManagedServer(plan)
    with pytest.raises(StoreError, match="ended at once") as caught:
        await server.start()
    assert str(plan.log_file) in caught.value.hint
    assert server.pid is None
    await other.stop()


async def test_a_server_that_cannot_start(plan: ServerPlan) -> None:
    """Data that Chroma cannot open end the start at once; the log file is named, and says why."""
    plan.data.mkdir()
    (plan.data / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    server = ManagedServer(plan)
    with pytest.raises(StoreError) as caught:
        await server.start()
    assert str(plan.log_file) in caught.value.hint
    assert "not a database" in plan.log_file.read_text("utf-8")
    assert server.pid is None


async def test_a_server_that_does_not_answer_in_time(plan: ServerPlan) -> None:
    """Patience ends, the process is ended, and the log file is named."""
    server = ManagedServer(replace(plan, start_timeout_s=0.01))
    with pytest.raises(StoreError, match=r"within 0\.01 s") as caught:
        await server.start()
    assert str(plan.log_file) in caught.value.hint
    assert server.pid is None


async def test_a_place_that_cannot_be_written(plan: ServerPlan) -> None:
    """Where its files cannot be made, it is a failure of the store like any other."""
    plan.log_dir.write_text("a file", "ascii")
    with pytest.raises(StoreError, match="cannot start the Chroma server"):
        await ManagedServer(plan).start()


async def test_restarts_that_fail_are_tried_again(
    plan: ServerPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart may fail in any of its steps; the keeper goes on until one succeeds."""
    monkeypatch.setattr(server_module, "FIRST_WAIT_S", 0.05)
    server = ManagedServer(plan)
    await server.start()
    failures: list[Exception] = [
        PortBusyError("taken"),
        StoreError("no space left"),
        StoreError("no answer"),
    ]
    left = list(failures)

    def failing(step: Callable[..., Awaitable[object]], when: int) -> Callable[..., object]:
        async def call(*arguments: object) -> object:
            if len(left) == when:
                raise left.pop(0)
            return await step(*arguments)

        return call

    def port_check(host: str, port: int) -> None:
        if left and isinstance(left[0], PortBusyError):
            raise left.pop(0)
        check_port(host, port)

    monkeypatch.setattr(server_module, "check_port", port_check)
    monkeypatch.setattr(server_module, "spawn", failing(spawn, 2))
    monkeypatch.setattr(server_module, "wait_ready", failing(wait_ready, 1))
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: server.pid not in {None, killed} and not left)
    assert await asyncio.to_thread(write, plan.url, "a") == 1
    assert server.restarts == 1
    await server.stop()


@pytest.mark.parametrize("moment", ["waiting", "starting", "not answering"])
async def test_a_stop_during_a_restart(
    plan: ServerPlan, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Wherever a restart is, a stop ends it: no process and no task are left."""
    if moment != "waiting":
        monkeypatch.setattr(server_module, "FIRST_WAIT_S", 0.0)
    server = ManagedServer(plan)
    await server.start()
    reached = asyncio.Event()

    async def spawn_and_tell(plan: ServerPlan) -> asyncio.subprocess.Process:
        reached.set()
        return await spawn(plan)

    async def never_ready(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    if moment == "starting":
        monkeypatch.setattr(server_module, "spawn", spawn_and_tell)
    elif moment == "not answering":
        monkeypatch.setattr(server_module, "wait_ready", never_ready)
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await (until(lambda: server.restarts == 1) if moment == "waiting" else reached.wait())
    await server.stop()
    assert server.pid is None
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "chroma-keeper"]
    await until(lambda: free(plan) and not served_by(plan))


def served_by(plan: ServerPlan) -> list[int]:
    """The servers that run with the plan's configuration."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(plan.config_file).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def free(plan: ServerPlan) -> bool:
    """Whether nobody listens on the plan's port."""
    try:
        check_port(plan.host, plan.port)
    except PortBusyError:
        return False
    return True


# A parent that is killed. It runs in a process of its own, and tells the server's process id.

PARENT = """
import asyncio, os, sys
from pathlib import Path
from ingestd.embed.chroma.server import ManagedServer, ServerPlan
from ingestd.instance import lock_chroma
from ingestd.location import Location

async def main():
    state, port = Path(sys.argv[1]), int(sys.argv[2])
    location = Location(None, state, state, "")
    guard = lock_chroma(location)
    server = ManagedServer(ServerPlan(
        location.chroma_dir, location.log_dir, "127.0.0.1", port, 60.0, guard.fileno()
    ))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def parent(plan: ServerPlan, program: str = PARENT) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with a server as its child, in a state directory beside the plan's."""
    state = plan.data.parent / "state"
    command = [sys.executable, "-c", program, str(state), str(plan.port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        pid = next(int(line) for line in process.stdout if line.strip().isdecimal())
        try:
            yield process, pid
        finally:
            process.kill()
            process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            deadline = time.monotonic() + 20
            while alive(pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)


def state_of(plan: ServerPlan) -> Location:
    """The places of the process that `parent` starts."""
    state = plan.data.parent / "state"
    return Location(None, state, state, "")


async def test_a_keyboard_interrupt_misses_it(plan: ServerPlan) -> None:
    """Ctrl-C reaches the process group at the terminal, and the server is not in it."""
    program = f"import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\n{PARENT}"
    with parent(plan, program) as (process, pid):
        os.killpg(process.pid, signal.SIGINT)
        assert await asyncio.to_thread(write, plan.url, "a") == 1
        assert alive(pid)
        assert process.poll() is None


async def test_it_ends_with_its_parent(plan: ServerPlan) -> None:
    """A killed parent takes the server with it, gracefully; then the data is free for the next."""
    with parent(plan) as (process, pid):
        assert await asyncio.to_thread(write, plan.url, "a") == 1
        process.kill()
        await until(lambda: not alive(pid))
    location = state_of(plan)
    await until(lambda: holder(location.state_dir / "chroma.lock") is None)
    with lock_chroma(location, wait_s=0):
        server = ManagedServer(replace(plan, data=location.chroma_dir))
        await server.start()
        assert await asyncio.to_thread(write, plan.url, "b") == 2
        await server.stop()


async def test_an_orphan_keeps_the_data(plan: ServerPlan) -> None:
    """While a server lives on without its parent, nobody else may open its directory."""
    with parent(plan) as (process, pid):
        os.kill(pid, signal.SIGSTOP)
        process.kill()
        process.wait()
        location = state_of(plan)
        assert alive(pid)
        with pytest.raises(StoreError, match="in use") as caught:
            lock_chroma(location, wait_s=0.2)
        assert "one process only" in caught.value.hint
        waiting = asyncio.create_task(asyncio.to_thread(lock_chroma, location))
        os.kill(pid, signal.SIGCONT)
        (await waiting).release()
        await until(lambda: not alive(pid))


def test_it_lives_as_long_as_the_thread_that_started_it(plan: ServerPlan) -> None:
    """Other threads come and go; with the thread of the event loop the server ends."""
    server = ManagedServer(plan)

    async def run() -> int:
        await server.start()
        for _ in range(3):
            thread = threading.Thread(target=list)
            thread.start()
            thread.join()
        await asyncio.to_thread(write, plan.url, "a")
        pid = server.pid
        assert pid is not None
        server._keeper.cancel()  # type: ignore[union-attr]  # noqa: SLF001 - its loop ends without a stop
        return pid

    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(run())))
    thread.start()
    thread.join()
    deadline = time.monotonic() + 20
    while alive(found[0]):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_parent_that_has_already_ended(plan: ServerPlan) -> None:
    """A child that comes too late to be told of its parent's end ends by itself."""
    nobody = str(2**22 + 1)
    command = [sys.executable, "-m", "ingestd.embed.chroma.child", "none.yaml", "none", nobody]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert not plan.data.exists()


# What goes into the plan.


def test_the_log_is_set_aside_when_it_has_grown(tmp_path: Path) -> None:
    """A log below the limit is appended to, one above it is kept once, and only its owner reads."""
    log = tmp_path / "chroma.log"
    for text, old in ((b"first\n", False), (b"second\n", False), (b"third\n", True)):
        if old:
            os.truncate(log, LOG_LIMIT_BYTES + 1)
        fd = open_log(log)
        os.write(fd, text)
        os.close(fd)
        assert (tmp_path / "chroma.log.1").exists() is old
    assert log.read_bytes() == b"third\n"
    assert (tmp_path / "chroma.log.1").read_bytes().startswith(b"first\nsecond\n")
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_environment_of_the_server() -> None:
    """Variables that would override its configuration are left out, others are kept."""
    given = {"CHROMA_PORT": "1", "chroma_listen_address": "0.0.0.0", "OTEL_X": "1", "PATH": "/bin"}  # noqa: S104 - nobody listens
    assert server_environment(given) == {"PATH": "/bin"}


async def test_the_environment_cannot_open_the_server(
    plan: ServerPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others set for a Chroma of theirs does not move ours to another port or directory."""
    monkeypatch.setenv("CHROMA_PORT", str(free_port()))
    monkeypatch.setenv("CHROMA_PERSIST_PATH", str(plan.data.parent / "elsewhere"))
    server = ManagedServer(plan)
    await server.start()
    await server.stop()
    assert (plan.data / "chroma.sqlite3").exists()
    assert not (plan.data.parent / "elsewhere").exists()


async def test_the_current_folder_is_not_imported(
    plan: ServerPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python files where ingestd was started are documents: the server's process runs none."""
    folder = plan.data.parent / "untrusted"
    for name in ("ctypes", "resource", "chromadb_rust_bindings", "ingestd"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("open('ran', 'w')\n", "ascii")
    monkeypatch.chdir(folder)
    server = ManagedServer(plan)
    await server.start()
    await server.stop()
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - nobody listens
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_where_clients_find_it(host: str, url: str) -> None:
    """An address to listen on becomes an address to connect to."""
    assert server_url(host, 8000) == url
