"""Acts on what a check found: marks what the embed job is to do, and changes no collection itself.

Documents are written anew from the vectors cache, slots without an owner are handed to the embed
job, and what differs between disk and table is left to a scan, with its guard against a wipe.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd_state import changes, documents, orphans, selection
from ingestd_state.selection import Selection

from .check.findings import Remedy
from .guard import unusable
from .reconcile import Reconciler
from .watch.scan import probe_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ingestd_state.engine import Database

    from .check.findings import Finding
    from .watch.source import WatchedSource

BATCH = 500
"""Findings acted on in one transaction: other writers get their turn in between."""


@dataclass(slots=True)
class Plan:
    """What is to be done, in numbers.

    Attributes:
        at: when it was begun, in Unix seconds.
        actions: findings by remedy, implied ones too.
        scans: sources that are to be scanned.
        fills: collections that are to be written anew.
        away: sources that cannot be looked at: nothing of theirs can be written anew.
    """

    at: float = 0.0
    actions: Counter[Remedy] = field(default_factory=Counter)
    scans: set[str] = field(default_factory=set)
    fills: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.actions)

    def add(self, finding: Finding) -> None:
        """Take a finding in."""
        self.actions[finding.remedy] += 1
        if finding.remedy is Remedy.SCAN:
            self.scans.add(finding.source)
        elif finding.remedy is Remedy.FILL:
            self.fills.add(finding.collection)


class Repairer:
    """Marks what is to be done. Blocking.

    Args:
        database: the state table.
        sources: by name.
        clock: Unix seconds.
    """

    def __init__(
        self,
        database: Database,
        sources: Mapping[str, WatchedSource],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sources = sources
        self._clock = clock

    def mark(self, findings: Iterable[Finding]) -> Plan:
        """Have everything done that the findings ask for; they are taken as they come.

        Raises:
            DatabaseError: the state table cannot be written; what was marked stays.
        """
        plan = Plan(self._clock())
        batch: list[Finding] = []
        for finding in findings:
            plan.add(finding)
            batch.append(finding)
            if len(batch) >= BATCH:
                self._mark(batch, plan)
                batch = []
        self._mark(batch, plan)
        for name in sorted(plan.fills):
            self._fill(name, plan)
        # Last: by then, documents are due that a scan would not have touched.
        for name in sorted(plan.scans):
            Reconciler(self._database, self._clock).reconcile(self._sources[name])
        return plan

    def _mark(self, batch: Iterable[Finding], plan: Plan) -> None:
        rewrite: dict[str, None] = {}
        strays: dict[str, list[str]] = {}
        for finding in batch:
            if finding.remedy is Remedy.REWRITE and not self._is_away(finding.source, plan):
                rewrite[finding.document_id] = None
            elif finding.remedy is Remedy.DELETE:
                strays.setdefault(finding.collection, []).append(finding.slot)
        with self._database.write() as connection:
            there = [
                document_id
                for document_id in rewrite
                if (document := documents.by_id(connection, document_id)) is not None
                and document.missing_since is None
            ]
            changes.mark_changed(connection, there, now=self._clock(), forced=True)
            for name, slots in strays.items():
                distinct = list(dict.fromkeys(slots))
                orphans.add(connection, name, orphans.unknown(connection, name, distinct))

    def _is_away(self, name: str, plan: Plan) -> bool:
        """Whether the files of a source cannot be read now."""
        if name not in plan.away and unusable(probe_root(self._sources[name].root)):
            plan.away.add(name)
        return name in plan.away

    def _fill(self, collection: str, plan: Plan) -> None:
        for source in self._sources.values():
            if source.collection == collection and not self._is_away(source.name, plan):
                selection.mark_again(
                    self._database,
                    Selection(source.id),
                    now=self._clock(),
                    forced=True,
                    priority=0,
                )
