"""The gauges as Prometheus reads them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ingestd.gauges import Gauges
from ingestd.histogram import CALLS_S, WAITS_S, Histogram
from ingestd.kept import FRESH_S, SHARE, Kept
from ingestd.serve.exposition import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

BUILD = {"version": "1", "model": 'a "model"\nof two lines'}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def gauges() -> Gauges:
    """One of each kind, and one that cannot be read."""
    found = Gauges()
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.5, 7.0):
        histogram.observe(value)

    def fail() -> float:
        raise OSError("away")

    found.add("queue_bytes", lambda: 3, unit="bytes", help="A number.")
    found.add("done_total", lambda: {"a": 1, 'b"\n': 2}, label="what", total=True, help="Counts.")
    found.add("took_seconds", histogram.read, unit="seconds", help="Times.")
    found.add("gone", fail, help="Not to be read.")
    return found


@pytest.mark.parametrize(
    ("accept", "parse"), [("", parse_text), (OPENMETRICS, parse_openmetrics)], ids=["text", "open"]
)
def test_every_gauge_is_there(
    gauges: Gauges, accept: str, parse: Callable[[str], Iterable[Any]]
) -> None:
    """Numbers, labels and histograms come through both formats; what cannot be read is absent."""
    body, media_type = encode(gauges.read(), BUILD, accept)
    assert media_type.startswith("application/openmetrics-text" if accept else "text/plain")
    families = {family.name: family for family in parse(body.decode())}
    assert families.keys() == {
        "ingestd_build_info",
        "ingestd_queue_bytes",
        "ingestd_done",
        "ingestd_took_seconds",
    }
    assert families["ingestd_build_info"].samples[0].labels == BUILD
    assert families["ingestd_done"].type == "counter"
    assert {s.labels["what"]: s.value for s in families["ingestd_done"].samples} == {
        "a": 1.0,
        'b"\n': 2.0,
    }
    times = {
        (s.name, s.labels.get("le")): s.value for s in families["ingestd_took_seconds"].samples
    }
    assert times["ingestd_took_seconds_bucket", "0.1"] == 1.0
    assert times["ingestd_took_seconds_count", None] == times["ingestd_took_seconds_bucket", "+Inf"]
    assert times["ingestd_took_seconds_sum", None] == pytest.approx(7.6)


def test_a_histogram_counts_up_to_each_bound() -> None:
    """A value on a bound belongs to it; all threads are counted."""
    histogram = Histogram((1.0, 2.0))
    threads = [
        threading.Thread(target=lambda: [histogram.observe(v) for v in (1.0, 1.5, 2.0, 3.0)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = histogram.read()
    assert found.cumulative() == [("1", 8.0), ("2", 24.0), ("+Inf", 32.0)]
    assert found.as_json() == {
        "count": 32,
        "sum": 60.0,
        "buckets": {"1": 8, "2": 24, "+Inf": 32},
    }


def test_bounds_grow() -> None:
    """A bound that is less than the one before would count nothing."""
    assert list(CALLS_S) == sorted(set(CALLS_S))
    assert list(WAITS_S) == sorted(set(WAITS_S))


def test_what_costs_is_measured_seldom() -> None:
    """A measurement serves for a moment, and for long where it takes long."""
    now, cost, measured = 0.0, 0.0, 0

    def measure() -> int:
        nonlocal now, measured
        now += cost
        measured += 1
        return measured

    kept = Kept(measure, lambda: now)
    assert [kept(), kept()] == [1, 1]
    now += FRESH_S
    cost = 3.0
    assert kept() == 2
    now += SHARE * cost - 0.01
    assert kept() == 2
    now += 0.01
    assert kept() == 3
