"""Writes into the state table, for ``status``, how sources are followed, and what was lost."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import structlog

from ingestd_state import runs, sources
from ingestd_state.engine import DatabaseError

from .errors import WatchLimitError
from .watchers import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestd_state.engine import Database

    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)

LOST = "watcher"
"""The kind of run that a loss is recorded as."""
_OUTCOME_LENGTH = 20


class Bulletin:
    """Blocking. While the state table is away only the log is told."""

    def __init__(self, database: Database, watched: Mapping[str, WatchedSource]) -> None:
        self._database = database
        self._watched = watched
        self._recorded: dict[str, str] = {}

    def loss(self, reason: str) -> None:
        """The watchers were lost."""
        run = runs.Run(LOST, time.time(), 0.0, reason[:_OUTCOME_LENGTH], {"reason": reason})
        with contextlib.suppress(DatabaseError), self._database.write() as connection:
            runs.add(connection, run)

    def modes(self, modes: Mapping[str, str]) -> None:
        """So is each source followed from now on; one that is missing is not. To be repeated."""
        for name, source in self._watched.items():
            mode = modes.get(name, "")
            if self._recorded.get(name) == mode:
                continue
            try:
                with self._database.write() as connection:
                    sources.set_watching(connection, source.id, mode)
            except DatabaseError:
                return
            self._recorded[name] = mode
            if mode not in ("", EVENTS):
                hint = WatchLimitError.hint if "watches" in mode else ""
                log.warning("source_polled", source=name, how=mode, hint=hint)
