"""Prometheus metrics of the service."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DIFFERENCES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """What one server counts and times; durations are in seconds."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._registry = registry
        self.requests = Counter(
            "pettracker_requests", "Requests answered.", ["path", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "pettracker_request_seconds",
            "From the request's headers to its answer.",
            ["path"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.rejections = Counter(
            "pettracker_rejections", "Predictions refused, by error code.", ["reason"], registry=registry
        )
        self.in_flight = Gauge(
            "pettracker_predictions_in_flight", "Predictions being decoded, queued or inferred.", registry=registry
        )
        self.decode_seconds = _histogram(registry, "decode", "Decoding and preprocessing of one input.")
        self.queue_seconds = _histogram(registry, "queue", "A request's wait for a worker.")
        self.inference_seconds = _histogram(registry, "inference", "Inference of one batch.")
        self.batch_size = Histogram(
            "pettracker_batch_size", "Inputs inferred together.", registry=registry, buckets=_BATCH_SIZES
        )
        self.worker_restarts = Counter(
            "pettracker_worker_restarts", "Worker threads that died or hung and were replaced.", registry=registry
        )
        self.connections = Gauge("pettracker_connections", "Connections that are open.", registry=registry)
        self.held_bytes = Gauge("pettracker_held_bytes", "Bytes of request bodies that are held.", registry=registry)
        self.lines_left_out = Counter(
            "pettracker_log_lines_left_out", "Lines that the log would have too many of.", registry=registry
        )
        self.ready = Gauge("pettracker_ready", "1 while /ready answers 200.", registry=registry)
        self.model = Gauge(
            "pettracker_model_info", "The model served.", ["name", "version", "digest", "program"], registry=registry
        )
        self._add_shadow(registry)

    def _add_shadow(self, registry: CollectorRegistry) -> None:
        self.shadow_share = Gauge(
            "pettracker_shadow_share", "Share of answered predictions that is copied to a candidate.", registry=registry
        )
        self.shadow_copies = Counter(
            "pettracker_shadow_copies", "Copies that were sent to the candidate.", registry=registry
        )
        self.shadow_dropped = Counter(
            "pettracker_shadow_dropped", "Copies that were not sent, by reason.", ["reason"], registry=registry
        )
        self.shadow_failed = Counter(
            "pettracker_shadow_failed", "Copies without a usable answer, by reason.", ["reason"], registry=registry
        )
        self.shadow_compared = Counter(
            "pettracker_shadow_compared",
            "Answers compared: the likeliest class is the same.",
            ["agrees"],
            registry=registry,
        )
        self.shadow_seconds = Histogram(
            "pettracker_shadow_seconds",
            "Answers that were compared, by what each side says that it took.",
            ["side"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.shadow_confidence_difference = Histogram(
            "pettracker_shadow_confidence_difference",
            "Size of the difference in the confidence in the answered class.",
            registry=registry,
            buckets=_DIFFERENCES,
        )

    def exposition(self) -> bytes:
        return generate_latest(self._registry)


def _histogram(registry: CollectorRegistry, phase: str, text: str) -> Histogram:
    return Histogram(f"pettracker_{phase}_seconds", text, registry=registry, buckets=_SECONDS)
