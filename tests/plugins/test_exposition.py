"""The counters of predictions are read from what the service really exposes."""

from ansible_collections.pettracker.aws.plugins.module_utils.evidence.exposition import counters

from inference.metrics import Metrics
from tests.roles.controllers import COUNTED


def test_predictions_and_their_errors_are_counted_and_other_paths_are_not() -> None:
    metrics = Metrics()
    for status in ("200", "200", "400", "503"):
        metrics.counter("requests").labels("/predict", "POST", status).inc()
        metrics.histogram("request_seconds").labels("/predict").observe(0.02)
    metrics.counter("requests").labels("/ready", "GET", "503").inc()
    metrics.histogram("request_seconds").labels("/ready").observe(9.0)
    found = counters(metrics.exposition().decode(), COUNTED)
    assert (found["requests"], found["errors"]) == (4, 1)
    assert (found["buckets"]["0.01"], found["buckets"]["0.025"], found["buckets"]["+Inf"]) == (0, 4, 4)
    assert found["started"] > 0


def test_a_process_that_was_asked_nothing_counts_nothing() -> None:
    assert counters("", COUNTED) == {"started": 0.0, "requests": 0, "errors": 0, "buckets": {}, "processor": 0.0}
