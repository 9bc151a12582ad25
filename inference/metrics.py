"""Prometheus metrics of the service."""

from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from inference.metric_table import METRICS, Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST

# Bounds of histograms, by the unit of what is measured.
_BUCKETS = {
    "seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    "confidence": (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    "inputs": (1, 2, 4, 8, 16, 32),
}

Instrument = Counter | Gauge | Histogram
_Kind = TypeVar("_Kind", Counter, Gauge, Histogram)


class Metrics:
    """What one server counts and times, each by its key in the table."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._instruments = {key: _instrument(one, self._registry) for key, one in METRICS.items() if one.prometheus}

    def counter(self, key: str) -> Counter:
        return self._find(key, Counter)

    def gauge(self, key: str) -> Gauge:
        return self._find(key, Gauge)

    def histogram(self, key: str) -> Histogram:
        return self._find(key, Histogram)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)

    def _find(self, key: str, kind: type[_Kind]) -> _Kind:
        found = self._instruments[key]
        if not isinstance(found, kind):
            raise TypeError(f"The metric {key} is no {kind.__name__.lower()}.")
        return found


def _instrument(metric: Metric, registry: CollectorRegistry) -> Instrument:
    if metric.kind == "histogram":
        buckets = _BUCKETS[metric.unit]
        return Histogram(metric.prometheus, metric.help, metric.labels, registry=registry, buckets=buckets)
    kind = Counter if metric.kind == "counter" else Gauge
    return kind(metric.prometheus, metric.help, metric.labels, registry=registry)
