"""Saves that somebody makes while very many documents wait.

What a save waits for is the batch in hand. The hash model makes the store the bottleneck, the real
one the processor. With the real one those that wait are not waited for at the end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks import corpus, systems
from benchmarks.daemon import Daemon
from benchmarks.documents import Corpus
from benchmarks.generate import write_files
from benchmarks.prober import Prober
from benchmarks.series.rows import Bounds, Row, spread, tell
from benchmarks.series.save import FIRST, Saver

if TYPE_CHECKING:
    from pathlib import Path

SERIES = "save while others wait"
WITH_MODEL = "save while others wait for the model"
HASH = "hash"
OWN = 20
MOST_SAVES = 40
ARRIVE_S = 300.0
GLANCE_S = 0.05
BLOCKS = 4
"""Of a waiting document of median length: two or three chunks."""


def measure(bounds: Bounds) -> list[Row]:
    """Measure with each number of waiting documents, and the hash model."""
    return [_with_waiting(bounds, SERIES, HASH, count) for count in bounds.waiting]


def measure_with_model(bounds: Bounds) -> list[Row]:
    """Measure with the most waiting documents, and the model of the comparison, if it has one."""
    if bounds.model is None or not bounds.waiting:
        return []
    return [_with_waiting(bounds, WITH_MODEL, bounds.model_name, max(bounds.waiting))]


def _with_waiting(bounds: Bounds, series: str, model: str, count: int) -> Row:
    tell(f"{series}: {count} documents")
    ours, place = bounds.systems[0], bounds.work / f"{series.replace(' ', '-')}-{count}"
    docs, arriving = place / "docs", place / "arriving"
    write_files(docs / "own", Corpus(1, blocks=BLOCKS), OWN)
    own = sorted(corpus.contents(docs))
    write_files(arriving, Corpus(2, blocks=BLOCKS), count)
    with (
        Daemon(docs, place / "state", model=model) as daemon,
        _prober_of(daemon, docs, place) as prober,
    ):
        saver = Saver(docs, prober, own)
        idle = [saver.save() for _ in range(FIRST)]
        started = time.monotonic()
        arriving.rename(docs / "arriving")
        _until_most_are_known(daemon, count)
        at_first = daemon.waiting()
        waits: list[float] = []
        while len(waits) < MOST_SAVES and (daemon.waiting() or not waits):
            waits.append(saver.save())
            saver.pause()
        took = time.monotonic() - started
        left = daemon.waiting()
    values = {
        **spread(waits),
        "waiting_at_first": at_first,
        "waiting_at_last": left,
        "idle_s": round(min(idle), 4),
        "documents_per_s": round(max(0, count - left) / took, 1),
    }
    return Row(series, count, ours.name, values, [{"seconds": waits}])


def _prober_of(daemon: Daemon, docs: Path, place: Path) -> Prober:
    daemon.settle(corpus.contents(docs))
    return Prober(systems.SYSTEMS[0], docs, place / "state", str(daemon.port))


def _until_most_are_known(daemon: Daemon, count: int) -> None:
    """Wait until the daemon has heard of half of them; most of those wait, then."""
    end = time.monotonic() + ARRIVE_S
    while daemon.known() < OWN + count // 2:
        if time.monotonic() > end:
            raise TimeoutError(f"{daemon.known()} of {count} documents known in {ARRIVE_S:.0f} s")
        time.sleep(GLANCE_S)
