"""Sums up a trace of memray, in a process of its own: ``python -m ingestd.trace_summary FILE``.

Reading a trace takes memory and minutes of a processor in proportion to it. So it is never done in
the daemon, and here within bounds: a trace that is damaged or too large ends this process alone.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memray import AllocationRecord

ADDRESS_BYTES = 4 * 1024**3
TOP = 10
LOCATIONS = 100_000
"""More places than there are in the code of any daemon: so that all are told."""
NATIVE = "(native code)"
NICE = 10

Frame = tuple[str, str, int]
"""Function, file and line."""


@dataclass(slots=True)
class Sum:
    """What one place took."""

    bytes: int = 0
    allocations: int = 0

    def add(self, size: int, count: int) -> None:
        """Add allocations."""
        self.bytes += size
        self.allocations += count


def summarise(file: Path, code: Sequence[str] = (), *, top: int = TOP) -> dict[str, Any]:
    """Sum up a trace; blocking, in four passes over the file.

    Args:
        file: written by memray, with all allocations.
        code: the folders of our own packages: what allocates on behalf of them is told.
        top: how many places of each kind.

    Raises:
        OSError: it cannot be read, or is no trace.
    """
    from memray import FileReader  # noqa: PLC0415 - the CLI imports this module for its names
    from memray._memray import compute_statistics  # noqa: PLC0415 - what `memray stats` uses

    name = os.fsencode(file)  # text fails on a name that is not UTF-8
    stats = compute_statistics(name, num_largest=LOCATIONS)  # type: ignore[arg-type]
    with FileReader(file) as reader:
        native = reader.metadata.has_native_traces
        peak = list(by_place(reader.get_high_watermark_allocation_records(), code, native=native))
        left = list(by_place(reader.get_leaked_allocation_records(), code, native=native))
        rss = [snapshot.rss for snapshot in reader.get_memory_snapshots()]
    counts = dict(stats.top_locations_by_count)
    total = ((frame, None, Sum(size, counts[frame])) for frame, size in stats.top_locations_by_size)
    return {
        "allocations": stats.total_num_allocations,
        "allocated_bytes": stats.total_memory_allocated,
        "peak_bytes": stats.peak_memory_allocated,
        "left_bytes": sum(one.bytes for _, _, one in left),
        "rss_peak_bytes": max(rss, default=None),
        "top": {
            "total": _largest(total, top),
            "peak": _largest(peak, top),
            "left": _largest(left, top),
        },
    }


def by_place(
    records: Iterable[AllocationRecord], code: Sequence[str], *, native: bool
) -> Iterable[tuple[Frame, Frame | None, Sum]]:
    """Add up records by where they were made, and by which function of ours they were made for."""
    found: dict[tuple[Frame, Frame | None], Sum] = {}
    for record in records:
        stack = record.stack_trace()
        innermost = stack[0] if stack else (NATIVE, "", 0)
        if native:
            innermost = next(iter(_hybrid(record)), innermost)
        ours = next((frame for frame in stack if frame[1].startswith(tuple(code))), None)
        place = found.setdefault((innermost, ours), Sum())
        place.add(record.size, record.n_allocations)
    return ((frame, ours, one) for (frame, ours), one in found.items())


def _hybrid(record: AllocationRecord) -> list[Frame]:
    """The innermost frame, native or Python, in a list; memray cannot always join the two."""
    try:
        return record.hybrid_stack_trace(1)
    except AssertionError:  # the frames of an evaluation are there, the Python frame is not
        return record.native_stack_trace(1)


def _largest(places: Iterable[tuple[Frame, Frame | None, Sum]], top: int) -> list[dict[str, Any]]:
    chosen = heapq.nlargest(top, places, key=lambda place: place[2].bytes)
    return [
        {
            **_as_json(frame),
            "bytes": one.bytes,
            "allocations": one.allocations,
            "for": _as_json(ours) if ours else None,
        }
        for frame, ours, one in chosen
    ]


def _as_json(frame: Frame) -> dict[str, Any]:
    return {"function": frame[0], "file": frame[1], "line": frame[2]}


def main() -> None:
    """Print the summary of a file as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--code", action="append", default=[], help="a folder of our own code")
    parser.add_argument("--top", type=int, default=TOP)
    arguments = parser.parse_args()
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps(summarise(arguments.file, arguments.code, top=arguments.top)))  # noqa: T201 - for its parent


if __name__ == "__main__":
    main()
