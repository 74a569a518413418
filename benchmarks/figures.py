"""Tables of results for a page in Markdown, from the JSON that a benchmark wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import comparison, machine, scale_report, scans, start
from benchmarks.comparison import SECONDS
from benchmarks.formats import report as formats_report
from benchmarks.promises import PROMISING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

BENCH, SCALE, GENERATE, START = "bench", "scale", "generate", "start"
NO_CHANGE, OVERTAKING = "no-change", "overtaking"
"""Parts of the comparison that can be run again by themselves."""
ENGINES = "engines"
FORMATS, EDITS_AS, SCANS = "formats", "edits_as", "scans"
TIMES = {"wall_s": "wall, s", "cpu_s": "CPU, s", "peak_mib": "MiB"}
WAITS = {"median_s": "median, s", "p95_s": "95 %, s", "p99_s": "99 %, s", "most_s": "longest, s"}
MORE = {
    "chunks": ("chunks", "{:,}"),
    "chunks_per_s": ("chunks/s", "{:.1f}"),
    "peak_share": ("of the matrix peak", "{:.0%}"),
    "model_waits": ("the model waits", "{:.1%}"),
    "hit_at_5": ("hit@5", "{:.2f}"),
    "least_cosine": ("least cosine to fp32", "{:.5f}"),
    "count": ("measured", "{:,}"),
    "idle_s": ("when idle, s", "{:.3f}"),
    "idle_median_s": ("when idle, s", "{:.4f}"),
    "waiting_at_first": ("waited at the first", "{:,}"),
    "waiting_at_last": ("at the last", "{:,}"),
    "documents_per_s": ("documents/s", "{:,.0f}"),
    "above_idle_mib": ("MiB above idle", "{:.1f}"),
}


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    marks = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *lines))


def series(values: Mapping[str, Any], *names: str) -> str:
    """Rows of some series of ``benchmarks.bench``: a line a series, size and system.

    Each column that no row has is left out; so are ratios where ours is alone.

    Raises:
        LookupError: none of the series was measured.
    """
    rows = [row for name in names for row in values["rows"] if row["series"] == name]
    if not rows:
        raise LookupError(f"{', '.join(names)}: not in this result")
    seconds = TIMES if SECONDS[0] in rows[0]["values"] else WAITS
    compared = any(row["system"] not in PROMISING for row in rows)
    columns = _columns(rows, seconds, compared=compared)
    heads = ["", "documents", "system", *columns]
    lines = [
        [
            row["series"],
            f"{row['size']:,}",
            row["system"],
            *(cell(row) for cell in columns.values()),
        ]
        for row in rows
    ]
    drawn = [comparison.chart_of(name) for name in names]
    return "\n\n".join([markdown(heads, lines), *_images(values, drawn)])


def _images(values: Mapping[str, Any], files: Iterable[str]) -> list[str]:
    """Those of some charts that the result has, as the page shows them."""
    there = [file for file in files if file in values.get("charts", ())]
    return [
        f"![{file.removesuffix('.svg').replace('-', ' ')}](benchmarks/{file})" for file in there
    ]


def _columns(
    rows: Sequence[Mapping[str, Any]], seconds: Mapping[str, str], *, compared: bool
) -> dict[str, Callable[[Mapping[str, Any]], str]]:
    """Heads of columns, and what each shows of a row."""
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {}
    for name, head in seconds.items():
        columns[head] = _shown(name, "{:,.0f}" if name == "peak_mib" else "{:,.3f}")
        if compared and name in ("wall_s", "cpu_s", "median_s"):
            columns[f"{head.partition(',')[0]}, ours to it"] = _ratio(rows, name)
    for name, (head, form) in MORE.items():
        columns[head] = _shown(name, form)
    return {
        head: cell
        for head, cell in columns.items()
        if any(cell(row) not in {"", "-"} for row in rows)
    }


def _shown(name: str, form: str) -> Callable[[Mapping[str, Any]], str]:
    def cell(row: Mapping[str, Any]) -> str:
        return form.format(row["values"][name]) if name in row["values"] else "-"

    return cell


def _ratio(rows: Sequence[Mapping[str, Any]], name: str) -> Callable[[Mapping[str, Any]], str]:
    """Each of ours that promises something, in the order of `PROMISING`, divided by a row."""

    def cell(row: Mapping[str, Any]) -> str:
        if row["system"] in PROMISING or not row["values"].get(name):
            return "-"
        same = {
            each["system"]: each["values"]
            for each in rows
            if (each["series"], each["size"]) == (row["series"], row["size"])
        }
        found = [
            f"{same[ours][name] / row['values'][name]:.2f}"
            for ours in PROMISING
            if name in same.get(ours, {})
        ]
        return "; ".join(found) or "-"

    return cell


def scale(values: Mapping[str, Any]) -> str:
    """What ``benchmarks.scale`` found."""
    table = markdown(scale_report.heads(), map(scale_report.cells, values["segments"]))
    lines = "\n".join(f"- {line}" for line in scale_report.told(values))
    return "\n\n".join([table, lines, *_images(values, values.get("charts", ()))])


def headline(values: Mapping[str, Any]) -> str:
    """The machine, and the versions, of a result."""
    about = values["machine"]
    found = {**about["packages"]}
    for rival in about.get("rivals", {}).values():
        found |= {name: number for name, number in rival.items() if name not in found}
    told = ", ".join(f"{name} {number}" for name, number in found.items())
    quick = "; a quick run" if values.get("quick") else ""
    return f"{machine.headline(about)}; {told}{quick}"


def _series(*names: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda values: series(values, *names)


def starts(values: Mapping[str, Any]) -> str:
    """The seconds of ``benchmarks.start``."""
    lines = [[label, *(f"{value:.2f}" for value in shown)] for label, *shown in start.lines(values)]
    return markdown(start.HEADS, lines)


def engines(values: Mapping[str, Any]) -> str:
    """What ``benchmarks.engines`` measured."""
    heads = [
        "way",
        "chunks/CPU s",
        "times",
        "% of the fp32 peak",
        "chunks/s",
        "least cosine",
        "MiB",
    ]
    ways = values["ways"]
    first = next(iter(ways.values()))["chunks_per_cpu_s"]
    share = 100 * values["operations"] / values["peak_flops"]["fp32"]
    lines = [
        [
            name,
            f"{way['chunks_per_cpu_s']:.1f}",
            f"{way['chunks_per_cpu_s'] / first:.2f}",
            f"{share / way['cpu_s']:.0f}",
            f"{way['chunks_per_s']:.1f}",
            f"{way['least_cosine']:.5f}",
            f"{way['rss_mib']:.0f}",
        ]
        for name, way in ways.items()
    ]
    return markdown(heads, lines)


def formats(values: Mapping[str, Any]) -> str:
    """What ``benchmarks.formats`` measured."""
    return markdown(formats_report.HEADS, formats_report.lines(values["formats"]))


def edits_as(values: Mapping[str, Any]) -> str:
    """The shares of ``benchmarks.edits_as``."""
    shown = ("all", "ordinary")
    lines = [
        [
            name,
            *("{percent:.1f} % ({new:,} of {total:,})".format(**groups[group]) for group in shown),
        ]
        for name, groups in values["shares"].items()
    ]
    return markdown(["new chunks of edited files", *(f"{group} edits" for group in shown)], lines)


def scanned(values: Mapping[str, Any]) -> str:
    """What ``benchmarks.scans`` measured."""
    return markdown(scans.HEADS, scans.lines(values["scans"]))


BLOCKS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "cold": (BENCH, _series("cold ingest")),
    "no-change": (NO_CHANGE, _series("no change")),
    "days": (BENCH, _series("touch", "one edit")),
    "save": (BENCH, _series("save to visible")),
    "overtaking": (
        OVERTAKING,
        _series("save while others wait", "save while others wait for the model"),
    ),
    "rescan": (BENCH, _series("rescan in the daemon")),
    "whole-rescan": (BENCH, _series("rescan as a whole run")),
    "queries": (BENCH, _series("query during ingest")),
    "scale": (SCALE, scale),
    "generate": (GENERATE, lambda values: f"{values['told']}."),
    "start": (START, starts),
    "engines": (ENGINES, engines),
    "formats": (FORMATS, formats),
    "edits-as": (EDITS_AS, edits_as),
    "scans": (SCANS, scanned),
}
"""By name of the block: the result that it is made of, and how."""
