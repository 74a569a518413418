"""Which sources are to be scanned, and the task that scans them, whatever happens to the table."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from ingestd_state.engine import DatabaseError

from .scanlock import ScanBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .reconcile import Reconciler
    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Between two tries while the state table is away, the pause doubles up to this."""


class Scans:
    """Scans sources when somebody asks for it; what cannot be recorded now is scanned again.

    Args:
        reconciler: scans one source.
        sources: by name.
        on_scanned: called after each scan.
        first_pause_s: after a first failure.

    Attributes:
        complete: everything that was asked for at first has been scanned.
        done: scans, by outcome.
        last_at: Unix seconds of the last scan of a source that was recorded, by its name.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        sources: Mapping[str, WatchedSource],
        *,
        on_scanned: Callable[[], None],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.complete = False
        self.done = {"done": 0, "failed": 0}
        self.last_at: dict[str, float] = {}
        self._reconciler = reconciler
        self._sources = sources
        self._on_scanned = on_scanned
        self._first_pause_s = first_pause_s
        self._pause_s = first_pause_s
        self._wanted: set[str] = set()
        self._asked = asyncio.Event()

    def soon(self, names: Iterable[str]) -> None:
        """Have these sources scanned as soon as can be; on the event loop."""
        self._wanted |= set(names) & set(self._sources)
        self._asked.set()

    async def run(self) -> None:
        """Scan what is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            names, self._wanted = self._wanted, set()
            failed = {name for name in sorted(names) if not await self._scan(name)}
            if failed:
                await self._rest(failed)
                continue
            self._pause_s = self._first_pause_s
            if not self._wanted:
                self.complete = True
                self._on_scanned()

    async def _scan(self, name: str) -> bool:
        """Scan a source; whether it could be recorded."""
        try:
            await asyncio.to_thread(self._reconciler.reconcile, self._sources[name])
        except (DatabaseError, ScanBusyError) as error:
            self.done["failed"] += 1
            log.warning("scan_failed", source=name, error=str(error), next_try_in_s=self._pause_s)
            return False
        self.done["done"] += 1
        self.last_at[name] = time.time()
        self._on_scanned()
        return True

    async def _rest(self, failed: set[str]) -> None:
        """Wait before the next try; another wish meanwhile is no reason to hurry."""
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        self.soon(failed)
