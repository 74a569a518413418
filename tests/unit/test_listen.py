"""Where the page is to be found, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestd.listen import FIRST_PORT, PORTS, Listen, parse

NO_ADDRESSES = ["http://host:80", "host:80/path", "user@host:80", "[::1:80"]
NO_PLACES = ["", "80", ":80", "host", "host:", "host:x", "host:0", "host:70000", "unix:", "unix:x"]


@pytest.mark.parametrize(
    ("text", "place", "local"),
    [
        ("auto", Listen("127.0.0.1", tuple(range(FIRST_PORT, FIRST_PORT + PORTS))), True),
        ("127.0.0.1:80", Listen("127.0.0.1", (80,)), True),
        ("127.8.0.1:80", Listen("127.8.0.1", (80,)), True),
        ("localhost:80", Listen("localhost", (80,)), True),
        ("[::1]:80", Listen("::1", (80,)), True),
        ("[::]:80", Listen("::", (80,)), False),
        ("0.0.0.0:80", Listen("0.0.0.0", (80,)), False),  # noqa: S104 - only read
        ("server.example:80", Listen("server.example", (80,)), False),
        ("unix:/run/x.sock", Listen(path=Path("/run/x.sock")), True),
    ],
)
def test_places(text: str, place: Listen, local: bool) -> None:  # noqa: FBT001 - a parameter
    """Addresses, names and paths are understood, and who reaches them is known."""
    assert parse(text) == place
    assert place.is_local is local


def test_off_is_nowhere() -> None:
    """It can be switched off."""
    assert parse("off") is None


@pytest.mark.parametrize("text", [*NO_PLACES, *NO_ADDRESSES])
def test_no_places(text: str) -> None:
    """Anything else is refused, and named."""
    with pytest.raises(ValueError, match=r"listen|absolute"):
        parse(text)
