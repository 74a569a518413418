"""Searches for people who look at the page, with the daemon's own model and store."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ingestd_state import sources

from .embed.stages import HaltedError
from .errors import BusyError, NotFoundError, WaitTimeoutError
from .hits import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .instance import Instance
    from .ports import Hit, Vectors

T = TypeVar("T")

AT_ONCE = 2
"""Questions that are answered at the same time; so many more wait."""
WAITING = 8
ANSWER_S = 20.0
QUESTION_CHARS = 2_000
MOST = 50


class Searcher:
    """Answers questions, a few at a time.

    Args:
        instance: whose model and store are used.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        # Not those that everybody uses: a store that hangs must hold up nothing else.
        self._threads = ThreadPoolExecutor(AT_ONCE, "search")
        self._asking = 0

    def close(self) -> None:
        """Answer no more; what a thread has in hand ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def search(self, question: str, number: int, source: str | None = None) -> list[Hit]:
        """The nearest chunks of all collections together, best first.

        Args:
            question: cut at `QUESTION_CHARS`.
            number: so many at most.
            source: only from the source of this name.

        Raises:
            NotFoundError: there is no such source.
            BusyError: too many ask.
            WaitTimeoutError: it took too long.
            IngestdError: model or store fail.
        """
        if self._asking >= AT_ONCE + WAITING:
            raise BusyError("too many questions at once", hint="Ask again in a moment.")
        self._asking += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._search(question[:QUESTION_CHARS], min(number, MOST), source)
        except TimeoutError as error:
            message = f"no answer within {ANSWER_S:g} s"
            raise WaitTimeoutError(
                message, hint="Ask again; /readyz tells what is wrong."
            ) from error
        finally:
            self._asking -= 1

    async def _search(self, question: str, number: int, source: str | None) -> list[Hit]:
        from .embed.extract.normal import normal  # noqa: PLC0415 - seldom needed

        names = await self._thread(lambda: self._names(source))
        # In the form of letters that the chunks are in.
        text = normal(question)
        texts, stages = self._instance.texts, self._instance.job.stages
        # Before the next window of documents, in their thread: the model keeps memory for each.
        vector = await stages.encode.run(lambda: texts.embed_query(text))

        def find() -> list[Hit]:
            return self._find(names, vector, number, source)

        if self._instance.store.directory is None:
            return await self._thread(find)
        try:
            # The client of a directory is closed and opened anew now and then.
            return await stages.store(find)
        except HaltedError as error:
            raise BusyError("a write is being settled", hint="Ask again in a moment.") from error

    async def _thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _find(
        self, names: Sequence[str], vector: Vectors, number: int, source: str | None
    ) -> list[Hit]:
        instance = self._instance
        found = [instance.store.existing(name, instance.spec) for name in names]
        there = [collection for collection in found if collection is not None]
        hits = [hit for one in there for hit in nearest(one, vector, number, source)]
        return sorted(hits, key=lambda hit: hit.distance)[:number]

    def _names(self, source: str | None) -> list[str]:
        with self._instance.database.read() as connection:
            rows = sources.all_sources(connection)
        served = [row for row in rows if row.name in self._instance.sources]
        if source is None:
            return sorted({row.collection for row in served})
        names = [row.collection for row in served if row.name == source]
        if not names:
            raise NotFoundError(f"there is no source {source!r}", hint="The page lists them.")
        return names
