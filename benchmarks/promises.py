"""What ours must hold in the comparison of ``benchmarks.bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import reconcile, systems
from benchmarks.series import backfill, ingest, rescan, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.series.rows import Row

COLD_RATIO, COLD_RATIO_OPENVINO = 0.40, 0.30
LEAST_COSINE = 0.999
MODEL_WAITS = 0.10
IDLE_CPU_RATIO, IDLE_CPU_S = 0.1, 0.5
VISIBLE_MEDIAN_S, VISIBLE_P99_S = 0.25, 1.0
OVERTAKING_S = 2.0
PROMISING = (systems.OURS, systems.WITH_OPENVINO.name)
"""Other configurations of ours promise nothing."""


def broken(rows: Sequence[Row]) -> list[str]:
    """What ours does not hold, at the largest size of each series."""
    lost = []
    for row in rows:
        largest = max(each.size for each in rows if each.series == row.series)
        check = CHECKS.get(row.series)
        if check and row.system in PROMISING and row.size == largest:
            here = [each for each in rows if (each.series, each.size) == (row.series, row.size)]
            lapses = check(row, {each.system: each.values for each in here})
            lost += [f"{row.series}: {row.system}: {text}" for text in lapses]
    return lost


def _cold(row: Row, beside: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    ours, extra = row.values, row.system == systems.WITH_OPENVINO.name
    most = COLD_RATIO_OPENVINO if extra else COLD_RATIO
    for name, other in beside.items():
        if name.startswith(("naive", "langchain")):
            for kind in ("wall_s", "cpu_s"):
                if ours[kind] > most * other[kind]:
                    yield f"{ours[kind] / other[kind]:.2f} of {name} in {kind}, not {most}"
    if ours.get("least_cosine", 1.0) < LEAST_COSINE:
        yield f"a cosine of {ours['least_cosine']} to the reference, not {LEAST_COSINE}"
    if ours.get("model_waits", 0.0) > MODEL_WAITS:
        yield f"the model waits {ours['model_waits']:.1%} of the time, not {MODEL_WAITS:.0%}"


def _no_change(row: Row, beside: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    ours = row.values
    allowed = max(IDLE_CPU_RATIO * beside.get("cocoindex", {}).get("cpu_s", 0.0), IDLE_CPU_S)
    if ours["cpu_s"] > allowed:
        yield f"{ours['cpu_s']} s of CPU time, not {allowed}"


def _save(row: Row, _: Mapping[str, Any]) -> Iterator[str]:
    ours = row.values
    if ours["median_s"] > VISIBLE_MEDIAN_S:
        yield f"{ours['median_s']} s in the median, not {VISIBLE_MEDIAN_S}"
    if ours["p99_s"] > VISIBLE_P99_S:
        yield f"{ours['p99_s']} s at 99 %, not {VISIBLE_P99_S}"


def _overtaking(row: Row, _: Mapping[str, Any]) -> Iterator[str]:
    ours = row.values
    if ours["most_s"] > OVERTAKING_S:
        yield f"{ours['most_s']} s at most, not {OVERTAKING_S}"


def _rescan(row: Row, _: Mapping[str, Any]) -> Iterator[str]:
    ours = row.values
    if not reconcile.holds(dict(ours)):
        yield f"{ours['cpu_s']} s of CPU time and {ours['above_idle_mib']} MiB"


CHECKS: dict[str, Callable[[Row, Mapping[str, Any]], Iterator[str]]] = {
    ingest.COLD: _cold,
    ingest.NO_CHANGE: _no_change,
    save.SERIES: _save,
    backfill.SERIES: _overtaking,
    backfill.WITH_MODEL: _overtaking,
    rescan.RESCAN: _rescan,
}
