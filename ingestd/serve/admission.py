"""Who is let in at the page's address: names, origins and the token.

A page that somebody else's site shows in a browser can ask this machine for anything, and read the
answers where it talks the browser into taking its own name for this machine's. So the name that is
asked for must be one of ours, and what another site causes is turned away.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEALTH = frozenset({"/healthz", "/readyz"})
"""Probes know no token; they get no details then."""
STRICT = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is turned away, and what would let it in."""

    status: int
    code: str
    message: str
    hint: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Admission:
    """Decides by what a request says of itself. Pure.

    Args:
        hosts: names that are ours beside ``localhost``, this machine's name, and addresses.
        token: what has to be shown; None where nobody needs one.
    """

    headers: Mapping[str, str] = STRICT

    def __init__(self, hosts: Iterable[str] = (), token: str | None = None) -> None:
        machine = socket.gethostname().lower()
        self._names = {"localhost", machine, *(host.lower() for host in hosts)}
        self._token = token

    def refuse(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why the request is turned away; None when it is let in.

        Args:
            method: of HTTP.
            path: of the URL.
            headers: by their names in lower case.
        """
        host = headers.get("host", "")
        if host and not self._is_ours(host):
            return Refusal(
                421,
                "wrong_host",
                f"{_told(host)} is not a name of this daemon",
                "Names that it has beside its address are listed as `hosts` in [http].",
            )
        if _is_foreign(method, headers):
            return Refusal(
                403,
                "wrong_origin",
                "another site may not ask this daemon",
                "Open its address itself.",
            )
        if path in HEALTH or self.trusts(headers):
            return None
        return Refusal(
            401,
            "no_token",
            "a token is needed here",
            "Send it as `Authorization: Bearer TOKEN`, or as the password of any user.",
            {"www-authenticate": 'Basic realm="ingestd", charset="UTF-8"'},
        )

    def trusts(self, headers: Mapping[str, str]) -> bool:
        """Whether the token was shown, or none is needed."""
        if self._token is None:
            return True
        shown = _shown(headers.get("authorization", ""))
        return hmac.compare_digest(shown.encode(), self._token.encode())

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name.rstrip(".") in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    """Whether it is an address: no site can have a browser take that for its own name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_foreign(method: str, headers: Mapping[str, str]) -> bool:
    """Whether another site caused the request; following a link to the page is no such thing."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower():
        return True
    if headers.get("sec-fetch-site", "none") not in ("cross-site", "same-site"):
        return False
    return method != "GET" or headers.get("sec-fetch-mode") != "navigate"


def _shown(authorization: str) -> str:
    """The token in a header of authorization; empty where there is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _told(host: str) -> str:
    return ascii(host[:100])
