"""Checks of where Chroma and the page answer, or would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingestd.errors import PortBusyError
from ingestd.visible import masked

from . import live, table
from .checks import Check, Finding, Level

if TYPE_CHECKING:
    import httpx

    from ingestd.config import Settings
    from ingestd.location import Location

ANSWER_S = 3.0
GONE = frozenset({404, 405, 410})
"""What an older Chroma, and another program, say to what they do not know."""


def port(settings: Settings, location: Location) -> Iterator[Finding]:
    """The port of the managed server is free, or ours."""
    if settings.store.mode not in {None, "managed"}:
        return
    from ingestd.embed.chroma.server import check_port

    owner = table.running(location)
    if owner and owner.store_url:
        yield Finding("port", "ok", f"{masked(owner.store_url)} is the daemon's")
        return
    host, number = settings.store.host, settings.store.port
    try:
        check_port(host, number)
    except PortBusyError as error:
        mend = "ingestd run --port NUMBER, or `port` in [store]"
        yield Finding("port", "fail", error.message, mend)
    else:
        yield Finding("port", "ok", f"{host}:{number} is free")


def store(settings: Settings, location: Location) -> Iterator[Finding]:
    """The store answers, where one should, and is a Chroma that ingestd can work with."""
    owner = table.running(location)
    url = owner.store_url if owner else ""
    if settings.store.mode == "remote":
        url = url or settings.store.url or ""
    if not url:
        return
    import httpx

    shown = masked(url)
    base = f"{url.rstrip('/')}/api/v2"
    try:
        with httpx.Client(
            headers=settings.store.headers, timeout=ANSWER_S, trust_env=False
        ) as client:
            answer = client.get(f"{base}/heartbeat")
            if answer.status_code in GONE:
                yield from _not_chroma(client, url)
                return
            answer.raise_for_status()
            version = client.get(f"{base}/version").json()
    except (httpx.HTTPError, ValueError) as error:
        message = f"{shown} does not answer: {type(error).__name__}"
        mend = f"See {location.log_dir / 'chroma.log'}." if owner else "Start it."
        yield Finding("store", "fail", message, mend)
    else:
        yield Finding("store", "ok", f"{shown} answers, API {version}")


def _not_chroma(client: httpx.Client, url: str) -> Iterator[Finding]:
    """Something listens that has no second version of Chroma's interface."""
    shown = masked(url)
    if client.get(f"{url.rstrip('/')}/api/v1/heartbeat").is_success:
        mend = 'Bring that server to Chroma 1.5: pip install "chromadb>=1.5.9,<2"'
        yield Finding("store", "fail", f"{shown} is a Chroma before 1.0", mend)
    else:
        mend = "Look what listens there: another program, or a proxy."
        yield Finding("store", "fail", f"{shown} is no Chroma", mend)


def page(_settings: Settings, location: Location) -> Iterator[Finding]:
    """The daemon is ready, and says what is wrong where it is not."""
    if table.running(location) is None:
        return
    health = live.health(location)
    if health is None:
        mend = "See `control_not_opened` in its log, or start it again with this version."
        yield Finding("health", "warn", "the daemon does not tell how it is", mend)
        return
    if not health["problems"]:
        yield Finding("health", "ok", health["status"])
    for problem in health["problems"]:
        level: Level = "warn" if health["status"] == "ready" else "fail"
        yield Finding("health", level, problem["message"], problem["hint"])


CHECKS: tuple[Check, ...] = (port, store, page)
