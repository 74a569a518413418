"""What the page answers with: itself, its events, its files, and the same as JSON."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ingestd import __version__
from ingestd.errors import IngestdError, NotFoundError
from ingestd.hits import as_json
from ingestd.search import MOST
from ingestd.serve.problems import RequestError
from ingestd.serve.reply import Reply

from .events import Events
from .language import LANGUAGES, language
from .render import whole
from .view import SECTIONS
from .wishes import SCHEMES, Wishes, rest_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ingestd.search import Searcher
    from ingestd.serve.app import Handler
    from ingestd.serve.reply import Asked

    from .facts import Gatherer

STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
SHOWN = 10
"""Chunks that a search shows."""
HTML = "text/html; charset=utf-8"


class Site:
    """The page.

    Args:
        gatherer: has the facts.
        searcher: answers questions.
        status: what ``ingestd status --json`` tells.
        sources: names of those that can be searched.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        searcher: Searcher,
        status: Callable[[], Awaitable[dict[str, Any]]],
        sources: Callable[[], list[str]],
    ) -> None:
        self._searcher = searcher
        self._status = status
        self._sources = sources
        self._gatherer = gatherer
        self.events = Events(gatherer)

    def routes(self) -> dict[str, dict[str, Handler]]:
        """What it answers."""
        return {
            "/": {"GET": self._page},
            "/events": {"GET": self._events},
            "/static/{name}": {"GET": self._static},
            "/v1/status": {"GET": self._told},
            "/v1/query": {"GET": self._query},
        }

    def close(self) -> None:
        """End what is still being sent."""
        self.events.close()

    async def _page(self, asked: Asked) -> Reply:
        wishes = Wishes.of(asked.headers)
        if "lang" in asked or "scheme" in asked:
            chosen = wishes.changed(asked)
            headers = {"location": rest_of(asked), "set-cookie": chosen.cookie}
            return Reply("", "text/plain", 303, headers)
        say = language(wishes.language)
        found = await self._found(asked)
        body = whole(
            {
                "say": say,
                "wishes": wishes,
                "languages": [language(code) for code in LANGUAGES],
                "schemes": SCHEMES,
                "sections": await self.events.sections(wishes.language),
                "order": SECTIONS,
                "sources": self._sources(),
                "version": __version__,
                "zone": time.strftime("%Z"),
                "here": rest_of(asked),
                "question": str(asked.get("q", "")),
                "source": str(asked.get("source", "")),
                **found,
            }
        )
        return Reply(body, HTML, 200, {"vary": "Accept-Language, Cookie"})

    async def _found(self, asked: Asked) -> dict[str, Any]:
        """What a question finds, if one was asked; a failure is told on the page."""
        question = str(asked.get("q", "")).strip()
        if not question:
            return {"hits": None, "error": None}
        try:
            hits = await self._searcher.search(question, SHOWN, asked.get("source") or None)
        except IngestdError as error:
            return {"hits": None, "error": error}
        return {"hits": [as_json(rank, hit) for rank, hit in enumerate(hits, 1)], "error": None}

    async def _events(self, asked: Asked) -> Reply:
        code = asked.get("lang")
        if code not in LANGUAGES:
            code = Wishes.of(asked.headers).language
        headers = {"x-accel-buffering": "no"}
        return Reply(self.events.stream(code), "text/event-stream", 200, headers)

    async def _static(self, asked: Asked) -> Reply:
        """One of the files that come with the page; its tag tells whether it changed.

        Raises:
            NotFoundError: there is no such file.
        """
        name = asked["name"]
        if name not in STATIC:
            raise NotFoundError(f"there is no {name!r}", hint="")
        body, tag = _file(name)
        headers = {"etag": tag, "cache-control": "no-cache"}
        if tag in asked.headers.get("if-none-match", ""):
            return Reply("", STATIC[name], 304, headers)
        return Reply(body, STATIC[name], 200, headers)

    async def _told(self, _asked: Asked) -> dict[str, Any]:
        return await self._status()

    async def _query(self, asked: Asked) -> dict[str, Any]:
        """The chunks that answer a question best.

        Raises:
            RequestError: there is no question, or a wrong number.
            IngestdError: the search fails.
        """
        question = str(asked.get("q", "")).strip()
        if not question:
            raise RequestError("there is no question", hint="Ask as `/v1/query?q=…`.")
        number = str(asked.get("n", "5"))
        if not number.isascii() or not number.isdigit() or not 1 <= int(number[:9]) <= MOST:
            raise RequestError(f"`n` is not a number from 1 to {MOST}", hint="")
        hits = await self._searcher.search(question, int(number), asked.get("source") or None)
        return {"hits": [as_json(rank, hit) for rank, hit in enumerate(hits, 1)]}


@cache
def _file(name: str) -> tuple[bytes, str]:
    """A file, and a tag for what is in it."""
    body = files(__package__).joinpath("static", name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
