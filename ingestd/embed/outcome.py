"""Records how attempts ended: in the state table, in the log, and in the totals."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from ingestd.paths import text_of
from ingestd_state import bulk, chunks, due, failpoint, runs, work
from ingestd_state.status import DocumentStatus

from .extract.extras import EXTRAS, is_installed, needs
from .extract.scans import MAY_BE_SCANNED
from .extract.skip import NoTextError
from .indexed import fingerprint_columns
from .prepared import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from ingestd.settings.running import LimitSettings
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .prepared import Prepared
    from .totals import Totals

log = structlog.get_logger(__name__)

BUSY_WAIT_S = 1.0
NOTICE_S = 60.0
"""An event comes at most so long after what it tells of, where files are polled."""


class Recorder:
    """Writes outcomes. Blocking: call it in a thread."""

    def __init__(
        self,
        database: Database,
        limits: LimitSettings,
        *,
        pipeline: str,
        totals: Totals,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._limits = limits
        self._pipeline = pipeline
        self._totals = totals
        self._clock = clock

    def recover(self) -> int:
        """Give back what an earlier process had in hand, and what it had planned is due again."""
        with self._database.write() as connection:
            given_back = work.recover(connection)
            unsettled = [document_id for document_id, _ in chunks.unsettled(connection)]
            work.due_again(connection, unsettled)
        failpoint.reached("settle.recovered")
        return given_back

    def outdate(self) -> None:
        """Take up again what another version of the pipeline indexed."""
        outdated = bulk.mark_outdated(self._database, self._pipeline, now=self._clock())
        if outdated:
            log.info("backfill", documents=outdated, pipeline=self._pipeline)

    def unlock(self, *, scans: bool = False) -> None:
        """Take up again what was skipped for want of an extra that is installed now.

        Args:
            scans: pictures of text can be read, and could not be before.
        """
        reasons = [needs(extra) for extra in EXTRAS if is_installed(extra)]
        taken = bulk.mark_skipped(self._database, reasons, now=self._clock()) if reasons else 0
        if scans:
            taken += bulk.mark_scanned(
                self._database, NoTextError().reason, MAY_BE_SCANNED, now=self._clock()
            )
        if taken:
            log.info("readable_now", documents=taken)

    def record(self, entries: Sequence[Prepared]) -> None:
        """Record what became of these documents; written ones are in the state table already."""
        unwritten = [entry for entry in entries if entry.outcome is not Outcome.CONTENT]
        if unwritten:
            self._write(unwritten)
        for entry in entries:
            self._tell(entry)

    def _write(self, entries: Sequence[Prepared]) -> None:
        now = self._clock()
        with self._database.write() as connection:
            for entry in entries:
                if entry.outcome is Outcome.SAME:
                    self._same(connection, entry)
                elif entry.outcome is Outcome.SKIPPED:
                    self._skipped(connection, entry)
                elif entry.outcome is Outcome.FAILED:
                    self._failed(connection, entry, now)
                elif entry.outcome is Outcome.BUSY:
                    attempts = entry.document.attempts + 1
                    self._again(connection, entry, attempts=attempts, retry_at=now + BUSY_WAIT_S)
                elif entry.outcome is Outcome.GONE:
                    self._again(connection, entry, missing_since=now)
                elif entry.outcome is Outcome.LATER:
                    self._again(connection, entry, priority=due.PUT_OFF, reason=entry.reason)
            failpoint.reached("outcome.begun")

    def deleted(self, tombstones: Sequence[Document]) -> None:
        """Record that the chunks of these documents are gone."""
        if tombstones:
            self._totals.documents["deleted"] += len(tombstones)
        for document in tombstones:
            log.info("document_deleted", path=text_of(document.path), chunks=document.chunk_count)

    def drained(self, documents: int, seconds: float, *, whole: bool) -> None:
        """Record a run of the job.

        Args:
            documents: how many it dealt with.
            seconds: how long it took.
            whole: no error broke it off.
        """
        outcome = "done" if whole else "broken off"
        counts = {"documents": documents, **dict(self._totals.chunks)}
        run = runs.Run("drain", self._clock() - seconds, seconds, outcome, counts)
        with self._database.write() as connection:
            runs.add(connection, run)
        log.info("drained", documents=documents, seconds=round(seconds, 2), outcome=outcome)

    def _same(self, connection: Connection, entry: Prepared) -> None:
        work.finish(
            connection,
            entry.document.id,
            DocumentStatus.INDEXED,
            learned=fingerprint_columns(entry),
            recheck_at=entry.recheck_at,
        )

    def _skipped(self, connection: Connection, entry: Prepared) -> None:
        work.finish(
            connection,
            entry.document.id,
            DocumentStatus.SKIPPED,
            learned={
                **fingerprint_columns(entry),
                "digest": entry.digest or None,
                "pipeline": self._pipeline,
                "mime": entry.mime,
                "chunk_count": 0,
            },
            reason=entry.reason,
            recheck_at=entry.recheck_at,
        )

    def _failed(self, connection: Connection, entry: Prepared, now: float) -> None:
        attempts = entry.document.attempts + 1
        dead = attempts >= self._limits.attempts
        doublings = min(attempts - 1, 64)
        wait_s = min(self._limits.retry_s * 2**doublings, self._limits.retry_max_s)
        error = entry.error
        learned = fingerprint_columns(entry)
        # Its time is learned, but its chunks do not bear it yet: also when a change overtook this.
        relabel = entry.document.relabel or entry.fingerprint.mtime_ns != entry.document.mtime_ns
        work.finish(
            connection,
            entry.document.id,
            DocumentStatus.DEAD if dead else DocumentStatus.FAILED,
            learned={**learned, "relabel": True} if relabel else learned,
            attempts=attempts,
            forced=entry.document.forced,
            relabel=relabel,
            retry_at=None if dead else now + wait_s,
            error_code=error.code if error else "",
            error_text=str(error)[:2_000] if error else "",
        )

    @staticmethod
    def _again(connection: Connection, entry: Prepared, **outcome: float | str) -> None:
        """Have it wait as it did before; nothing is written when it was changed or moved since."""
        kept = {
            name: getattr(entry.document, name)
            for name in ("attempts", "forced", "relabel", "priority")
        }
        work.finish(
            connection,
            entry.document.id,
            DocumentStatus.PENDING,
            learned={},
            **{**kept, **outcome},
        )

    def _visible_s(self, entry: Prepared) -> float:
        """Seconds since what can be found now was saved.

        The kernel's time of the change counts, unless it is much older than the event: a folder
        that is moved brings files along whose own times stay.
        """
        saved_at = entry.fingerprint.ctime_ns / 1e9
        return max(0.0, self._clock() - max(saved_at, entry.document.changed_at - NOTICE_S))

    def _tell(self, entry: Prepared) -> None:
        """Count a document and log its one line."""
        names = {
            Outcome.SAME: "unchanged",
            Outcome.CONTENT: "indexed",
            Outcome.SKIPPED: "skipped",
            Outcome.FAILED: "failed",
        }
        name = names.get(entry.outcome)
        if name is None:
            return
        self._totals.documents[name] += 1
        where = {"source": entry.source.name, "path": text_of(entry.document.path)}
        seconds = round(time.monotonic() - entry.started, 3)
        if entry.outcome is Outcome.CONTENT:
            if entry.document.priority > 0 and not entry.document.forced:
                self._totals.visible_s.observe(self._visible_s(entry))
            total = entry.chunk_total
            self._totals.chunks["reused"] += total - entry.embedded
            log.info(
                "document_indexed",
                **where,
                chunks=total,
                embedded=entry.embedded,
                reused=total - entry.embedded,
                deleted=max(0, entry.document.chunk_count - total),
                seconds=seconds,
            )
        elif entry.outcome is Outcome.SKIPPED:
            log.info("document_skipped", **where, reason=entry.reason)
        elif entry.outcome is Outcome.FAILED:
            self._totals.failures[entry.error.code if entry.error else "error"] += 1
            log.warning(
                "document_failed",
                **where,
                code=entry.error.code if entry.error else "error",
                error=str(entry.error),
                attempt=entry.document.attempts + 1,
                of=self._limits.attempts,
            )
