"""The daemon with a clock that runs faster: its ticks come sooner, all else is as it is.

    python profiling/_hurried.py COUNTS FACTOR TRACE run DIR --port N --state-dir DIR

runs ``ingestd run ...`` with every interval of its schedule divided by FACTOR. Twice a second it
writes to the file COUNTS, as JSON, how often each thing was done. TRACE is JSON: ``{}``, or the
options of a trace, which lasts until there is a file COUNTS with the suffix ``.stop``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import threading
import time
from collections import Counter
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure

from ingestd import cli, home, service
from ingestd.drain import Drain
from ingestd.reconcile import Reconciler
from ingestd.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TELL_S = 0.5
WARM_UP = 20
"""Drains before a trace begins."""
DAY_S = 86_400
done: Counter[str] = Counter()


class Hurried(Schedule):
    """A schedule whose seconds are shorter, and which counts what it has called."""

    factor = 1.0

    def every(
        self, seconds: float, name: str, tick: Callable[[], Awaitable[None]], *, jitter_s: float = 0
    ) -> None:
        """Call ``tick`` at the shortened interval."""
        at_s = seconds / self.factor
        super().every(at_s, name, counted(name, tick), jitter_s=jitter_s / self.factor)

    def nightly(self, name: str, tick: Callable[[], Awaitable[None]]) -> None:
        """Call ``tick`` once in a shortened day, in the middle of it."""
        again_s = DAY_S / self.factor

        async def first() -> None:
            await asyncio.sleep(0)
            await tick()

        super().every(again_s, name, counted(name, first))


def counted(name: str, tick: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The same tick, counted when it is done."""

    @wraps(tick)
    async def call() -> None:
        await tick()
        done[name] += 1

    return call


def count_work() -> None:
    """Count what the ticks only ask for: drains that were done, scans that were made."""
    drain, scan = Drain.attempt, Reconciler.reconcile

    async def attempt(self: Drain) -> bool:
        result = await drain(self)
        done["drains"] += 1
        return result

    def reconcile(self: Reconciler, *arguments: Any, **named: Any) -> Any:
        result = scan(self, *arguments, **named)
        done["scans"] += 1
        return result

    Drain.attempt = attempt  # type: ignore[method-assign]
    Reconciler.reconcile = reconcile  # type: ignore[method-assign]


def tell(file: Path, options: dict[str, str]) -> None:
    """Write the counts down, again and again, whole each time; trace when that is asked for."""
    stop = file.with_suffix(".stop")
    trace = argparse.Namespace(
        memray=options.get("memray"),
        native=options.get("native") == "True",
        each=options.get("each") == "True",
    )
    while done["drains"] < WARM_UP:
        write_counts(file)
    with measure.traced(trace):
        while not stop.exists():
            write_counts(file)
    done["trace_ended"] = 1
    while True:
        write_counts(file)


def write_counts(file: Path) -> None:
    """Write the counts down, and rest."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(done), encoding="utf-8")
    draft.replace(file)
    time.sleep(TELL_S)


def main() -> None:
    """Change the clock, and run the command line."""
    counts, factor, options = Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
    sys.argv[1:] = sys.argv[4:]
    logging.getLogger("apscheduler.scheduler").addFilter(lambda _: False)  # ticks that are skipped
    Hurried.factor = factor
    service.Schedule = Hurried  # type: ignore[attr-defined]
    home.LOOK_S = home.LOOK_S / factor
    count_work()
    threading.Thread(target=tell, args=[counts, options], daemon=True).start()
    cli.main()


if __name__ == "__main__":
    main()
