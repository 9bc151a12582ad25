"""What the balancer's log becomes in CloudWatch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from localcloud.balancer.log import BalancerLog, Request, parse
from localcloud.balancer.metrics import BalancerMetrics, TargetGroupView, metric_data
from tests.localcloud.conftest import Cloud
from tests.localcloud.test_fleet import Group

STAMP = "127.0.0.1:40000 [01/Mar/2026:12:00:00.123]"
ANSWERED = f'{STAMP} port_443~ blue_1/i-1 0/0/1/27/28 200 512 - - ---- 2/2/1/1/0 0/0 "POST /predict HTTP/2.0"'
BY_ITSELF = f'{STAMP} port_80 port_80/<NOSRV> 0/-1/-1/-1/0 301 90 - - LR-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"'
NOBODY_THERE = f'{STAMP} port_443~ blue_1/<NOSRV> 0/-1/-1/-1/0 503 213 - - LR-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"'
DIED = f'{STAMP} port_443~ blue_1/i-1 0/0/0/-1/12 502 208 - - SH-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"'
WENT_AWAY = f'{STAMP} port_443~ blue_1/i-1 0/0/0/-1/900 -1 0 - - CH-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"'


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        (ANSWERED, Request(443, "blue_1", "i-1", 200, 27)),
        (BY_ITSELF, Request(80, None, None, 301, None)),
        (NOBODY_THERE, Request(443, None, None, 503, None)),
        (DIED, Request(443, "blue_1", "i-1", 502, None)),
        (WENT_AWAY, Request(443, "blue_1", "i-1", -1, None)),
        ("[NOTICE]   (12) : New worker (34) forked", None),
        (f"{STAMP} port_443/1: SSL handshake failure", None),
        ("", None),
    ],
)
def test_lines_of_the_log(line: str, request_: Request | None) -> None:
    assert parse(line) == request_


def test_the_log_is_read_from_where_it_was_and_in_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.log"
    file.write_text(f"{ANSWERED}\n")
    log = BalancerLog(file)
    assert not log.read()
    with file.open("a") as end:
        end.write(f"{BY_ITSELF}\n{DIED[:40]}")
        end.flush()
        assert [one.status for one in log.read()] == [301]
        end.write(f"{DIED[40:]}\n")
    assert [one.status for one in log.read()] == [502]
    assert not BalancerLog(tmp_path / "missing").read()


def figures(data: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Return values with their counts by metric and dimensions."""
    return {
        (one["MetricName"], "/".join(sorted(dimension["Name"] for dimension in one["Dimensions"]))): dict(
            zip(one["Values"], one["Counts"], strict=True)
        )
        for one in data
    }


def test_answers_of_targets_and_of_the_balancer_are_told_apart() -> None:
    requests = [parse(one) for one in (ANSWERED, ANSWERED, BY_ITSELF, NOBODY_THERE, DIED, WENT_AWAY)]
    groups = {"blue_1": TargetGroupView("targetgroup/blue/1", "app/service/2", healthy=2, unhealthy=1, registered=3)}
    found = figures(metric_data([one for one in requests if one], {443: "app/service/2", 80: "app/service/2"}, groups))
    assert found == {
        ("RequestCount", "LoadBalancer"): {4: 1},
        ("HTTPCode_Target_2XX_Count", "LoadBalancer"): {2: 1},
        ("TargetResponseTime", "LoadBalancer"): {0.027: 2},
        ("HTTPCode_ELB_3XX_Count", "LoadBalancer"): {1: 1},
        ("HTTPCode_ELB_4XX_Count", "LoadBalancer"): {1: 1},
        ("HTTPCode_ELB_5XX_Count", "LoadBalancer"): {2: 1},
        ("RequestCount", "LoadBalancer/TargetGroup"): {4: 1},
        ("HTTPCode_Target_2XX_Count", "LoadBalancer/TargetGroup"): {2: 1},
        ("TargetResponseTime", "LoadBalancer/TargetGroup"): {0.027: 2},
        ("RequestCountPerTarget", "LoadBalancer/TargetGroup"): {2: 1},
        ("RequestCountPerTarget", "TargetGroup"): {2: 1},
        ("HealthyHostCount", "LoadBalancer/TargetGroup"): {2: 1},
        ("UnHealthyHostCount", "LoadBalancer/TargetGroup"): {1: 1},
    }


def test_without_requests_only_counts_are_told() -> None:
    groups = {"blue_1": TargetGroupView("targetgroup/blue/1", "app/service/2", healthy=1, unhealthy=0, registered=1)}
    names = {name for name, _ in figures(metric_data([], {443: "app/service/2"}, groups))}
    assert names == {"RequestCount", "RequestCountPerTarget", "HealthyHostCount", "UnHealthyHostCount"}


@pytest.mark.parametrize(("unhealthy", "registered", "requests"), [(2, 4, 0.5), (0, 0, 2)])
def test_requests_per_target_are_told_without_any_healthy_target(unhealthy: int, registered: int, requests: float) -> None:
    groups = {"blue_1": TargetGroupView("targetgroup/blue/1", "app/service/2", 0, unhealthy, registered)}
    answered = [parse(one) for one in (ANSWERED, DIED)]
    found = figures(metric_data([one for one in answered if one], {443: "app/service/2"}, groups))
    assert found["RequestCountPerTarget", "TargetGroup"] == {requests: 1}


def test_metrics_carry_the_names_that_the_api_knows(cloud: Cloud, tmp_path: Path) -> None:
    group = Group(cloud, desired=1)
    group.settled(1)
    [(namespace, data)] = list(BalancerMetrics(BalancerLog(tmp_path / "haproxy.log"))())
    assert namespace == "AWS/ApplicationELB"
    balancer = group.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    healthy = next(one for one in data if one["MetricName"] == "HealthyHostCount")
    assert healthy["Values"] == [1.0]
    names = {one["Name"]: one["Value"] for one in healthy["Dimensions"]}
    assert balancer.endswith(f":loadbalancer/{names['LoadBalancer']}")
    assert group.target_group.endswith(f":{names['TargetGroup']}")
    assert names["TargetGroup"].startswith("targetgroup/service/")
