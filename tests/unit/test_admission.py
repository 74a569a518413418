"""Who is let in at the address of the page."""

from __future__ import annotations

import base64
import socket

import pytest

from ingestd.serve.admission import Admission

TOKEN = "0123456789abcdef"  # noqa: S105 - of a test
OPEN = Admission(["docs.example"])
LOCKED = Admission(token=TOKEN)


def basic(user: str, password: str) -> str:
    """A header of basic authorization."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refused(admission: Admission, path: str = "/", method: str = "GET", **headers: str) -> str:
    """The code of the refusal; empty when it is let in."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = admission.refuse(method, path, named)
    return refusal.code if refusal else ""


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8766",
        "localhost.:8766",
        "127.0.0.1:8766",
        "[::1]:8766",
        "192.0.2.7",
        "docs.example",
        "docs.example:443",
        socket.gethostname(),
    ],
)
def test_its_own_names_are_let_in(host: str) -> None:
    """Addresses, localhost, the machine's name and those of the configuration are ours."""
    assert refused(OPEN, host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "docs.example@evil",
        "[",
        "[::1",
    ],
)
def test_another_name_is_refused(host: str) -> None:
    """A name that a site had made to mean this machine is no name of ours."""
    assert refused(OPEN, host=host) == "wrong_host"


def test_who_says_no_host_is_no_browser() -> None:
    """Old probes send none."""
    assert refused(OPEN) == ""


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "", "http://["]
)
def test_another_origin_is_refused(origin: str) -> None:
    """A request that another site, or another port of this machine, caused is turned away."""
    assert refused(OPEN, host="127.0.0.1:8766", origin=origin) == "wrong_origin"


def test_the_page_itself_is_let_in() -> None:
    """What the page asks for comes from its own origin."""
    headers = {"host": "127.0.0.1:8766", "origin": "http://127.0.0.1:8766"}
    assert refused(OPEN, method="POST", **headers, sec_fetch_site="same-origin") == ""


def test_a_picture_of_this_daemon_in_another_site_is_refused() -> None:
    """Without an origin, browsers say whose wish it was; only following a link is let through."""
    headers = {"host": "127.0.0.1:8766", "sec_fetch_site": "cross-site"}
    assert refused(OPEN, **headers, sec_fetch_mode="no-cors") == "wrong_origin"
    assert refused(OPEN, **headers, sec_fetch_mode="navigate") == ""
    assert refused(OPEN, method="POST", **headers, sec_fetch_mode="navigate") == "wrong_origin"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (f"Bearer {TOKEN}", ""),
        (f"bearer {TOKEN}", ""),
        (basic("anybody", TOKEN), ""),
        (basic("", TOKEN), ""),
        ("", "no_token"),
        (f"Bearer {TOKEN}x", "no_token"),
        ("Bearer", "no_token"),
        (basic(TOKEN, ""), "no_token"),
        ("Basic !!!", "no_token"),
        ("Basic /w==", "no_token"),
        ("Bearer é", "no_token"),
        (f"Digest {TOKEN}", "no_token"),
    ],
)
def test_the_token_is_asked_for(authorization: str, code: str) -> None:
    """It is shown as a bearer token, or as a password, which a browser asks people for."""
    headers = {"authorization": authorization} if authorization else {}
    assert refused(LOCKED, host="127.0.0.1", **headers) == code
    refusal = LOCKED.refuse("GET", "/", {"host": "127.0.0.1"})
    assert refusal is not None
    assert refusal.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_token_but_are_not_trusted(path: str) -> None:
    """Health is told to everybody; whether with details, `trusts` decides."""
    assert refused(LOCKED, path, host="127.0.0.1") == ""
    assert not LOCKED.trusts({})
    assert OPEN.trusts({})
