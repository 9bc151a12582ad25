"""The local cloud's constants: where it keeps things, which ports it takes, what its account looks like."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from localcloud.errors import LocalCloudError

REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b")
ACCOUNT_ID = "123456789012"

# Debian's own AWS account and naming pattern (Debian wiki, Cloud/AmazonEC2Image/Bookworm).
BASE_IMAGE_OWNER = "136693071363"
BASE_IMAGE_NAME = "debian-12-amd64-{date}-{serial}"
ROOT_DEVICE = "/dev/xvda"

LOCK_FILE = Path("/run/pettracker-localcloud.lock")
RUN_DIR = Path("/run/pettracker-localcloud")
# Space for the base image, one baked image and a handful of hosts' writable layers (bytes).
MINIMUM_FREE_BYTES = 6 * 1024**3


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the port that environment variable `name` asks for; raise LocalCloudError when it is not a port."""
    text = environ.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise LocalCloudError(f"{name}={text!r} is not a port: give a number from 1 to 65535 (default {default}).")
    return int(text)


def _count(environ: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    """Return the number, `least` or more, that environment variable `name` asks for; raise LocalCloudError when it is none."""
    text = environ.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise LocalCloudError(f"{name}={text!r} is not a number from {least} upwards (default {default}).")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """Return the seconds, 0 or more, that environment variable `name` asks for; raise LocalCloudError when it is no time."""
    text = environ.get(name, str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise LocalCloudError(f"{name}={text!r} is no time: give seconds, 0 or more (default {default:g}).")
    return seconds


def _telemetry_period(environ: Mapping[str, str], default: int) -> int:
    """Return LOCALCLOUD_TELEMETRY_PERIOD; raise LocalCloudError when a minute cannot be divided by it."""
    name = "LOCALCLOUD_TELEMETRY_PERIOD"
    period = _count(environ, name, default)
    if 60 % period:
        raise LocalCloudError(f"{name}={period} does not divide a minute: give 60 as on AWS, 30, {default}, 5 or the like.")
    return period


@dataclass(frozen=True)
class Settings:
    """Paths and ports of one clone's local cloud. `root` is the clone."""

    root: Path
    api_port: int = 4566
    https_port: int = 8443
    http_port: int = 8080
    metadata_port: int = 1338
    # Seconds that an instance refresh waits for instances that do not get ready, before it fails; AWS's number.
    refresh_patience: int = 3600
    # What a minute is on AWS: how often the balancer and the hosts are measured and the alarms looked at, in seconds.
    telemetry_period: int = 10
    # Seconds until the balancer's nodes have what the API says of targets, rules and weights; AWS needs about ten.
    routing_delay: float = 1.0
    # Seconds that a new instance boots before its host is there; on EC2 30 to 90.
    boot_delay: float = 0.0
    # Seconds until EC2 shows and knows what was just made, and IAM's new roles and profiles; AWS's number is unknown.
    consistency_delay: float = 1.0
    # Of so many calls of EC2, IAM and Auto Scaling one is throttled; 0: none.
    throttle: int = 0
    # Data points below the target before target tracking scales in; AWS's number.
    scale_in_datapoints: int = 15
    # Data points beyond its evaluation periods that an alarm with periods of up to a minute looks at; AWS's number is unknown.
    alarm_extra_periods: int = 5
    # Seconds on AWS until a metric that was put or measured can be read; here in proportion to `telemetry_period`.
    metric_delay: int = 0
    # vCPUs that may run at once, On-Demand and on the Spot market each; a new account of AWS has as few as 5.
    vcpu_quota: int = 256
    # Seconds without a byte in either direction after which Session Manager ends a session; AWS's number.
    session_idle: int = 1200
    region: str = REGION
    zones: tuple[str, ...] = ZONES
    account_id: str = ACCOUNT_ID
    lock_file: Path = LOCK_FILE
    run_dir: Path = RUN_DIR

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read LOCALCLOUD_{API,HTTPS,HTTP}_PORT, _REFRESH_PATIENCE, _TELEMETRY_PERIOD, _METRIC_DELAY, _ROUTING_DELAY,
        _BOOT_DELAY, _CONSISTENCY_DELAY, _SESSION_IDLE (seconds), and the numbers
        _SCALE_IN_DATAPOINTS, _ALARM_EXTRA_PERIODS, _THROTTLE and _VCPU_QUOTA.

        The clone is the directory that holds this package.
        """
        environ = os.environ if environ is None else environ
        settings = cls(
            root=Path(__file__).resolve().parent.parent,
            api_port=_port(environ, "LOCALCLOUD_API_PORT", cls.api_port),
            https_port=_port(environ, "LOCALCLOUD_HTTPS_PORT", cls.https_port),
            http_port=_port(environ, "LOCALCLOUD_HTTP_PORT", cls.http_port),
            refresh_patience=_count(environ, "LOCALCLOUD_REFRESH_PATIENCE", cls.refresh_patience),
            vcpu_quota=_count(environ, "LOCALCLOUD_VCPU_QUOTA", cls.vcpu_quota),
            telemetry_period=_telemetry_period(environ, cls.telemetry_period),
            routing_delay=_seconds(environ, "LOCALCLOUD_ROUTING_DELAY", cls.routing_delay),
            boot_delay=_seconds(environ, "LOCALCLOUD_BOOT_DELAY", cls.boot_delay),
            consistency_delay=_seconds(environ, "LOCALCLOUD_CONSISTENCY_DELAY", cls.consistency_delay),
            throttle=_count(environ, "LOCALCLOUD_THROTTLE", cls.throttle, least=0),
            scale_in_datapoints=_count(environ, "LOCALCLOUD_SCALE_IN_DATAPOINTS", cls.scale_in_datapoints),
            alarm_extra_periods=_count(environ, "LOCALCLOUD_ALARM_EXTRA_PERIODS", cls.alarm_extra_periods),
            metric_delay=_count(environ, "LOCALCLOUD_METRIC_DELAY", cls.metric_delay, least=0),
            session_idle=_count(environ, "LOCALCLOUD_SESSION_IDLE", cls.session_idle),
        )
        ports = {
            "LOCALCLOUD_API_PORT": settings.api_port,
            "LOCALCLOUD_HTTPS_PORT": settings.https_port,
            "LOCALCLOUD_HTTP_PORT": settings.http_port,
            "the metadata service": settings.metadata_port,
        }
        for name, port in ports.items():
            twins = [other for other, number in ports.items() if number == port and other != name]
            if twins:
                raise LocalCloudError(f"{name} and {twins[0]} are both port {port}: give each its own.")
        return settings

    @property
    def arrival(self) -> timedelta:
        """How long a metric is on its way here."""
        return timedelta(seconds=self.metric_delay * self.telemetry_period / 60)

    @property
    def state_dir(self) -> Path:
        """What belongs to the running cloud; removed by `down`."""
        return self.root / ".localcloud"

    @property
    def cache_dir(self) -> Path:
        """What is worth keeping between runs: the base image, container storage."""
        return self.root / ".cache" / "localcloud"

    @property
    def env_file(self) -> Path:
        """Shell file with the variables that point an AWS client at the cloud."""
        return self.state_dir / "env"

    @property
    def pid_file(self) -> Path:
        """Process id of the daemon."""
        return self.state_dir / "daemon.pid"

    @property
    def log_file(self) -> Path:
        """What the daemon says."""
        return self.state_dir / "daemon.log"

    @property
    def ready_file(self) -> Path:
        """Written by the daemon when everything answers."""
        return self.state_dir / "ready"

    @property
    def tls_dir(self) -> Path:
        """ca.pem, server.pem and server-key.pem of the balancer's certificate."""
        return self.state_dir / "tls"

    @property
    def haproxy_dir(self) -> Path:
        """HAProxy's configuration, certificates and sockets."""
        return self.state_dir / "haproxy"

    @property
    def packages_dir(self) -> Path:
        """Debian packages that hosts install in the rehearsal, each with a .sha256 file."""
        return self.state_dir / "packages"

    @property
    def containers_conf(self) -> Path:
        """podman's engine settings (CONTAINERS_CONF)."""
        return self.state_dir / "containers.conf"

    @property
    def storage_conf(self) -> Path:
        """podman's storage settings (CONTAINERS_STORAGE_CONF); the storage itself is in the cache."""
        return self.state_dir / "storage.conf"

    @property
    def commands_dir(self) -> Path:
        """Commands of the local cloud's own that AWS's clients look for on PATH."""
        return self.root / "localcloud" / "bin"

    @property
    def endpoint(self) -> str:
        """URL of the API. An address, not a name, so that S3 clients stay with path-style requests."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def service_url(self) -> str:
        """URL of the balancer's HTTPS listener."""
        return f"https://localhost:{self.https_port}"
