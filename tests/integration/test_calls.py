"""Calls to a Chroma server that hangs, fails, refuses, or is something else: waits are bounded."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingestd.embed.chroma.calls import Caller, RefusedError
from ingestd.embed.chroma.client import address, is_loopback
from ingestd.embed.chroma.store import Store, open_http
from ingestd.embed.model import locate
from ingestd.errors import ConfigError, StoreError
from ingestd.settings.content import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPEC = locate("hash:8")
ROW = np.ones((1, 8), np.float32)
ATTEMPTS = 3
SETTINGS = StoreSettings(attempts=ATTEMPTS, timeout_s=0.4)
COLLECTION = {
    "id": "11111111-2222-3333-4444-555555555555",
    "name": "docs",
    "configuration_json": {"hnsw": {"space": "cosine"}},
    "schema": None,
    "metadata": {"ingestd": 1, "dimension": 8, "model_fingerprint": SPEC.fingerprint},
    "dimension": 8,
}


class FakeChroma(ThreadingHTTPServer):
    """Answers as Chroma does until told otherwise; remembers what it was asked.

    Attributes:
        act: does something else with a request; answers it, or breaks it off.
        seen: method, path and headers of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.act: Callable[[Handler], None] | None = None
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def upserts(self) -> int:
        """How often it was asked to write."""
        return sum(path.endswith("/upsert") for _, path, _ in self.seen)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: FakeChroma

    def handle_any(self) -> None:
        """Read the request, remember it, answer it."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        if self.server.act is not None:
            self.server.act(self)
            return
        if self.path.endswith("/pre-flight-checks"):
            self.answer(200, {"max_batch_size": 5461})
        elif self.path.endswith("/auth/identity"):
            self.answer(200, {"user_id": "", "tenant": "default_tenant", "databases": []})
        elif "/collections/docs" in self.path:
            tenant, database = self.path.partition("/tenants/")[2].split("/")[:3:2]
            self.answer(200, COLLECTION | {"tenant": tenant, "database": database})
        else:
            self.answer(200, {"id": COLLECTION["id"], "name": "any", "tenant": "any"})

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - names that the library looks for

    def answer(self, status: int, body: Any) -> None:
        """Send an answer: JSON, or a page."""
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[FakeChroma]:
    """A server that answers as Chroma does."""
    fake = FakeChroma()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.released.set()
    fake.shutdown()
    thread.join()
    fake.server_close()


@pytest.fixture
def store(server: FakeChroma) -> Iterator[Store]:
    """A store on that server; the server's record is empty."""
    opened = open_http(SETTINGS, server.url)
    write(opened)  # the first also asks how much a request may hold
    server.seen.clear()
    yield opened
    opened.close()


def hang(handler: Handler) -> None:
    """Answer never."""
    handler.server.released.wait()
    handler.close_connection = True


def trickle(handler: Handler) -> None:
    """Begin an answer, and then hang."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.wfile.flush()
    hang(handler)


def reset(handler: Handler) -> None:
    """Break the connection off."""
    handler.close_connection = True
    handler.connection.close()


def answering(status: int, body: Any) -> Callable[[Handler], None]:
    """Give always the same answer."""
    return lambda handler: handler.answer(status, body)


def error(name: str) -> dict[str, str]:
    """An error as Chroma tells it."""
    return {"error": name, "message": "as it is"}


TRANSIENT = {
    "hangs": hang,
    "hangs in the answer": trickle,
    "breaks off": reset,
    "fails": answering(500, error("InternalError")),
    "is overloaded": answering(429, error("RateLimitError")),
    "is overloaded behind a proxy": answering(429, "slow down"),
    "is down behind a proxy": answering(502, "<html>Bad Gateway</html>"),
    "is away": answering(503, ""),
}


def write(store: Store) -> None:
    """Write one slot."""
    store.collection("docs", SPEC, None).upsert(["a"], ROW, ["text"], [{"n": 1}])


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """See that it does not take longer."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit_s


def wait_until(condition: Callable[[], bool], limit_s: float = 10) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("act", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_may_pass_is_tried_again_and_then_given_up(
    server: FakeChroma, store: Store, act: Callable[[Handler], None]
) -> None:
    """A failure that may pass costs the attempts that are allowed, and then a store error."""
    server.act = act
    with within(5), pytest.raises(StoreError, match="does not answer: upsert") as caught:
        write(store)
    assert not isinstance(caught.value, RefusedError)
    assert caught.value.hint
    assert server.upserts == ATTEMPTS


@pytest.mark.parametrize("act", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_passes_goes_unnoticed(
    server: FakeChroma, store: Store, act: Callable[[Handler], None]
) -> None:
    """Where a later attempt succeeds, the caller learns nothing of it."""

    def at_first(handler: Handler) -> None:
        server.act = None
        act(handler)

    server.act = at_first
    write(store)
    assert server.upserts == 2


@pytest.mark.parametrize(
    "act",
    [
        answering(400, error("InvalidArgumentError")),
        answering(400, error("ChromaError")),
        answering(413, "Payload too large"),
        answering(422, "Failed to deserialize the JSON body"),
    ],
    ids=["argument", "unnamed", "too large", "not understood"],
)
def test_a_refusal_is_final(
    server: FakeChroma, store: Store, act: Callable[[Handler], None]
) -> None:
    """What is wrong with the request itself is tried once."""
    server.act = act
    with pytest.raises(RefusedError, match="refuses: upsert"):
        write(store)
    assert server.upserts == 1


@pytest.mark.parametrize(
    ("act", "said", "hint"),
    [
        (answering(401, "no token"), "denies access", "store.token"),
        (answering(403, error("AuthError")), "denies access", "store.token"),
        (answering(404, "<html>nothing here"), "no answer that", "listens"),
        (answering(301, ""), "no answer that", "listens"),
        (answering(200, "<html>Welcome"), "no answer that", "listens"),
    ],
    ids=["no token", "wrong token", "no such path", "elsewhere", "a page"],
)
def test_a_wrong_server_is_no_fault_of_the_document(
    server: FakeChroma, store: Store, act: Callable[[Handler], None], said: str, hint: str
) -> None:
    """Where no request can succeed, it is the store that failed; trying again does not help."""
    server.act = act
    with pytest.raises(StoreError, match=said) as caught:
        write(store)
    assert not isinstance(caught.value, RefusedError)
    assert hint in caught.value.hint
    assert server.upserts == 1


@pytest.mark.parametrize("kind", ["hangs", "breaks off", "is down behind a proxy"])
def test_opening_is_bounded_too(server: FakeChroma, kind: str) -> None:
    """Connecting to a server that hangs or fails ends like any other call."""
    server.act = TRANSIENT[kind]
    with within(5), pytest.raises(StoreError, match="does not answer: connect"):
        open_http(SETTINGS, server.url)
    assert len(server.seen) == ATTEMPTS


def test_nobody_listens() -> None:
    """So it is when nothing is at the address at all."""
    with within(5), pytest.raises(StoreError, match="connect: ConnectError"):
        open_http(SETTINGS, "http://127.0.0.1:9")


def test_an_unknown_tenant(server: FakeChroma) -> None:
    """A tenant that the server does not know is said at once, by name."""

    def unknown(handler: Handler) -> None:
        if "/tenants/" in handler.path:
            handler.answer(404, {"error": "NotFoundError", "message": "tenant acme not found"})
        else:
            handler.answer(200, {"user_id": "", "tenant": None, "databases": []})

    server.act = unknown
    with pytest.raises(StoreError, match="tenant acme not found"):
        open_http(SETTINGS.model_copy(update={"tenant": "acme"}), server.url)
    assert len(server.seen) == 2


@pytest.mark.parametrize("act", [hang, reset], ids=["in a call", "between calls"])
def test_a_stop_ends_the_waiting(
    server: FakeChroma, store: Store, act: Callable[[Handler], None]
) -> None:
    """After a stop no new attempt is waited for: what fails now has failed."""
    store.call = store.collection("docs", SPEC, None)._call = Caller(1_000_000)  # noqa: SLF001 - attempts without end
    server.act = act
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            write(store)
        except StoreError as caught:
            failed.append(caught)

    thread = threading.Thread(target=attempt)
    thread.start()
    wait_until(lambda: server.upserts >= 2)
    with within(2):
        store.call.stop()
        thread.join()
    assert len(failed) == 1
    assert server.upserts <= 4


def test_errors_of_ours_pass() -> None:
    """What a called function raises on purpose arrives as it is, and at once."""
    calls = []

    def function() -> None:
        calls.append(1)
        raise ConfigError("ours")

    with pytest.raises(ConfigError, match="ours"):
        Caller(5)("what", function)
    assert len(calls) == 1


# Where the server is somebody else's.


def test_what_a_remote_server_is_sent(server: FakeChroma) -> None:
    """Every request carries the token, and goes to the tenant, the database and the path given."""
    settings = StoreSettings(
        mode="remote",
        url=f"{server.url}/chroma/",
        tenant="acme",
        database="docs",
        token="s3cret",  # noqa: S106 - of no server
        token_header="authorization",  # noqa: S106 - a header
        attempts=1,
    )
    store = open_http(settings, settings.url or "")
    write(store)
    store.close()
    assert server.upserts == 1
    for _, path, headers in server.seen:
        assert headers["authorization"] == "s3cret"
        assert path.startswith("/chroma/api/v2/")
        assert "/tenants/" not in path or "/tenants/acme" in path
    assert sum("/databases/docs/collections" in path for _, path, _ in server.seen) >= 3


def test_a_user_in_the_address(server: FakeChroma) -> None:
    """A name and password in the address are sent as such, for a proxy that asks for them."""
    open_http(SETTINGS, server.url.replace("//", "//user:pass@")).close()
    assert {headers["Authorization"] for _, _, headers in server.seen} == {"Basic dXNlcjpwYXNz"}


def test_the_environment_does_not_interfere(
    server: FakeChroma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy of the environment nor settings of Chroma there come in between."""
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "CHROMA_SERVER_HTTP_PORT": "9",
        "CHROMA_SERVER_HOST": "elsewhere",
        "CHROMA_CLIENT_AUTH_PROVIDER": "nowhere.Nothing",
    }.items():
        monkeypatch.setenv(name, value)
    store = open_http(SETTINGS, server.url)
    write(store)
    store.close()
    assert server.upserts == 1


def test_connections_are_kept_and_given_back(server: FakeChroma) -> None:
    """A store asks over one connection, and closes it."""
    opened: list[Any] = []
    handle = server.process_request

    def counted(request: Any, client: Any) -> None:
        opened.append(request)
        handle(request, client)

    server.process_request = counted  # type: ignore[assignment]
    store = open_http(SETTINGS, server.url)
    for _ in range(5):
        write(store)
    assert len(opened) == 1
    store.close()
    wait_until(lambda: opened[0].fileno() == -1)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://host", ("http", "host", 80)),
        ("https://host", ("https", "host", 443)),
        ("https://user:pass@Host:8443/path/", ("https", "host", 8443)),
        ("http://[::1]:8000", ("http", "::1", 8000)),
    ],
)
def test_addresses(url: str, parts: tuple[str, str, int]) -> None:
    """An address says scheme, host and port, the port by default that of the scheme."""
    assert address(url) == parts


@pytest.mark.parametrize(
    "url", ["", "host:8000", "localhost", "ftp://host", "http://", "http://host:70000", "http://["]
)
def test_no_addresses(url: str) -> None:
    """What is no address is a mistake of the configuration."""
    with pytest.raises(ConfigError, match=r"store\.url"):
        open_http(SETTINGS, url)


def test_a_password_is_not_shown() -> None:
    """The complaint about an address does not repeat a password in it."""
    with pytest.raises(ConfigError) as caught:
        address("htp://user:hidden@host")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("x.y", False)],
)
def test_loopback(host: str, *, loopback: bool) -> None:
    """This machine's own addresses are known as such."""
    assert is_loopback(host) is loopback
