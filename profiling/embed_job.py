"""Does the embed job give back what it takes? Edits, batches and file sizes, with their memory.

The outage that ingestd was built against: every embedding run kept some memory, and after a night
the process was dead. Here the real job works in three ways:

  edits    one process edits documents for many rounds, with a real embedded Chroma; after a
           warm-up the resident memory must not rise with the number of edits
  batches  memray counts what a batch of chunks allocates, and what of it stays
  sizes    the peak above idle, by size of the file and by size of the batch

    python profiling/embed_job.py --quick               # edits only, about a minute, as in CI
    python profiling/embed_job.py                       # all, about forty minutes
    python profiling/embed_job.py --part edits --edits 20000

Exit status 1 when the slope of the edits is over the bound.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _batches
import _peaks
import _processes
import measure
from _workplace import workplace

from ingestd import logs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

PARTS = ("edits", "batches", "sizes")
SAMPLES = 120
MODELS = ("hash", "")
"""Of the batches and sizes: the test model, which takes no time, and the packaged one."""


async def edits(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Change one paragraph of one document, so many times; returns the samples and the slope."""
    chance = random.Random(given.seed)  # noqa: S311 - repeatable on purpose
    xs, ys = [], []
    async with workplace(place, given.model) as work:
        names = _batches.write(work.folder, chance)
        await work.take_up(names)
        started, done = time.monotonic(), iter(range(given.edits))

        async def make(numbers: Iterable[int]) -> None:
            for number in numbers:
                name = chance.choice(names)
                _batches.change(work.folder, [name], chance)
                await work.take_up([name])
                if number % max(1, given.edits // SAMPLES) == 0:
                    gc.collect()
                    xs.append(number)
                    ys.append(measure.rss())

        await make(itertools.islice(done, given.edits // 4))
        with measure.traced(given):
            await make(done)
        seconds = time.monotonic() - started
        chunks = dict(work.instance.totals.chunks)
    rise = measure.slope(xs, ys, warm_up=0.5).times(1_000 / measure.MIB)
    return {
        "model": given.model or "packaged",
        "edits": given.edits,
        "seconds": round(seconds, 1),
        "chunks": chunks,
        "rss_mib_first": round(ys[0] / measure.MIB, 1),
        "rss_mib_last": round(ys[-1] / measure.MIB, 1),
        "slope_mib_per_1000_edits": rise.as_json(),
        "bound_mib_per_1000_edits": given.bound,
        "samples": {"edit": xs, "rss_mib": [round(y / measure.MIB, 2) for y in ys]},
    }


def batches(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Count allocations by batch, for each model."""
    found = []
    for model in MODELS:
        with tempfile.TemporaryDirectory(prefix="batches") as name:
            recording = _batches.record(
                Path(name), model=model, batches=given.batches, seed=given.seed
            )
            found.append(asyncio.run(recording))
        print(f"\n{_batches.show(found[-1])}", flush=True)
    return found


def sizes(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Peaks by size of the file and of the batch, for each model."""
    found: dict[str, list[dict[str, Any]]] = {"file": [], "batch": []}
    chosen = [size for size in _peaks.FILE_BYTES if size <= given.largest]
    for model in MODELS:
        found["file"] += _peaks.by_file(model, chosen, given.seed)
        found["batch"] += _peaks.by_batch(model, _peaks.BATCH_BYTES, given.seed)
    for key, rows in found.items():
        print(f"\n{_peaks.show(rows, key)}", flush=True)
    return found


def draw(given: argparse.Namespace, values: dict[str, Any]) -> None:
    """One panel a part that was measured."""
    panels = []
    if "edits" in values:
        samples = values["edits"]["samples"]
        lines = [measure.Line("", samples["edit"], samples["rss_mib"])]
        panels.append(measure.Panel(lines, "edits", "resident memory, MiB"))
    if "sizes" in values:
        lines = []
        for model in MODELS:
            rows = [row for row in values["sizes"]["file"] if row["model"] == model]
            for role in (_processes.DAEMON, _processes.PARSER):
                ys = [_rise(row.get(role)) for row in rows]
                label = f"{role}, {model or 'packaged'} model"
                lines.append(measure.Line(label, [row["file"] for row in rows], ys, "o-"))
        panels.append(measure.Panel(lines, "size of the file, bytes", "peak above idle, MiB", True))
    if panels:
        measure.draw_chart(given, panels)


def _rise(values: dict[str, int] | None) -> float:
    return 0.0 if values is None else (values["peak_bytes"] - values["idle_bytes"]) / measure.MIB


def main() -> int:
    """Measure, print, write the result file."""
    parser = measure.parser(__doc__)
    parser.add_argument("--part", choices=PARTS, nargs="+", help="what to measure (all)")
    parser.add_argument("--edits", type=int, help="edits to make (10000; quick: 1000)")
    parser.add_argument("--model", default="hash", help="model.name of the edits (hash)")
    parser.add_argument("--bound", type=float, default=8.0, help="MiB per 1000 edits (8)")
    parser.add_argument("--batches", type=int, default=8, help="batches to trace (8)")
    parser.add_argument("--largest", type=int, default=50_000_000, help="largest file (50 MB)")
    given = parser.parse_args()
    given.edits = given.edits or (1_000 if given.quick else 10_000)
    parts = given.part or (["edits"] if given.quick else PARTS)
    os.environ["HF_HUB_OFFLINE"] = "1"
    logs.configure("warning", "pretty")
    values: dict[str, Any] = {}
    if "edits" in parts:
        with tempfile.TemporaryDirectory(prefix="edits") as name:
            values["edits"] = asyncio.run(edits(Path(name), given))
    if "batches" in parts:
        values["batches"] = batches(given)
    if "sizes" in parts:
        values["sizes"] = sizes(given)
    draw(given, values)
    measure.write(given, values)
    if "edits" not in values:
        return 0
    slope = values["edits"]["slope_mib_per_1000_edits"]
    print(
        f"slope {slope['value']} ({slope['low']} to {slope['high']}) MiB per 1000 edits, "
        f"bound {given.bound}"
    )
    return int(slope["value"] > given.bound)


if __name__ == "__main__":
    sys.exit(main())
