"""An instance of ingestd in this process, on a folder of its own: what harnesses put to work."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestd import logs
from ingestd.config import load
from ingestd.instance import Instance, open_instance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from ingestd.settings.content import StoreMode
    from ingestd.watch.source import WatchedSource


@dataclass(frozen=True, slots=True)
class Workplace:
    """An open instance, and the folder that it indexes."""

    instance: Instance
    folder: Path
    source: WatchedSource

    async def take_up(self, names: Iterable[str]) -> int:
        """Have these files looked at, and what is due dealt with; returns how many that were."""
        paths = [name.encode() for name in names]
        await asyncio.to_thread(self.instance.reconciler.look, self.source, paths)
        return await self.instance.job.drain()


@contextlib.asynccontextmanager
async def workplace(
    place: Path, model: str, *, mode: StoreMode = "embedded", **settings: Any
) -> AsyncIterator[Workplace]:
    """Open an instance.

    Args:
        place: a folder; its state goes to ``state``, the documents lie in ``documents``.
        model: ``model.name``.
        mode: how Chroma is reached.
        settings: more of the configuration; a double underline stands for the dot.
    """
    logs.configure("error", "json")
    folder = place / "documents"
    folder.mkdir(exist_ok=True)
    more = {key.replace("__", "."): value for key, value in settings.items()}
    overrides = {"sources": [{"path": folder}], "model.name": model, **more}
    given, location = load(state_dir=place / "state", overrides=overrides)
    async with open_instance(given, location, mode, verb="profile") as instance:
        (source,) = instance.sources.values()
        await instance.job.settle()
        yield Workplace(instance, folder, source)


def release() -> None:
    """Give back what can be given back: garbage, and free pages of the allocator."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
