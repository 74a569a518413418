"""The address of the page: how it opens, who is asked for a token, what every answer brings."""

from __future__ import annotations

import asyncio
import socket
import stat
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ingestd.errors import ConfigError, PortBusyError
from ingestd.listen import FIRST_PORT, PORTS
from ingestd.serve.reply import Asked, Reply
from ingestd.serve.sockets import at_port
from ingestd.settings.running import HttpSettings
from ingestd.web import Web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "0123456789abcdef"  # noqa: S105 - of a test


class Parts:
    """Handlers that answer as pages do."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.closed = asyncio.Event()

    async def note(self, asked: Asked) -> dict[str, Any]:
        """Answer what was asked."""
        self.asked.append(asked)
        return {"trusted": asked.trusted, **asked}

    async def text(self, _asked: Asked) -> Reply:
        """Answer with a text, and a header of its own."""
        return Reply("ä", "text/plain; charset=utf-8", 503, {"cache-control": "max-age=9"})

    async def stream(self, _asked: Asked) -> Reply:
        """Answer for ever."""
        return Reply(self._pieces(), "text/event-stream")

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: x\n\n"
                await asyncio.sleep(0.01)
        finally:
            self.closed.set()

    def routes(self) -> Any:
        """What is answered."""
        return {
            "/note/{name}": {"GET": self.note},
            "/healthz": {"GET": self.note},
            "/text": {"GET": self.text},
            "/stream": {"GET": self.stream},
        }


async def opened(parts: Parts, **settings: Any) -> Web:
    """A page that is open."""
    web = Web(HttpSettings(**settings), parts.routes())
    await web.open()
    return web


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_parts_of_the_path_the_query_and_headers_reach_a_handler() -> None:
    """A handler is told everything that it may want to know of a request."""
    parts = Parts()
    web = await opened(parts, listen=f"127.0.0.1:{free_port()}")
    async with httpx.AsyncClient(base_url=web.address) as http:
        answer = await http.get("/note/x?q=2", headers={"Accept-Language": "ko"})
    await web.close()
    assert answer.json() == {"trusted": True, "q": "2", "name": "x"}
    assert parts.asked[0].headers["accept-language"] == "ko"


async def test_a_reply_says_all_itself_and_every_answer_is_strict() -> None:
    """Status, type and headers are the handler's; the headers for browsers are everywhere."""
    web = await opened(Parts(), listen=f"127.0.0.1:{free_port()}")
    async with httpx.AsyncClient(base_url=web.address) as http:
        answer, missing = await http.get("/text"), await http.get("/none")
        foreign = await http.get("/text", headers={"Host": "evil.example"})
    await web.close()
    assert (answer.status_code, answer.text) == (503, "ä")
    assert answer.headers["cache-control"] == "max-age=9"
    assert (missing.status_code, foreign.status_code) == (404, 421)
    for one in (answer, missing, foreign):
        assert one.headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in one.headers["content-security-policy"]
        assert one.headers["x-content-type-options"] == "nosniff"


async def test_a_stream_ends_when_nobody_reads_it_and_with_the_daemon() -> None:
    """What is sent for ever is closed when who reads goes away, and holds up no stop."""
    parts = Parts()
    web = await opened(parts, listen=f"127.0.0.1:{free_port()}")
    async with httpx.AsyncClient(base_url=web.address) as http:
        async with http.stream("GET", "/stream") as answer:
            assert await anext(answer.aiter_bytes())
        await asyncio.wait_for(parts.closed.wait(), 5)
        parts.closed.clear()
        async with http.stream("GET", "/stream") as answer:
            assert await anext(answer.aiter_bytes())
            assert (await http.head("/stream")).headers["content-type"] == "text/event-stream"
            await asyncio.wait_for(web.close(), 5)
            await asyncio.wait_for(parts.closed.wait(), 5)


async def test_a_token_is_asked_for_everywhere_but_at_health() -> None:
    """Health answers everybody, and knows who showed the token."""
    port = free_port()
    web = await opened(Parts(), listen=f"0.0.0.0:{port}", token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/note/x")).status_code == 401
        assert (await http.get("/note/x", headers=bearer)).status_code == 200
        assert (await http.get("/note/x", auth=("me", TOKEN))).status_code == 200
        assert (await http.get("/healthz")).json() == {"trusted": False}
        assert (await http.get("/healthz", headers=bearer)).json() == {"trusted": True}
    await web.close()


async def test_a_token_may_lie_in_a_file(tmp_path: Path) -> None:
    """As systemd's credentials do; one that cannot be read, or is empty, is told."""
    file = tmp_path / "token"
    listen = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConfigError, match="token_file"):
        await opened(Parts(), listen=listen, token_file=file)
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        await opened(Parts(), listen=listen, token_file=file)
    file.write_text(f"{TOKEN}\n")
    web = await opened(Parts(), listen=listen, token_file=file)
    async with httpx.AsyncClient(base_url=web.address) as http:
        assert (await http.get("/note/x")).status_code == 401
        assert (await http.get("/note/x", auth=("", TOKEN))).status_code == 200
    await web.close()


async def test_a_unix_socket_is_for_user_and_group(tmp_path: Path) -> None:
    """At a path its rights decide, a token is not asked for; the socket goes with the daemon."""
    path = tmp_path / "page.sock"
    web = await opened(Parts(), listen=f"unix:{path}", token=TOKEN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get("/note/x")).json() == {"trusted": True, "name": "x"}
    await web.close()
    assert not path.exists()


async def test_auto_takes_the_next_free_port_and_goes_on_without_one() -> None:
    """Several daemons get a port each; where none is left, indexing matters more than the page."""
    held = []
    try:
        first = await opened(Parts(), listen="auto")
        second = await opened(Parts(), listen="auto")
        assert first.address != second.address
        assert first.address.startswith("http://127.0.0.1:87")
        await second.close()
        for port in range(FIRST_PORT, FIRST_PORT + PORTS):
            try:
                held.append(at_port("127.0.0.1", port))
                held[-1].listen()
            except OSError:
                continue
        third = await opened(Parts(), listen="auto")
        assert third.address == ""
        await third.close()
        await first.close()
    finally:
        for one in held:
            one.close()


async def test_a_certain_address_that_is_taken_is_an_error() -> None:
    """Who names an address wants that one."""
    with at_port("127.0.0.1", 0) as taken:
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortBusyError, match=listen) as raised:
            await opened(Parts(), listen=listen)
    assert "http" in raised.value.hint


@pytest.mark.parametrize("listen", ["192.0.2.1:8766", "nowhere.invalid:8766", "unix:/proc/x.sock"])
async def test_an_address_that_is_not_ours_is_an_error(listen: str) -> None:
    """An address of another machine, a name without one, a folder that takes no socket."""
    with pytest.raises(ConfigError, match=r"http\.listen"):
        await opened(Parts(), listen=listen, token=TOKEN)


async def test_off_opens_nothing() -> None:
    """Nobody listens."""
    web = await opened(Parts(), listen="off")
    assert web.address == ""
    await web.close()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"listen": "0.0.0.0:8766"}, "reached by other machines"),
        ({"listen": "nonsense"}, "no place to listen"),
        ({"token": "short"}, "less than 16"),
        ({"token": TOKEN, "token_file": "/x"}, "do not go together"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, str], words: str) -> None:
    """Nobody listens for other machines without a token, by mistake or on purpose."""
    with pytest.raises(ValueError, match=words):
        HttpSettings(**values)  # type: ignore[arg-type]
