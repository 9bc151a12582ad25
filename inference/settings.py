"""Limits and times of the service. The command line fills them in; each has an environment variable PETTRACKER_*."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How the service behaves.

    Attributes:
        address: address to listen on.
        port: TCP port to listen on; 0 lets the system choose.
        start_seconds: time from listening to readiness after which the process ends, to be started anew.
        queue_size: requests that may be decoded, wait or be inferred at the same time; one more is refused with 503.
        deadline_seconds: time from a complete request to its answer, after which it is 504.
        body_seconds: time that a client has for sending its body, after which it is 408.
        max_body_bytes: size of a request body above which it is 413.
        max_held_bytes: bytes of request bodies held at the same time; where more come, the upload that holds most for its
            pace is refused with 503.
        max_pixels: width times height of an image above which it is 413.
        max_side: width or height of an image, in pixels, above which it is 413.
        batch_size: inputs inferred together at most; 0 leaves it to the backend.
        batch_wait_seconds: time that a request waits for others to join its batch while a worker is idle.
        drain_seconds: time on SIGTERM during which /ready says 503 but requests are still served. It has to be as long as
            a load balancer goes on sending requests: the interval of its health checks times the unhealthy threshold, the
            timeout of one, and the seconds until all of its nodes know. The playbooks derive it from these.
        statsd_address: host:port of the StatsD listener (the CloudWatch agent) that gets latencies and errors; "": none.
    """

    address: str = "127.0.0.1"
    port: int = 8080
    start_seconds: float = 120.0
    queue_size: int = 64
    deadline_seconds: float = 10.0
    body_seconds: float = 30.0
    max_body_bytes: int = 10 * 1024 * 1024
    max_held_bytes: int = 128 * 1024 * 1024
    max_pixels: int = 52_000_000
    max_side: int = 20_000
    batch_size: int = 0
    batch_wait_seconds: float = 0.0
    drain_seconds: float = 15.0
    statsd_address: str = ""
