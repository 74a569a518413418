"""What a run did, in documents, chunks and seconds: the stable JSON of ``run --once``."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd.histogram import CALLS_S, WAITS_S, Histogram

from .waits import Waits

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Totals:
    """Counts since the start of the process.

    Attributes:
        documents: by outcome: indexed, unchanged, skipped, failed, deleted.
        chunks: embedded (through the model), reused (not), upserted, relabelled, deleted.
        seconds: by stage: extract, embed, store; they overlap.
        waits: how long the model waited for something else.
        failures: attempts that failed, by error code.
        tokens: that went through the model.
        embed_s: seconds of a call to the model, that loads nothing.
        upsert_s: seconds of a call to the collection.
        visible_s: seconds from a save that was seen live until the document can be found.
    """

    documents: Counter[str] = field(default_factory=Counter)
    chunks: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    failures: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    embed_s: Histogram = field(default_factory=lambda: Histogram(CALLS_S))
    upsert_s: Histogram = field(default_factory=lambda: Histogram(CALLS_S))
    visible_s: Histogram = field(default_factory=lambda: Histogram(WAITS_S))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to a stage; each in a thread of its own."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    @property
    def done(self) -> int:
        """Documents that were dealt with."""
        return self.documents.total()
