"""What a daemon shows at its address: health, metrics, and the page with the last day."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .history import FILE, History
from .kept import Kept
from .lock import holder
from .memory.guard import taken
from .metrics import PATIENCE_S, Metrics
from .page.facts import Gatherer
from .page.site import Site
from .probes import Probes
from .search import Searcher
from .snapshot import whole

if TYPE_CHECKING:
    from .instance import Instance
    from .serve.app import Routes
    from .symptoms import Symptoms


class Front:
    """Answers for an instance.

    Args:
        instance: what is told about.
        symptoms: tells what is wrong with it.

    Attributes:
        probes: health and metrics: what is answered at the control socket as well.
        routes: everything.
    """

    def __init__(self, instance: Instance, symptoms: Symptoms) -> None:
        self._instance = instance
        self._symptoms = symptoms
        self._history = History(
            instance.location.state_dir / FILE, self._counts, taken, instance.clock
        )
        self._gatherer = Gatherer(instance, symptoms, self._history)
        self._kept = Kept(self._snapshot)
        self._searcher = Searcher(instance)
        self._site = Site(self._gatherer, self._searcher, self._status, self._sources)
        self.probes: Routes = {
            **Probes(symptoms).routes(),
            **Metrics(instance, symptoms).routes(),
        }
        self.routes: Routes = {**self.probes, **self._site.routes()}

    async def minute(self) -> None:
        """Note what was done and taken; to be called each `ingestd.history.EVERY_S`."""
        self._gatherer.tick()
        await asyncio.to_thread(self._history.sample)

    async def close(self) -> None:
        """End what is still being sent, and keep the last day."""
        self._site.close()
        self._searcher.close()
        await asyncio.to_thread(self._history.save)

    def _counts(self) -> tuple[int, int]:
        totals = self._instance.totals
        return totals.done, totals.chunks["embedded"]

    def _sources(self) -> list[str]:
        return sorted(self._instance.sources)

    async def _status(self) -> dict[str, Any]:
        await self._symptoms.look(PATIENCE_S)  # the gauges tell what it finds
        return await asyncio.to_thread(self._kept)

    def _snapshot(self) -> dict[str, Any]:
        instance = self._instance
        return whole(
            instance.location,
            holder(instance.location.lock_file),
            instance.clock(),
            gauges=[reading.as_json() for reading in instance.gauges.read()],
            database=instance.database,
        )
