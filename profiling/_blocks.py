"""The tables of docs/memory.md, each from the result of one harness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Values = Mapping[str, Any]

WAYS = {
    "outage": "the outage: all of it",
    "clients": "only a client for each job",
    "references": "only the references that are kept",
    "torch": "neither: torch in the process alone",
    "ingestd": "ingestd's embed job",
}
PARSERS = {
    "never": "never replaced",
    "default": "replaced as configured by default",
    "documents": "replaced after 500 documents",
    "bytes": "replaced past 48 MiB",
}
PROCESSES = {"daemon": "daemon", "chroma": "Chroma server", "parser": "reading child"}
MODELS = {"hash": "`hash`", "": "packaged"}


def interval(slope: Values, digits: int = 2) -> str:
    """A slope and its interval."""
    numbers = (f"{slope[key]:.{digits}f}" for key in ("value", "low", "high"))
    return "{} ({} to {})".format(*numbers)


def ends(pair: list[int]) -> str:
    """A number at the beginning and at the end."""
    return " → ".join(str(count) for count in pair)


def outage(values: Values) -> str:
    """The outage beside our way."""
    rows = [
        [
            WAYS[way],
            row["jobs"],
            f"{row['rss_mib_first']:.0f} → {row['rss_mib_last']:.0f}",
            interval(row["slope_mib_per_job"]),
            ends(row["threads"]),
            ends(row["descriptors"]),
        ]
        for way, row in values["ways"].items()
    ]
    headings = ["", "jobs", "RSS, MiB", "MiB a job (95 %)", "threads", "descriptors"]
    return measure.table(headings, rows)


def edits(values: Values) -> str:
    """The slope of the embed job."""
    row = values["edits"]
    headings = ["edits", "model", "RSS, MiB", "MiB per 1,000 edits (95 %)"]
    rss = f"{row['rss_mib_first']:.0f} → {row['rss_mib_last']:.0f}"
    slope = interval(row["slope_mib_per_1000_edits"])
    return measure.table(headings, [[f"{row['edits']:,}", f"`{row['model']}`", rss, slope]])


def batches(values: Values) -> str:
    """What a batch allocates."""
    rows = []
    for row in values["batches"]:
        median = row["median"]
        rows.append(
            [
                f"{row['model']} model",
                f"{median['chunks_embedded']:.0f}",
                f"{median['allocations']:,.0f}",
                measure.mib(median["peak_bytes"]),
                *(
                    f"{row['stays_bytes'][at] / measure.KIB:,.0f}"
                    for at in (0, len(row["stays_bytes"]) // 2, -1)
                ),
            ]
        )
    headings = ["", "chunks", "allocations", "peak, MiB", "stays: first, KiB", "middle", "last"]
    return measure.table(headings, rows)


def sizes(key: str, name: str) -> Callable[[Values], str]:
    """Peaks above idle by a size."""

    def render(values: Values) -> str:
        rows = [
            [
                f"{row[key]:,}",
                MODELS[row["model"]],
                f"{row['chunks']['upserted']:,}",
                *(above(row.get(role)) for role in PROCESSES),
                measure.mib(row["daemon"]["after_bytes"] - row["daemon"]["idle_bytes"]),
            ]
            for row in values["sizes"][key]
        ]
        headings = [name, "model", "chunks", *PROCESSES.values(), "daemon, afterwards"]
        return measure.table(headings, rows)

    return render


def above(row: Values | None) -> str:
    """Peak above idle, in MiB."""
    return "-" if row is None else f"+{measure.mib(row['peak_bytes'] - row['idle_bytes'])}"


def idle(values: Values) -> str:
    """A day of idleness."""
    days = values["days"]
    rows = [
        [
            PROCESSES[role],
            f"{row['rss_mib_first']:.1f} → {row['rss_mib_last']:.1f}",
            interval(row["slope_mib_per_day"]),
            ends(row["threads"]),
            ends(row["descriptors"]),
            f"{values['cpu_seconds_per_day'].get(role, 0):.0f}",
        ]
        for role, row in values["processes"].items()
    ]
    headings = ["", "RSS, MiB", "MiB a day (95 %)", "threads", "descriptors", "CPU s a day"]
    done = ", ".join(f"{row['done']:,} {name}" for name, row in values["ticks"].items())
    return f"{measure.table(headings, rows)}\n\n{days:g} {'day' if days == 1 else 'days'}: {done}."


def parsers(values: Values) -> str:
    """What recycling holds back."""
    rows = [
        [
            PARSERS[way],
            row["recycled"],
            f"{row['rss_mib_first']:.0f} → {row['rss_mib_last']:.0f}",
            f"{row['rss_mib_mean']:.0f}",
            f"{row['peak_mib']:.0f}",
            interval(row["slope_mib_per_1000_documents"]),
        ]
        for way, row in values["ways"].items()
    ]
    headings = ["the child is", "times", "RSS, MiB", "mean", "peak", "MiB per 1,000 (95 %)"]
    return measure.table(headings, rows)


def soak(values: Values) -> str:
    """Edits through the running daemon."""
    samples, rows = values["samples"], []
    for role, name in PROCESSES.items():
        rss = samples[f"{role}_rss"]
        if max(rss):
            rows.append(
                [
                    name,
                    f"{measure.mib(rss[0])} → {measure.mib(rss[-1])}",
                    measure.mib(max(rss)),
                    interval(values["mib_per_10000_edits"][f"{role}_rss"]),
                    *(
                        ends([int(samples[f"{role}_{what}"][at]) for at in (0, -1)])
                        for what in ("threads", "descriptors")
                    ),
                ]
            )
    headings = ["", "RSS, MiB", "most", "MiB per 10,000 edits (95 %)", "threads", "descriptors"]
    before, after = values["chroma_before"], values["chroma_after"]
    grown = values["chroma_growth_for_each_vector"]
    return (
        f"{measure.table(headings, rows)}\n\n"
        f"{values['edits']:,} edits of {values['documents']:,} documents, "
        f"{values['edits_per_second']} a second, model: {values['model']}. Chroma had "
        f"{before['live_vectors']:,} live vectors before and {after['live_vectors']:,} after; for "
        f"each of them its memory is {grown['rss']} times and its disk {grown['disk']} times what "
        f"it was."
    )


def churn(values: Values) -> str:
    """Rounds of replacing a fifth, ours beside plain delete and add."""
    rows = values["rows"]
    phases = {row["phase"]: row for row in rows}
    names = {
        "disk": ("disk, MiB", measure.mib),
        "rss": ("server's RSS, MiB", measure.mib),
        "query_ms": ("query, ms", str),
        "write_s": ("a round, s", str),
    }
    headings = ["", "rounds"]
    headings += [f"{who} {title}" for title, _ in names.values() for who in ("ours:", "plain:")]
    lines = [
        [
            phase,
            row["round"],
            *(
                form(row[f"{who}_{name}"]) if f"{who}_{name}" in row else "-"
                for name, (_, form) in names.items()
                for who in ("ours", "plain")
            ),
        ]
        for phase, row in phases.items()
    ]
    recall = "; ".join(
        f"{phase}: {', '.join(f'{who} {share:.3f}' for who, share in found.items())}"
        for phase, found in values["recall_at_10"].items()
    )
    return f"{measure.table(headings, lines)}\n\nRecall@10 against brute force: {recall}."


def peak(values: Values) -> str:
    """What large things cost."""
    rows = [
        [
            row["title"],
            f"{row['size']:,}",
            f"{row['live_vectors']:,}",
            measure.mib(row["idle"]["daemon"]),
            measure.mib(row["peak"]["daemon"]),
            measure.mib(row["peak"]["parser"]),
            f"+{measure.mib(row['above_idle'])}",
            measure.mib(row["peak"]["chroma"]),
        ]
        for row in values["cases"]
    ]
    headings = ["", "size", "vectors", "daemon idle", "peak", "reading child", "both", "Chroma"]
    return measure.table(headings, rows)


def trace_cost(values: Values) -> str:
    """What a trace costs."""
    rows = [
        [
            f"{model}: {way.replace('_', ' ')}",
            f"{row['documents_a_second']:.1f}",
            f"{row['time_ratio']:.2f}",
            f"{row['cpu_ratio']:.2f}",
            f"{row['trace_bytes_a_second'] / measure.MIB:.1f}",
        ]
        for model, found in values["models"].items()
        for way, row in found["ways"].items()
    ]
    headings = ["", "documents/s", "time, times", "processor, times", "trace, MiB/s"]
    return measure.table(headings, rows)


BLOCKS: dict[str, tuple[str, Callable[[Values], str]]] = {
    "outage": ("outage", outage),
    "edits": ("embed_job", edits),
    "batches": ("embed_job", batches),
    "file-sizes": ("embed_job", sizes("file", "file, bytes")),
    "batch-sizes": ("embed_job", sizes("batch", "`limits.batch_bytes`")),
    "idle": ("idle", idle),
    "parsers": ("parsers", parsers),
    "soak": ("soak", soak),
    "churn": ("churn", churn),
    "peak": ("peak", peak),
    "trace-cost": ("trace_cost", trace_cost),
}
"""By name of the block: the result that it comes from, and what makes a table of it."""
