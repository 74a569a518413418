"""Takes care of a Chroma directory of ours: before it is opened, and after.

What is broken is flagged in the state table first, and then set aside while nobody has the
directory open. The flag stays until the collection was filled from the vectors cache, so that a
crash at any point leads here again. Everything in this module blocks.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd.errors import StoreError
from ingestd_state import collections, failpoint, sources

from . import ended
from .aside import remove_folders, set_all_aside, set_aside
from .ask import ask_directory, ask_server
from .health import DATABASE, Finding, Health, Verdict, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ingestd_state.engine import Database

    from .examine import Answers

log = structlog.get_logger(__name__)

REPLAY_S = 0.02
"""What one write of Chroma's log may take when it is carried out again, on a busy machine."""
LONGEST_REPLAY_S = 600.0


class BrokenError(StoreError):
    """Chroma was opened and gives no sound answer; what is broken is flagged by now."""

    code = "store_broken"


class Care:
    """Keeps what Chroma cannot open away from it.

    Args:
        directory: Chroma's data; the caller holds its lock.
        database: the state table.
        timeout_s: longest wait for sound answers, beside the time to carry out Chroma's log.
        clock: Unix seconds.
    """

    def __init__(
        self,
        directory: Path,
        database: Database,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self._database = database
        self._timeout_s = timeout_s
        self._replay_s = 0.0
        self._clock = clock
        self._unreadable = ""
        self.clean = False

    @property
    def timeout_s(self) -> float:
        """How long to wait for sound answers after the opening that comes next, or came last."""
        return self._timeout_s + self._replay_s

    def before(self) -> None:
        """Look at the files, which nobody has open, and set aside what is broken.

        Raises:
            StoreError: they cannot be looked at, or not be moved.
            DatabaseError: the state table cannot be read or written.
        """
        started = time.monotonic()
        self.clean = ended.matches(self.directory)
        ended.forget(self.directory)
        health = probe(self.directory, quick=self.clean)
        self._replay_s = min(REPLAY_S * health.logged, LONGEST_REPLAY_S)
        reason = self._unreadable or health.unreadable
        if reason:
            self._give_up_all(reason)
        else:
            self._put_in_order(health)
        if not self.clean:
            seconds = round(time.monotonic() - started, 2)
            log.info("store_probed", directory=str(self.directory), seconds=seconds)

    def _put_in_order(self, health: Health) -> None:
        """Flag what is torn; set aside what is flagged, from now or from before; remove orphans."""
        flagged = self._flagged()
        torn = {finding.collection: finding.reason for finding in self._torn(health, flagged)}
        self.condemn(torn)
        for finding in health.findings:
            if finding.ours and finding.collection in flagged | torn.keys():
                self._set_aside(finding)
        if flagged or torn:
            failpoint.reached("refill.set_aside")
        if health.orphans:
            log.info("store_orphans_removed", folders=len(health.orphans))
            remove_folders(self.directory, health.orphans)

    def condemn(self, broken: Mapping[str, str]) -> None:
        """Flag collections whose index is broken; what is flagged already keeps its reason.

        Raises:
            DatabaseError: the state table cannot be written.
        """
        new = {name: broken[name] for name in broken.keys() - self._flagged()}
        if not new:
            return
        with self._database.write() as connection:
            for name, reason in sorted(new.items()):
                collections.flag(connection, name, reason, now=self._clock())
                log.error(
                    "store_index_broken",
                    collection=name,
                    reason=reason,
                    next="it is set aside and filled anew from the vectors cache",
                )
        failpoint.reached("refill.flagged")

    def ask_server(self, client_of: Callable[[float], Any]) -> Answers:
        """Ask a server for sound answers.

        Args:
            client_of: opens a client with this time limit, in seconds.

        Returns:
            The answers, see `ask_server`.

        Raises:
            StoreError: it is not there, or its disk is full.
        """
        return ask_server(client_of, self._to_ask(), self.timeout_s)

    def ask_directory(self, lock_fd: int) -> None:
        """Have a child open the directory and ask; for the embedded Chroma, before it is opened.

        Args:
            lock_fd: the locked file of the directory, which the child keeps open while it lives.

        Raises:
            BrokenError: there was no sound answer; what is broken is flagged.
            StoreError: it cannot be told, for a reason that has nothing to do with damage.
        """
        if (self.directory / DATABASE).exists():
            answers = ask_directory(self.directory, self._to_ask(), self.timeout_s, lock_fd)
            self.judge(answers.broken, answers.unreadable)

    def judge(self, broken: Mapping[str, str], unreadable: str) -> None:
        """Act on answers: flag what is broken, and say that it must be opened again.

        Raises:
            BrokenError: something is.
        """
        self._unreadable = unreadable
        self.condemn(broken)
        if broken or unreadable:
            raise BrokenError(
                f"Chroma gives no sound answer: {unreadable or '; '.join(broken.values())}"
            )

    def closed(self) -> None:
        """The directory was closed in order."""
        ended.record(self.directory)

    def _torn(self, health: Health, flagged: frozenset[str]) -> list[Finding]:
        """Those that can be filled anew and are not flagged yet; others are only told of."""
        known, found = self._known(), []
        for finding in health.findings:
            if finding.verdict is Verdict.SOUND or finding.collection in flagged:
                continue
            if finding.ours and finding.collection in known:
                found.append(finding)
            else:
                log.warning(
                    "store_foreign_index_broken",
                    collection=finding.collection,
                    reason=finding.reason,
                    next="whoever made it must fill it anew",
                )
        return found

    def _set_aside(self, finding: Finding) -> None:
        place = set_aside(self.directory, finding.segment)
        if place:
            log.warning("store_set_aside", collection=finding.collection, place=str(place))

    def _give_up_all(self, reason: str) -> None:
        self.condemn(dict.fromkeys(self._known(), reason))
        place = set_all_aside(self.directory)
        self._unreadable = ""
        failpoint.reached("refill.set_aside")
        log.error("store_set_aside", reason=reason, place=str(place or "removed: no room"))

    def _to_ask(self) -> list[str]:
        return sorted(self._known() - self._flagged())

    def _known(self) -> frozenset[str]:
        with self._database.read() as connection:
            return frozenset(source.collection for source in sources.all_sources(connection))

    def _flagged(self) -> frozenset[str]:
        with self._database.read() as connection:
            return frozenset(refill.name for refill in collections.flagged(connection))
