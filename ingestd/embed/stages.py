"""The threads of the embed job, each as long-lived as the process: reading, encoding, storing."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Stages:
    """Runs functions, each kind in a thread of its own."""

    def __init__(self) -> None:
        self._files = ThreadPoolExecutor(1, "read")
        self._encode = ThreadPoolExecutor(1, "encode")
        self._store = ThreadPoolExecutor(1, "store")

    async def files(self, function: Callable[[], T]) -> T:
        """Run what reads files, or only the tables."""
        return await asyncio.get_running_loop().run_in_executor(self._files, function)

    async def encode(self, function: Callable[[], T]) -> T:
        """Run what uses the model: always in the same thread, because it keeps memory for each."""
        return await asyncio.get_running_loop().run_in_executor(self._encode, function)

    async def store(self, function: Callable[[], T]) -> T:
        """Run what writes to the collections."""
        return await asyncio.get_running_loop().run_in_executor(self._store, function)

    def close(self, *, wait: bool) -> None:
        """End the threads, when they are done with what they have in hand."""
        for executor in (self._files, self._encode, self._store):
            executor.shutdown(wait=wait, cancel_futures=True)
