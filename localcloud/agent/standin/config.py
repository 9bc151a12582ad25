"""The part of the agent's configuration that the stand-in understands; anything else is refused by name.

Follows "Manually create or edit the CloudWatch agent configuration file" in the CloudWatch user guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# CloudWatch Logs accepts these periods only (PutRetentionPolicy); -1 keeps events for ever.
RETENTIONS = {-1, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
DIMENSIONS = {
    "AutoScalingGroupName": "${aws:AutoScalingGroupName}",
    "ImageId": "${aws:ImageId}",
    "InstanceId": "${aws:InstanceId}",
    "InstanceType": "${aws:InstanceType}",
}
DEFAULT_INTERVAL = 60
DEFAULT_FLUSH = 60  # seconds, of metrics; translator/translate/metrics/ruleForceFlushInterval.go
MAXIMUM_SECONDS = 172_800  # translator/config/schema.json, timeIntervalDefinition
DEFAULT_NAMESPACE = "CWAgent"


class ConfigurationError(Exception):
    """The configuration is not valid, or says what the stand-in does not understand. The message names the key."""


@dataclass(frozen=True)
class LogFile:
    """Files that match a pattern, and where their lines go. `retention_days` None: the group's policy is left alone."""

    pattern: str
    group: str
    stream: str
    retention_days: int | None


@dataclass(frozen=True)
class Figure:
    """What is measured: `mem` or `disk`, how often (seconds), and of which mount points."""

    kind: str
    interval: int
    resources: tuple[str, ...] = ()
    drop_device: bool = False


@dataclass(frozen=True)
class Statsd:
    """Where StatsD figures come in (host:port), and how often (seconds) what has come in is published."""

    address: str
    interval: int


@dataclass(frozen=True)
class Configuration:
    """A whole configuration.

    `dimensions` are those to append, `aggregations` further sets to publish under. `push_seconds` is how long metrics are
    gathered before they are sent, `flush_seconds` how long log lines are.
    """

    run_as_user: str
    region: str | None
    namespace: str
    dimensions: tuple[str, ...]
    aggregations: tuple[tuple[str, ...], ...]
    figures: tuple[Figure, ...]
    statsd: Statsd | None
    push_seconds: int
    log_files: tuple[LogFile, ...]
    flush_seconds: int


class Metrics(NamedTuple):
    """The section `metrics`."""

    namespace: str = DEFAULT_NAMESPACE
    dimensions: tuple[str, ...] = ()
    aggregations: tuple[tuple[str, ...], ...] = ()
    figures: tuple[Figure, ...] = ()
    statsd: Statsd | None = None
    push_seconds: int = DEFAULT_FLUSH


class _Section:
    """One object of the configuration; whatever has not been taken when it is closed is refused."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ConfigurationError(f"{path or 'the configuration'} must be an object")
        self._left = dict(value)
        self._path = path

    def name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def take(self, key: str, accept: Callable[[Any], bool], wanted: str, default: Any = None) -> Any:
        """Return a key's value, which `accept` must find to be what is `wanted`, or the default where it is missing."""
        if key not in self._left:
            return default
        value = self._left.pop(key)
        if not accept(value):
            raise ConfigurationError(f"{self.name(key)} is {json.dumps(value)}, but must be {wanted}")
        return value

    def section(self, key: str) -> _Section | None:
        return _Section(self._left.pop(key), self.name(key)) if key in self._left else None

    def close(self) -> None:
        if self._left:
            keys = ", ".join(self.name(key) for key in sorted(self._left))
            raise ConfigurationError(f"the stand-in for the CloudWatch agent does not understand {keys}")


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_text, value))


def _seconds(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAXIMUM_SECONDS


def _stream(value: Any) -> bool:
    return _text(value) and not set(value.replace("{instance_id}", "")) & set("{}:*")


def _dimension_sets(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(names, list) for names in value):
        return False
    once = all(names.count(name) == 1 for names in (value, *value) for name in names)
    return once and all(set(names) <= set(DIMENSIONS) for names in value)


def parse(text: str) -> Configuration:
    """Return the configuration that JSON text says; raise ConfigurationError naming what is wrong."""
    try:
        root = _Section(json.loads(text), "")
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"not JSON: {error}") from None
    interval, user, region = _agent(root.section("agent"))
    metrics = _metrics(root.section("metrics"), interval)
    flush, files = _logs(root.section("logs"))
    root.close()
    if not metrics.figures and not files and not metrics.statsd:
        raise ConfigurationError("nothing to collect: neither metrics.metrics_collected nor logs.logs_collected is there")
    return Configuration(user, region, *metrics, files, flush)


def _agent(section: _Section | None) -> tuple[int, str, str | None]:
    if section is None:
        return DEFAULT_INTERVAL, "root", None
    interval = section.take("metrics_collection_interval", _seconds, "a number of seconds", DEFAULT_INTERVAL)
    user = section.take("run_as_user", _text, "a user's name", "root")
    region = section.take("region", _text, "a region's name")
    section.close()
    return interval, user, region


def _metrics(section: _Section | None, interval: int) -> Metrics:
    if section is None:
        return Metrics()
    namespace = section.take("namespace", _text, "a namespace", DEFAULT_NAMESPACE)
    appended = section.take("append_dimensions", _appended, f"some of {json.dumps(DIMENSIONS)}", {})
    wanted = f"lists, each given once, of names among {', '.join(DIMENSIONS)}"
    sets = section.take("aggregation_dimensions", _dimension_sets, wanted, [])
    push = section.take("force_flush_interval", _seconds, "a number of seconds", DEFAULT_FLUSH)
    collected = section.section("metrics_collected")
    if collected is None:
        raise ConfigurationError(f"{section.name('metrics_collected')} is missing; the agent takes no metrics without it")
    figures: list[Figure] = []
    mem, disk = collected.section("mem"), collected.section("disk")
    statsd = _statsd(collected.section("statsd"))
    collected.close()
    if mem is not None:
        figures.append(Figure("mem", _measure(mem, {"mem_used_percent", "used_percent"}, interval)))
        mem.close()
    if disk is not None:
        every = _measure(disk, {"disk_used_percent", "used_percent"}, interval)
        resources = disk.take("resources", _texts, "a list of mount points", ["*"])
        drop = disk.take("drop_device", lambda value: isinstance(value, bool), "true or false", False)
        figures.append(Figure("disk", every, tuple(resources), drop))
        disk.close()
    section.close()
    return Metrics(namespace, tuple(sorted(appended)), tuple(map(tuple, sets)), tuple(figures), statsd, push)


def _statsd(section: _Section | None) -> Statsd | None:
    if section is None:
        return None
    address = section.take("service_address", _local_address, "an address of this host with its port, 127.0.0.1:8125")
    interval = section.take("metrics_collection_interval", _seconds, "a number of seconds", 10)
    # By default the agent gathers for a minute what it has collected; then a counter is no longer a value.
    if section.take("metrics_aggregation_interval", lambda value: value == 0, "0: no further aggregation") is None:
        raise ConfigurationError(f"{section.name('metrics_aggregation_interval')} is missing; it must be 0")
    section.close()
    if address is None:
        raise ConfigurationError(f"{section.name('service_address')} is missing: by default everybody may send")
    return Statsd(address, int(interval))


def _local_address(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"127\.0\.0\.1:[1-9]\d{0,4}", value) is not None


def _appended(value: Any) -> bool:
    return isinstance(value, Mapping) and all(DIMENSIONS.get(name) == text for name, text in value.items())


def _measure(section: _Section, known: set[str], interval: int) -> int:
    """Take a measurement of the one figure that there is; return how often it is taken."""
    wanted = f"a list with one of {', '.join(sorted(known))}"
    taken = section.take("measurement", lambda value: _texts(value) and len(value) == 1 and set(value) <= known, wanted)
    if taken is None:
        raise ConfigurationError(f"{section.name('measurement')} is missing; it must be {wanted}")
    return int(section.take("metrics_collection_interval", _seconds, "a number of seconds", interval))


def _logs(section: _Section | None) -> tuple[int, tuple[LogFile, ...]]:
    if section is None:
        return 5, ()
    flush = section.take("force_flush_interval", _seconds, "a number of seconds", 5)
    files: list[LogFile] = []
    collected = section.section("logs_collected")
    inner = collected.section("files") if collected else None
    if collected and inner:
        entries = inner.take("collect_list", lambda value: isinstance(value, list), "a list", [])
        for number, entry in enumerate(entries):
            files.append(_log_file(_Section(entry, f"{inner.name('collect_list')}[{number}]")))
        inner.close()
    if collected:
        collected.close()
    section.close()
    return flush, tuple(files)


def _log_file(section: _Section) -> LogFile:
    pattern = section.take("file_path", lambda value: _text(value) and value.startswith("/"), "an absolute path")
    if pattern is None:
        raise ConfigurationError(f"{section.name('file_path')} is missing; it must be an absolute path")
    group = section.take("log_group_name", lambda value: _text(value) and "{" not in value, "a log group's name")
    stream = section.take("log_stream_name", _stream, "a name, with {instance_id} as its only variable", "{instance_id}")
    retention = section.take("retention_in_days", RETENTIONS.__contains__, "a period that CloudWatch Logs accepts")
    # Without timestamp_format an event's time is the time of reading, which no time zone changes.
    section.take("timezone", {"UTC", "Local"}.__contains__, "UTC or Local")
    section.close()
    return LogFile(pattern, group or pattern.rsplit("/", 1)[-1], stream, None if retention == -1 else retention)
