"""The gauges as Prometheus reads them: its text format, or OpenMetrics where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from ingestd.histogram import Distribution

if TYPE_CHECKING:
    from ingestd.gauges import Reading

PREFIX = "ingestd_"


def encode(readings: Iterable[Reading], build: Mapping[str, str], accept: str) -> tuple[bytes, str]:
    """Write readings down.

    Args:
        readings: what cannot be told now is left out.
        build: labels of ``ingestd_build_info``.
        accept: header of the request.

    Returns:
        The text, and its media type.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(readings, build))
    encoder, media_type = choose_encoder(accept)
    return encoder(registry), media_type


class _Collector:
    """Hands readings over."""

    def __init__(self, readings: Iterable[Reading], build: Mapping[str, str]) -> None:
        self._readings = readings
        self._build = build

    def collect(self) -> Iterator[Metric]:
        """Each as a family of metrics."""
        info = GaugeMetricFamily(
            f"{PREFIX}build_info", "What this daemon is made of.", labels=list(self._build)
        )
        info.add_metric(list(self._build.values()), 1.0)
        yield info
        for reading in self._readings:
            if reading.value is not None:
                yield _family(reading)

    def describe(self) -> list[Metric]:
        """Nothing beforehand."""
        return []


def _family(reading: Reading) -> Metric:
    name, value = f"{PREFIX}{reading.name}", reading.value
    if isinstance(value, Distribution):
        found = HistogramMetricFamily(name, reading.help)
        found.add_metric([], buckets=value.cumulative(), sum_value=value.total)
        return found
    labels = [reading.label] if reading.label else None
    kind = CounterMetricFamily if reading.total else GaugeMetricFamily
    family = kind(name, reading.help, labels=labels)
    if isinstance(value, Mapping):
        for label, number in value.items():
            family.add_metric([str(label)], float(number))
    elif value is not None:
        family.add_metric([], float(value))
    return family
