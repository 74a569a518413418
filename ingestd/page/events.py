"""What changed, for those who look: server-sent events, a section each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from ingestd import __version__
from ingestd.errors import BusyError

from .language import language
from .render import sections
from .view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .facts import Facts, Gatherer

MOST = 16
"""Of those who look at the same time; half of the connections that there are."""
EVERY_S = 1.0
HEARTBEAT_S = 15.0


class Events:
    """Tells those who look what changed; nothing is done while nobody does.

    Args:
        gatherer: has the facts.
        every_s: the time between two looks, in seconds.
    """

    def __init__(self, gatherer: Gatherer, every_s: float = EVERY_S) -> None:
        self._gatherer = gatherer
        self._every_s = every_s
        self._listening = 0
        self._ended = asyncio.Event()
        self._made: dict[str, tuple[Facts, dict[str, str]]] = {}

    @property
    def listening(self) -> int:
        """How many look."""
        return self._listening

    def close(self) -> None:
        """End every stream."""
        self._ended.set()

    async def sections(self, code: str) -> dict[str, str]:
        """The HTML of each section in a language, made once for all who look."""
        facts = await self._gatherer.gather()
        made = self._made.get(code)
        if made is None or made[0] is not facts:
            made = facts, await asyncio.to_thread(sections, View(facts, language(code)))
            self._made[code] = made
        return made[1]

    def stream(self, code: str) -> AsyncIterator[bytes]:
        """The sections in a language as they change, from all of them on.

        Raises:
            BusyError: too many look already.
        """
        if self._listening >= MOST:
            raise BusyError(
                f"{MOST} pages are open already", hint="Close one, or load the page again."
            )
        return self._stream(code)

    async def _stream(self, code: str) -> AsyncIterator[bytes]:
        self._listening += 1
        try:
            yield message("hello", __version__)
            sent: dict[str, str] = {}
            quiet_since = time.monotonic()
            while not self._ended.is_set():
                changed = await self._changes(code, sent)
                if changed:
                    quiet_since = time.monotonic()
                    yield b"".join(message(name, html) for name, html in changed.items())
                elif time.monotonic() - quiet_since >= HEARTBEAT_S:
                    quiet_since = time.monotonic()
                    yield b": alive\n\n"
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), self._every_s)
        finally:
            self._listening -= 1

    async def _changes(self, code: str, sent: dict[str, str]) -> dict[str, str]:
        """What is not as it was sent last; it counts as sent from now on."""
        found = await self.sections(code)
        changed = {name: html for name, html in found.items() if sent.get(name) != html}
        sent |= changed
        return changed


def message(event: str, data: str) -> bytes:
    """An event as it is sent; its data may have several lines."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {event}\n{lines}\n".encode()
