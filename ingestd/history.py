"""What the daemon did and took over the last day, a sample a minute, kept over a restart."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = structlog.get_logger(__name__)

EVERY_S = 60.0
KEPT_S = 24 * 3600.0
SAVE_EVERY = 10
"""Samples between two writes: a daemon at rest writes seldom."""
FILE = "history.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """A minute.

    Attributes:
        at: its end, in Unix seconds.
        documents: that were dealt with in it.
        chunks: that were embedded in it.
        memory: bytes of the daemon and its children.
    """

    at: float
    documents: int
    chunks: int
    memory: int


class History:
    """The samples of a day; any thread may read. Blocking.

    Args:
        file: where they are kept.
        counts: documents dealt with and chunks embedded, since the start of the process.
        memory: bytes taken now.
        clock: Unix seconds.
    """

    def __init__(
        self,
        file: Path,
        counts: Callable[[], tuple[int, int]],
        memory: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._counts = counts
        self._memory = memory
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=int(KEPT_S / EVERY_S))
        self._lock = threading.Lock()
        self._last = (0, 0)
        self._unsaved = 0
        self._load()

    def now(self) -> Sample:
        """The minute that has begun, so far."""
        documents, chunks = self._counts()
        with self._lock:
            before = self._last
        return Sample(self._clock(), documents - before[0], chunks - before[1], self._memory())

    def sample(self) -> None:
        """Take one; to be called each `EVERY_S`."""
        one = self.now()
        with self._lock:
            self._last = self._last[0] + one.documents, self._last[1] + one.chunks
            self._samples.append(one)
            self._unsaved += 1
            due = self._unsaved >= SAVE_EVERY
        if due:
            self.save()

    def read(self) -> list[Sample]:
        """The samples of the last day, oldest first."""
        since = self._clock() - KEPT_S
        with self._lock:
            return [one for one in self._samples if one.at > since]

    def save(self) -> None:
        """Keep them for the next start; where that fails, it is only told."""
        with self._lock:
            rows, self._unsaved = [asdict(one) for one in self._samples], 0
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(json.dumps(rows), "utf-8")
            beside.replace(self._file)
        except OSError as error:
            log.warning("history_not_saved", error=str(error))
            with contextlib.suppress(OSError):
                beside.unlink()

    def _load(self) -> None:
        try:
            rows = json.loads(self._file.read_text("utf-8"))
            samples = [
                Sample(float(r["at"]), int(r["documents"]), int(r["chunks"]), int(r["memory"]))
                for r in rows
            ]
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("history_not_read", error=str(error))
            return
        now = self._clock()
        self._samples.extend(one for one in samples if now - KEPT_S < one.at <= now)
