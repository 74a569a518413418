"""The table and the charts of ``benchmarks.bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks import systems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.series.rows import Row

SECONDS = ("wall_s", "median_s")
"""What a row is about: the wall time of a run, or the median of many waits."""
TOLD = {
    "p95_s": "95 % {:.3f} s",
    "p99_s": "99 % {:.3f} s",
    "chunks": "{} chunks",
    "chunks_per_s": "{:.1f} chunks/s",
    "peak_share": "{:.0%} of the peak",
    "model_waits": "the model waits {:.1%}",
    "least_cosine": "cosine {:.5f}",
    "hit_at_5": "hit@5 {:.2f}",
    "above_idle_mib": "{:.1f} MiB above idle",
    "waiting_at_first": "{:,} waited at the first save",
    "waiting_at_last": "{:,} at the last",
    "idle_s": "{:.3f} s when idle",
    "idle_median_s": "{:.3f} s when idle",
    "documents_per_s": "{:.0f} documents/s",
}
DECADE = 10


def table(rows: Sequence[Row]) -> Table:
    """One table of everything: a line a series, size and system."""
    shown = Table("what", "documents", "system", "seconds", "of ours", "CPU s", "of ours", "MiB")
    shown.add_column("and")
    previous = ("", 0)
    for row in rows:
        ours = _ours(rows, row)
        here = (row.series, row.size)
        if here != previous and previous[0]:
            shown.add_section()
        shown.add_row(
            row.series if here != previous else "",
            f"{row.size:,}" if here != previous else "",
            row.system,
            _number(_seconds(row.values)),
            _ratio(_seconds(row.values), _seconds(ours)),
            _number(row.values.get("cpu_s")),
            _ratio(row.values.get("cpu_s"), ours.get("cpu_s")),
            _number(row.values.get("peak_mib"), 0),
            ", ".join(form.format(row.values[name]) for name, form in _told(row.values)),
        )
        previous = here
    return shown


def _told(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((name, form) for name, form in TOLD.items() if name in values)


def _ours(rows: Sequence[Row], row: Row) -> Mapping[str, Any]:
    """The values of ours at the same series and size."""
    return next(
        (
            each.values
            for each in rows
            if (each.series, each.size, each.system) == (row.series, row.size, systems.OURS)
        ),
        {},
    )


def _seconds(values: Mapping[str, Any]) -> float | None:
    return next((float(values[name]) for name in SECONDS if name in values), None)


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _ratio(value: float | None, ours: float | None) -> str:
    return f"{value / ours:.2f}" if value is not None and ours else "-"


def charts(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw each series that has more than one size: how its cost grows.

    Returns:
        The files; none where matplotlib is not installed.
    """
    from profiling._draw import chart  # noqa: PLC0415 - only when asked for

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for series in dict.fromkeys(row.series for row in rows):
        own = [row for row in rows if row.series == series]
        if len({row.size for row in own}) > 1:
            file = folder / chart_of(series)
            if chart(file, _panels(own), title=f"{series}, over the number of documents"):
                drawn.append(file)
    return drawn


def chart_of(series: str) -> str:
    """The name of the file in which a series is drawn."""
    return f"{series.replace(' ', '-')}.svg"


def _panels(rows: Sequence[Row]) -> list[Any]:
    from profiling._draw import Line, Panel  # noqa: PLC0415 - only when asked for

    sizes = [row.size for row in rows]
    far = max(sizes) > DECADE * min(sizes)
    labels = {"wall_s": "wall time, s", "cpu_s": "CPU time, s"}
    labels |= {"median_s": "median, s", "p95_s": "95 %, s"}
    panels = []
    for name, label in labels.items():
        lines = []
        for system in dict.fromkeys(row.system for row in rows):
            points = sorted(
                (row.size, row.values[name])
                for row in rows
                if row.system == system and name in row.values
            )
            if points:
                xs, ys = zip(*points, strict=True)
                lines.append(Line(system, xs, ys, "o-"))
        if lines:
            panels.append(Panel(lines, "documents", label, log_x=far, log_y=far))
    return panels
