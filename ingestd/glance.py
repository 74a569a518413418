"""A glance before a single pass: mostly there is nothing to do, and then nothing need be opened.

What costs in a pass without a change is Chroma and the model. Where the table says that everything
is done, and the files of Chroma are as they were when they were last closed in order, the sources
are compared with the disk first; what is opened then is only what has work.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestd_state import bulk, rest
from ingestd_state.engine import DatabaseError

from .embed import model, scanning
from .embed.chroma import ended
from .embed.engines import require
from .embed.reading.plugins import installed
from .embed.totals import Totals
from .ownership import owner, take_lock
from .pipeline import make_cutting, pipeline_version
from .reconcile import Findings, Reconciler
from .report import report
from .roots import register_sources
from .tables import as_told, open_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingestd_state.engine import Database

    from .config import Settings
    from .location import Location
    from .watch.source import WatchedSource


@dataclass(slots=True)
class Glance:
    """What a glance found.

    Attributes:
        findings: of all sources; None where they were not looked at.
        report: of the whole pass, where there is nothing more to do.
    """

    findings: Findings | None = None
    report: dict[str, Any] | None = None


async def glance(
    settings: Settings, location: Location, stop: asyncio.Event, *, verb: str
) -> Glance:
    """Compare the sources with the disk, if nothing else is to be done.

    Args:
        settings: the checked configuration; the store is embedded.
        location: where things lie.
        stop: ends the comparison; the report is about what was found until then.
        verb: what runs, for those who find the lock held.

    Raises:
        IngestdError: as `open_instance` and a reconcile do.
    """
    look = _Look(settings, location, verb, stop.is_set)
    stopping = asyncio.create_task(stop.wait(), name="stop")
    work = asyncio.create_task(asyncio.to_thread(look.look), name="glance")
    try:
        await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            look.interrupt()
        return await work
    except DatabaseError as error:
        raise as_told(error) from error
    finally:
        stopping.cancel()


class _Look:
    """The glance itself. Blocking."""

    def __init__(
        self, settings: Settings, location: Location, verb: str, stopped: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._location = location
        self._verb = verb
        self._stopped = stopped
        self._reconciler: Reconciler | None = None

    def interrupt(self) -> None:
        """End the comparison early; from any thread."""
        if self._reconciler is not None:
            self._reconciler.interrupt()

    def look(self) -> Glance:
        """Look, and report where nothing is left to do."""
        started = time.monotonic()
        if not ended.unwritten(self._location.chroma_dir) or scanning.changed(
            self._settings.extract, self._location.state_dir
        ):
            return Glance()
        with ExitStack() as stack:
            held = take_lock(self._location, owner(self._settings, self._verb))
            stack.callback(held.release)
            database, cache = open_state(self._location)
            stack.callback(cache.close)
            stack.callback(database.close)
            sources = register_sources(self._settings, database)
            if self._outdated(database) or not _at_rest(database, sources):
                return Glance()
            findings = self._compare(database, sources)
            scan_s = time.monotonic() - started
            if not self._stopped() and not _at_rest(database, sources):
                return Glance(findings)
            seconds = {"scan": scan_s, "total": time.monotonic() - started}
            return Glance(findings, report(database, findings, seconds, Totals()))

    def _outdated(self, database: Database) -> bool:
        spec = model.configured(
            self._settings.model, self._location.models_dir, self._location.digests_file
        )
        require(spec, self._settings.model)
        plugins = installed(self._location.state_dir)
        cutting = make_cutting(self._settings, spec)
        version = pipeline_version(cutting, spec, self._settings.extract, plugins)
        with database.read() as connection:
            return bulk.is_outdated(connection, version)

    def _compare(self, database: Database, sources: Mapping[str, WatchedSource]) -> Findings:
        reconciler = self._reconciler = Reconciler(database)
        findings = Findings()
        for source in sources.values():
            if self._stopped():
                break
            findings.add(reconciler.reconcile(source))
        return findings


def _at_rest(database: Database, sources: Mapping[str, WatchedSource]) -> bool:
    with database.read() as connection:
        ids = [source.id for source in sources.values()]
        return rest.at_rest(connection, time.time(), ids)
