"""The table and the charts of ``benchmarks.scale``."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks import machine
from benchmarks.census import ROLES
from benchmarks.growth import FIRST, rising, segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from benchmarks.census import Sample

GIB, MIB, KIB = 1024**3, 1024**2, 1024
MINUTE = 60.0
POINTS, APART_S = 60, 5.0
"""Of a curve of rates: each is over such a part of the time, and over no less than some seconds, so
that one batch makes no peak."""
FROM = ("chunks", "to", "minutes", "documents/s", "chunks/s")


def cells(segment: Mapping[str, Any]) -> list[str]:
    """A line of the table of segments."""
    return [
        f"{segment['first']:,}",
        f"{segment['last']:,}",
        f"{segment['seconds'] / MINUTE:.1f}",
        f"{segment['documents_per_s']:,.0f}",
        f"{segment['chunks_per_s']:,.0f}",
        *(f"{segment['cpu_ms'][role]:.2f}" for role in ROLES),
    ]


def heads() -> list[str]:
    """The first line of that table."""
    return [*FROM, *(f"{role}, CPU ms a chunk" for role in ROLES)]


def told(values: Mapping[str, Any]) -> list[str]:
    """What to say below the table, a line each."""
    last = values["samples"][-1]
    memory = ", ".join(f"{role} {last['rss'][role] / MIB:,.0f} MiB" for role in ROLES)
    disk = ", ".join(f"{name} {size / GIB:.2f} GiB" for name, size in last["disk"].items())
    minutes = last["at_s"] / MINUTE
    done = f"{last['documents']:,} of {values['files']:,} documents"
    lines = [
        f"{done} with {last['chunks']:,} chunks in {minutes:.1f} minutes.",
        f"Resident at the end: {memory}. On disk: {disk}.",
        values["finding"],
    ]
    if values["exponents"]:
        by_decade = ", ".join(f"{name}: {value}" for name, value in values["exponents"].items())
        lines.append(f"Time grows with chunks to the power of (1 is linear) {by_decade}.")
    if values["bytes_a_chunk"]:
        slopes = {name: size for name, size in values["bytes_a_chunk"].items() if size >= 1}
        grown = ", ".join(f"{name} {size / KIB:.2f} KiB" for name, size in slopes.items())
        lines.append(f"Each further chunk takes: {grown}.")
    return lines


def show(values: Mapping[str, Any], console: Console) -> None:
    """Print it."""
    table = Table(*heads())
    for segment in values["segments"]:
        table.add_row(*cells(segment))
    console.print(machine.headline(values["machine"]), highlight=False, soft_wrap=True)
    console.print(table)
    for line in told(values):
        console.print(line, highlight=False)


def charts(samples: Sequence[Sample], json_file: Path) -> list[Path]:
    """Draw the growth beside the file of results.

    Returns:
        The files; none where matplotlib is not installed.
    """
    from profiling._draw import chart  # noqa: PLC0415 - only when asked for

    drawn = []
    for name, title, panels in (
        ("rate", "Documents and chunks a second, with the model left out", _rates(samples)),
        ("growth", "How time and memory grow with the chunks that are there", _growth(samples)),
    ):
        file = json_file.with_name(f"{json_file.stem}-{name}.svg")
        if chart(file, panels, title=title):
            drawn.append(file)
    return drawn


def _rates(samples: Sequence[Sample]) -> list[Any]:
    from profiling._draw import Line, Panel  # noqa: PLC0415 - only when asked for

    picked = _spread([each for each in samples if each.chunks])
    pairs = list(itertools.pairwise(picked))
    minutes = [(a.at_s + b.at_s) / 2 / MINUTE for a, b in pairs]
    chunks = [(b.chunks - a.chunks) / (b.at_s - a.at_s) for a, b in pairs]
    documents = [(b.documents - a.documents) / (b.at_s - a.at_s) for a, b in pairs]
    rates = [Line("chunks", minutes, chunks), Line("documents", minutes, documents)]
    cores = [
        Line(role, minutes, [(b.cpu_s[role] - a.cpu_s[role]) / (b.at_s - a.at_s) for a, b in pairs])
        for role in ROLES
    ]
    return [Panel(rates, "minutes", "a second"), Panel(cores, "minutes", "cores busy")]


def _growth(samples: Sequence[Sample]) -> list[Any]:
    from profiling._draw import INK, Line, Panel  # noqa: PLC0415 - only when asked for

    kept = [each for each in rising(samples) if each.chunks >= FIRST]
    kept = kept or [each for each in samples if each.chunks] or [samples[-1]]
    chunks = [sample.chunks for sample in kept]
    seconds = [sample.at_s for sample in kept]
    pace = min((each.seconds / (each.last - each.first) for each in segments(samples)), default=0.0)
    linear = [seconds[0] + pace * (each - chunks[0]) for each in chunks]
    time = [Line("measured", chunks, seconds), Line("at the best pace", chunks, linear, ":", INK)]
    thousands = [each / 1000 for each in chunks]
    memory = [Line(role, thousands, [each.rss[role] / GIB for each in kept]) for role in ROLES]
    disk = [
        Line(f"disk: {name}", thousands, [each.disk[name] / GIB for each in kept], "--")
        for name in kept[0].disk
    ]
    return [
        Panel(time, "chunks", "seconds", log_x=True, log_y=True),
        Panel([*memory, *disk], "thousand chunks", "GiB"),
    ]


def _spread(samples: Sequence[Sample]) -> list[Sample]:
    """Of many samples, some that are about as far from one another in time."""
    if not samples:
        return []
    apart = max(APART_S, (samples[-1].at_s - samples[0].at_s) / POINTS)
    kept = [samples[0]]
    for sample in samples[1:]:
        if sample.at_s - kept[-1].at_s >= apart:
            kept.append(sample)
    return kept
