"""AWS/ApplicationELB: what an Application Load Balancer tells of its requests and targets.

Source: Application Load Balancers user guide, "CloudWatch metrics for your Application Load Balancer", with its reporting
criteria. There is no dimension AvailabilityZone. Response times carry HAProxy's resolution of a millisecond, and every
single one is kept, so that percentiles are true.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localcloud import backends
from localcloud.balancer.log import BalancerLog, Request
from localcloud.balancer.view import pool_name

NAMESPACE = "AWS/ApplicationELB"

Datum = dict[str, Any]


@dataclass(frozen=True)
class TargetGroupView:
    """A target group as its metrics name it; `healthy` and `unhealthy` count targets, `registered` those of any health."""

    dimension: str
    balancer: str
    healthy: int
    unhealthy: int
    registered: int


def _datum(name: str, dimensions: dict[str, str], values: dict[float, int], unit: str) -> Datum:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Values": list(values),
        "Counts": list(values.values()),
        "Unit": unit,
    }


def _count(name: str, dimensions: dict[str, str], number: float) -> Datum:
    return _datum(name, dimensions, {float(number): 1}, "Count")


def _answers(requests: Iterable[Request], dimensions: dict[str, str]) -> Iterator[Datum]:
    """Yield what the targets answered, as one series of dimensions shows it."""
    chosen = [one for one in requests if one.pool is not None]
    yield _count("RequestCount", dimensions, len(chosen))
    answered = [one for one in chosen if one.milliseconds is not None]
    for family, number in sorted(Counter(one.status // 100 for one in answered).items()):
        if family in {2, 3, 4, 5}:
            yield _count(f"HTTPCode_Target_{family}XX_Count", dimensions, number)
    times = Counter(one.milliseconds / 1000 for one in answered if one.milliseconds is not None)
    if times:
        yield _datum("TargetResponseTime", dimensions, dict(sorted(times.items())), "Seconds")


def _own_answers(requests: Iterable[Request], dimensions: dict[str, str]) -> Iterator[Datum]:
    """Yield what the balancer answered by itself; a client that went away counts as 460, as in AWS's access logs."""
    own = (460 if one.status < 0 else one.status for one in requests if one.milliseconds is None)
    for family, number in sorted(Counter(status // 100 for status in own).items()):
        if family in {3, 4, 5}:
            yield _count(f"HTTPCode_ELB_{family}XX_Count", dimensions, number)


def metric_data(requests: Iterable[Request], balancers: dict[int, str], groups: dict[str, TargetGroupView]) -> Iterator[Datum]:
    """Yield the data of one period.

    `balancers` names the load balancer of each port, `groups` the target group of each pool, both in the words of
    CloudWatch's dimensions. Requests of a pool that is no more still count for their balancer.
    """
    by_balancer: dict[str, list[Request]] = {one: [] for one in balancers.values()}
    by_pool: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        if request.port in balancers:
            by_balancer[balancers[request.port]].append(request)
        if request.pool is not None:
            by_pool[request.pool].append(request)
    for balancer, its_requests in by_balancer.items():
        dimensions = {"LoadBalancer": balancer}
        yield from _answers(its_requests, dimensions)
        yield from _own_answers(its_requests, dimensions)
    for pool, group in groups.items():
        dimensions = {"TargetGroup": group.dimension, "LoadBalancer": group.balancer}
        yield from _answers(by_pool[pool], dimensions)
        # "Divided by the number of healthy targets ... If there are no healthy targets in the target group, it is divided by
        # the total number of registered targets", and "Always reported".
        for one in (dimensions, {"TargetGroup": group.dimension}):
            yield _count("RequestCountPerTarget", one, len(by_pool[pool]) / (group.healthy or group.registered or 1))
        if group.healthy + group.unhealthy:
            yield _count("HealthyHostCount", dimensions, group.healthy)
            yield _count("UnHealthyHostCount", dimensions, group.unhealthy)


def balancer_dimension(arn: str) -> str:
    """Return the value of dimension LoadBalancer: the end of the balancer's ARN."""
    return arn.split(":loadbalancer/")[1]


def target_group_dimension(arn: str) -> str:
    """Return the value of dimension TargetGroup: the last part of the target group's ARN."""
    return arn.rsplit(":", 1)[1]


def _balancers() -> dict[int, str]:
    ports: dict[int, str] = {}
    for balancer in backends.elbv2().load_balancers.values():
        for listener in balancer.listeners.values():
            # The first one with a listener on a port has it on this machine: localcloud/balancer/load_balancer.py.
            ports.setdefault(int(listener.port), balancer_dimension(balancer.arn))
    return ports


def _groups() -> dict[str, TargetGroupView]:
    views = {}
    for group in backends.elbv2().target_groups.values():
        if group.load_balancer_arns:
            states = Counter(health.state for health in list(group.health.values()))
            balancer = balancer_dimension(group.load_balancer_arns[0])
            dimension = target_group_dimension(group.arn)
            registered = states.total() - states["draining"]
            views[pool_name(group.arn)] = TargetGroupView(
                dimension, balancer, states["healthy"], states["unhealthy"], registered
            )
    return views


class BalancerMetrics:
    """A source of telemetry: the log of the real balancer, named by what the API says."""

    def __init__(self, log: BalancerLog) -> None:
        self._log = log

    def __call__(self) -> Iterator[tuple[str, list[Datum]]]:
        """Yield what has happened since the last call."""
        yield NAMESPACE, list(metric_data(self._log.read(), _balancers(), _groups()))
