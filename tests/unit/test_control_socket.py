"""The control socket: who may connect, what it answers, and that it stays within its bounds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ingestd.errors import (
    BusyError,
    ConfigError,
    DiskFullError,
    IngestdError,
    NotFoundError,
    NotRunningError,
    OtherVersionError,
    UnavailableError,
    WaitTimeoutError,
)
from ingestd.location import Location
from ingestd.lock import FileLock, Owner
from ingestd.serve import server
from ingestd.serve.address import LONGEST, short_name, socket_of
from ingestd.serve.app import BODY_BYTES
from ingestd.serve.client import Client
from ingestd.serve.problems import RequestError
from ingestd.serve.server import CONNECTIONS, PathServer, Server
from ingestd.serve.sockets import at_path as listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


def descriptors() -> int:
    """How many files are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Parts:
    """Handlers that note what they were given, and do as they are told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.given: list[Mapping[str, Any]] = []
        self.release = asyncio.Event()

    async def echo(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer what was given."""
        self.given.append(values)
        if self.error is not None:
            raise self.error
        return dict(values)

    async def hang(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer when told to."""
        self.given.append(values)
        await self.release.wait()
        return {}


@pytest.fixture
def parts() -> Parts:
    """The handlers of the socket under test."""
    return Parts()


@pytest.fixture
def location(tmp_path: Path) -> Location:
    """A state directory that nobody runs on."""
    return Location(None, tmp_path, tmp_path / "cache", f"sqlite:///{tmp_path / 'state.db'}")


def routes(parts: Parts) -> dict[str, Any]:
    """Two routes."""
    return {
        "/echo": {"GET": parts.echo, "POST": parts.echo, "DELETE": parts.echo},
        "/hang": {"POST": parts.hang},
    }


@pytest.fixture
async def control(location: Location, parts: Parts) -> AsyncIterator[PathServer]:
    """An open control socket in the state directory."""
    control = PathServer(socket_of(location.state_dir), Server(routes(parts)))
    await control.start()
    yield control
    await control.stop()


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare connection."""
    return await asyncio.open_unix_connection(str(path))


async def ask(location: Location, call: Callable[[Client], Any]) -> Any:
    """Use a client, as a verb does, in a thread."""

    def work() -> Any:
        with Client(location) as client:
            return call(client)

    return await asyncio.to_thread(work)


async def eventually(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.01)


async def test_values_go_both_ways(control: PathServer, location: Location, parts: Parts) -> None:
    """A handler gets the body of a POST or the query of a GET, and its answer comes back."""
    assert await ask(location, lambda c: c.post("/echo", {"a": [1, "ä"]})) == {"a": [1, "ä"]}
    assert await ask(location, lambda c: c.get("/echo?b=2")) == {"b": "2"}
    assert await ask(location, lambda c: c.delete("/echo")) == {}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BusyError("busy with it"), 409),
        (NotFoundError("no such thing", hint="Look elsewhere."), 404),
        (UnavailableError("not here"), 501),
        (DiskFullError("no room"), 507),
        (ConfigError("wrong"), 400),
        (IngestdError("something", hint="Do this."), 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_an_error_crosses_the_socket(
    control: PathServer, location: Location, parts: Parts, error: IngestdError, status: int
) -> None:
    """What a handler raises, the client raises: the same class, words and exit code."""
    parts.error = error
    with pytest.raises(IngestdError) as raised:
        await ask(location, lambda c: c.post("/echo"))
    assert type(raised.value) is type(error)
    assert (raised.value.message, raised.value.hint) == (error.message, error.hint)
    transport = httpx.AsyncHTTPTransport(uds=str(control.path))
    async with httpx.AsyncClient(transport=transport) as http:
        answer = await http.post("http://x/echo")
    assert answer.status_code == status
    assert answer.json() == {"code": error.code, "message": error.message, "hint": error.hint}


async def test_a_defect_in_a_handler_is_answered(
    control: PathServer, location: Location, parts: Parts
) -> None:
    """An exception that nobody foresaw is an answer too, and the next request is served."""
    parts.error = ZeroDivisionError("by zero")
    with pytest.raises(IngestdError, match="ZeroDivisionError: by zero"):
        await ask(location, lambda c: c.get("/echo"))
    parts.error = None
    assert await ask(location, lambda c: c.get("/echo")) == {}


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"\xff", b"[" * 50_000])
async def test_a_wrong_body_is_refused(control: PathServer, parts: Parts, body: bytes) -> None:
    """A body that is no JSON object reaches no handler."""
    transport = httpx.AsyncHTTPTransport(uds=str(control.path))
    async with httpx.AsyncClient(transport=transport) as http:
        answer = await http.post("http://x/echo", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, RequestError.code)
    assert parts.given == []


async def test_a_long_body_is_refused(control: PathServer, parts: Parts) -> None:
    """No more of a body is read than is allowed, however much is sent."""
    reader, writer = await connect(control.path)
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n"
    writer.write(head + b"x" * (2 * BODY_BYTES))
    answer = await asyncio.wait_for(reader.read(300), 10)
    assert b" 400 " in answer.splitlines()[0]
    assert parts.given == []
    writer.close()


async def test_a_slow_body_is_refused(
    control: PathServer, monkeypatch: pytest.MonkeyPatch, parts: Parts
) -> None:
    """A request that does not arrive is given up."""
    monkeypatch.setattr("ingestd.serve.app.BODY_S", 0.1)
    reader, writer = await connect(control.path)
    writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12")
    answer = await asyncio.wait_for(reader.read(300), 10)
    assert b" 400 " in answer.splitlines()[0]
    writer.close()


async def test_what_is_no_http_ends_the_connection(control: PathServer, location: Location) -> None:
    """Garbage is answered with an error, and others are served on."""
    reader, writer = await connect(control.path)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert await ask(location, lambda c: c.get("/echo")) == {}


async def test_an_unknown_route_tells_of_another_version(
    control: PathServer, location: Location
) -> None:
    """A daemon that does not know a route is of another version, and says of which."""
    with pytest.raises(OtherVersionError, match=r"GET /v9/new: it is of version \d"):
        await ask(location, lambda c: c.get("/v9/new"))
    with pytest.raises(OtherVersionError, match="GET /hang"):
        await ask(location, lambda c: c.get("/hang"))


async def test_connections_are_few(control: PathServer, location: Location) -> None:
    """One connection too many is told so, many more are cut off, and freed places are used."""
    open_ones = [await connect(control.path) for _ in range(CONNECTIONS)]
    with pytest.raises(BusyError, match="too many connections"):
        await ask(location, lambda c: c.get("/echo"))
    open_ones += [await connect(control.path) for _ in range(CONNECTIONS)]
    reader, writer = await connect(control.path)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    for _, writer in open_ones:
        writer.close()
    for _ in range(100):
        with contextlib.suppress(BusyError):
            assert await ask(location, lambda c: c.get("/echo")) == {}
            return
    pytest.fail("the places were not freed")


@pytest.mark.parametrize("sent", [b"", b"GET /echo HT", b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\nGE"])
async def test_an_idle_connection_is_closed(
    location: Location, parts: Parts, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Who connects and asks for nothing, or for half of something, is shown out."""
    monkeypatch.setattr(server, "IDLE_S", 0.1)
    control = PathServer(socket_of(location.state_dir), Server(routes(parts)))
    await control.start()
    reader, writer = await connect(control.path)
    writer.write(sent)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await control.stop()


async def test_a_long_answer_is_waited_for(
    location: Location, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler may take longer than a connection may be idle."""
    monkeypatch.setattr(server, "IDLE_S", 0.05)
    control = PathServer(socket_of(location.state_dir), Server(routes(parts)))
    await control.start()
    asking = asyncio.create_task(ask(location, lambda c: c.post("/hang", timeout_s=None)))
    await eventually(lambda: bool(parts.given))
    done, _ = await asyncio.wait([asking], timeout=0.3)
    assert not done
    parts.release.set()
    assert await asking == {}
    await control.stop()


async def test_only_the_owner_may_connect(control: PathServer) -> None:
    """The socket is readable and writable for its owner alone."""
    assert stat.S_IMODE(control.path.stat().st_mode) == 0o600


def test_nobody_may_connect_before_the_mode_is_set(tmp_path: Path) -> None:
    """The socket comes into being with its mode, whatever the umask."""
    before = os.umask(0)
    try:
        listener = listen(tmp_path / "s")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    listener.close()


async def test_a_dead_ones_socket_is_replaced(location: Location, parts: Parts) -> None:
    """A socket that a killed daemon left behind is no hindrance."""
    path = socket_of(location.state_dir)
    listen(path).close()
    assert path.exists()
    control = PathServer(path, Server(routes(parts)))
    await control.start()
    assert await ask(location, lambda c: c.get("/echo")) == {}
    await control.stop()
    assert not path.exists()


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    """Something that is no socket is not deleted."""
    (tmp_path / "s").write_text("mine", "utf-8")
    with pytest.raises(OSError, match="is no socket"):
        listen(tmp_path / "s")
    assert (tmp_path / "s").read_text("utf-8") == "mine"


async def test_stop_leaves_the_socket_of_another(control: PathServer, parts: Parts) -> None:
    """Only the socket that is its own is removed."""
    control.path.unlink()
    other = listen(control.path)
    await control.stop()
    assert control.path.exists()
    other.close()


async def test_stop_does_not_wait_for_ever(
    control: PathServer, location: Location, parts: Parts
) -> None:
    """A request that is in hand at a stop is given a moment, then ended."""
    asking = asyncio.create_task(ask(location, lambda c: c.post("/hang", timeout_s=None)))
    await eventually(lambda: bool(parts.given))
    began = time.monotonic()
    await control.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(IngestdError):
        await asking


async def test_a_stop_lets_an_answer_through(
    control: PathServer, location: Location, parts: Parts
) -> None:
    """A request that is nearly done when the daemon stops gets its answer."""
    asking = asyncio.create_task(ask(location, lambda c: c.post("/hang", timeout_s=None)))
    await eventually(lambda: bool(parts.given))
    asyncio.get_running_loop().call_later(0.2, parts.release.set)
    await control.stop()
    assert await asking == {}


async def test_a_long_state_directory(tmp_path: Path, parts: Parts) -> None:
    """A path that does not fit into a socket's address works, for both sides; nothing is left."""
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    folder.mkdir(parents=True)
    long = Location(None, folder, folder, "")
    path = socket_of(folder)
    assert len(os.fsencode(path)) > LONGEST
    control = PathServer(path, Server(routes(parts)))
    await control.start()
    before = descriptors()
    assert await ask(long, lambda c: c.get("/echo?a=1")) == {"a": "1"}
    await control.stop()
    assert not path.exists()
    assert descriptors() <= before


def test_the_longest_path_that_fits_is_taken_as_it_is(tmp_path: Path) -> None:
    """The bound is the kernel's: 107 bytes can be bound, 108 cannot."""
    for length in (LONGEST, LONGEST + 1):
        path = tmp_path / ("x" * (length - len(os.fsencode(tmp_path)) - 1))
        with short_name(path) as name:
            assert (name == str(path)) == (length == LONGEST)
        with socket.socket(socket.AF_UNIX) as bare:
            if length == LONGEST:
                bare.bind(str(path))
            else:
                with pytest.raises(OSError, match="too long"):
                    bare.bind(str(path))


def test_nobody_runs(location: Location) -> None:
    """Without a daemon the client says so."""
    with pytest.raises(NotRunningError, match="no daemon runs"), Client(location) as client:
        client.get("/echo")


def test_there_is_no_state_directory(tmp_path: Path) -> None:
    """A long path that is not there is no daemon either."""
    missing = tmp_path / ("long" * 40) / "state"
    with pytest.raises(NotRunningError):
        Client(Location(None, missing, missing, ""))


@pytest.mark.parametrize(
    ("verb", "words"), [("run", "has no control socket"), ("run --once", "takes no requests")]
)
def test_who_runs_does_not_listen(location: Location, verb: str, words: str) -> None:
    """A process that has the state directory, but no socket, is named."""
    with (
        FileLock(location.lock_file).acquire(Owner.me(verb)),
        pytest.raises(UnavailableError, match=f"process {os.getpid()} .*{words}"),
        Client(location) as client,
    ):
        client.get("/echo")


async def test_a_daemon_that_hangs(control: PathServer, location: Location, parts: Parts) -> None:
    """An answer that does not come in time ends the wait."""
    with pytest.raises(WaitTimeoutError, match=r"within 0\.2 s"):
        await ask(location, lambda c: c.post("/hang", timeout_s=0.2))


async def test_what_answers_is_no_daemon(location: Location) -> None:
    """Another program at the socket is not taken for a daemon."""

    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_unix_server(babble, str(socket_of(location.state_dir))):
        with pytest.raises(OtherVersionError):
            await ask(location, lambda c: c.get("/echo"))


async def test_health_is_json(control: PathServer) -> None:
    """The answer says what it is: scripts can read it with any HTTP client."""
    reader, writer = await connect(control.path)
    writer.write(b"GET /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert b"server: ingestd/" in head
    assert json.loads(body) == {}
    writer.close()
