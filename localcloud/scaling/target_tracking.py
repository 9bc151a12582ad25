"""Target tracking policies: which metric they follow, and the two alarms that Auto Scaling makes for them.

Source: Amazon EC2 Auto Scaling user guide, "Target tracking scaling policies", and the alarms that it makes on AWS: above the
target for three data points of a minute, below 90 % of it for fifteen. Here a data point of a predefined metric lasts
`Settings.telemetry_period`.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Any

from moto.autoscaling.exceptions import ValidationError

from localcloud import backends
from localcloud.balancer.metrics import target_group_dimension

SCALE_OUT_DATAPOINTS = 3
# Share of the target below which a group scales in.
SCALE_IN_SHARE = 0.9


@dataclass(frozen=True)
class TrackedMetric:
    """What a policy follows. `period` is in seconds, `target` in the metric's unit for such a period."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    target: float
    period: int = 60
    unit: str | None = None


def tracked_metric(configuration: dict[str, Any], group: Any, period: int) -> TrackedMetric:
    """Return the metric of a TargetTrackingConfiguration; `period` is how often predefined ones are measured.

    Raises moto's ValidationError for what is wrong on AWS as well, and for what is not measured here.
    """
    target = float(configuration["TargetValue"])
    customized = configuration.get("CustomizedMetricSpecification")
    if customized:
        if customized.get("Metrics"):
            raise ValidationError("The local cloud carries out no target tracking on metric math: name one metric.")
        return TrackedMetric(
            namespace=customized["Namespace"],
            name=customized["MetricName"],
            dimensions=tuple((one["Name"], one["Value"]) for one in customized.get("Dimensions", [])),
            statistic=customized["Statistic"],
            target=target,
            period=int(customized.get("Period") or 60),
            unit=customized.get("Unit"),
        )
    predefined = configuration.get("PredefinedMetricSpecification", {})
    kind = predefined.get("PredefinedMetricType")
    if kind in {"ASGAverageCPUUtilization", "ASGAverageCPUUtilizationHighResolution"}:
        dimensions = (("AutoScalingGroupName", group.name),)
        return TrackedMetric("AWS/EC2", "CPUUtilization", dimensions, "Average", target, period)
    if kind == "ALBRequestCountPerTarget":
        requests = TrackedMetric("AWS/ApplicationELB", "RequestCountPerTarget", (), "Sum", target)
        # The target is a number of requests a minute.
        return replace(
            requests,
            dimensions=_balancer_dimensions(predefined.get("ResourceLabel", ""), group),
            target=target * period / requests.period,
            period=period,
        )
    raise ValidationError(f"The local cloud does not measure {kind}.")


def _balancer_dimensions(label: str, group: Any) -> tuple[tuple[str, str], ...]:
    # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PredefinedMetricSpecification.html, ResourceLabel
    balancer, mark, rest = label.partition("/targetgroup/")
    target_group = f"targetgroup/{rest}"
    attached = {target_group_dimension(arn) for arn in group.target_group_arns}
    if not balancer.startswith("app/") or not mark or target_group not in attached:
        raise ValidationError(
            f"The resource label {label!r} must have the form app/<balancer>/<id>/targetgroup/<group>/<id> and name a target "
            f"group that is attached to the Auto Scaling group {group.name}."
        )
    return (("TargetGroup", target_group), ("LoadBalancer", balancer))


def put_alarms(policy: Any, metric: TrackedMetric, group_name: str, scale_in_datapoints: int) -> None:
    """Make the alarms of a policy; with scale-in disabled only the one above the target."""
    _put(policy, metric, group_name, "AlarmHigh", SCALE_OUT_DATAPOINTS)
    if not policy.target_tracking_configuration.__dict__.get("DisableScaleIn"):
        _put(policy, metric, group_name, "AlarmLow", scale_in_datapoints)


def _put(policy: Any, metric: TrackedMetric, group_name: str, side: str, periods: int) -> None:
    high = side == "AlarmHigh"
    backends.cloudwatch().put_metric_alarm(
        name=f"TargetTracking-{group_name}-{side}-{uuid.uuid4()}",
        namespace=metric.namespace,
        metric_name=metric.name,
        comparison_operator="GreaterThanThreshold" if high else "LessThanThreshold",
        evaluation_periods=periods,
        period=metric.period,
        threshold=metric.target if high else metric.target * SCALE_IN_SHARE,
        statistic=metric.statistic,
        description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
        dimensions=[{"Name": name, "Value": value} for name, value in metric.dimensions],
        alarm_actions=[policy.arn],
        unit=metric.unit,
    )


def alarms_of(policy: Any) -> list[Any]:
    """Return the alarms that trigger a policy, whoever made them."""
    alarms = list(backends.cloudwatch().alarms.values())
    return [one for one in alarms if policy.arn in {*one.alarm_actions, *one.ok_actions, *one.insufficient_data_actions}]


def remove_alarms(policy: Any) -> None:
    """Remove the alarms that were made for a target tracking policy."""
    if policy.policy_type == "TargetTrackingScaling":
        backends.cloudwatch().delete_alarms([one.name for one in alarms_of(policy)])


def wants_to_scale_in(policy: Any) -> bool:
    """Say whether a target tracking policy's metric is low enough to scale in."""
    low = [one for one in alarms_of(policy) if one.comparison_operator == "LessThanThreshold"]
    return any(one.state_value == "ALARM" for one in low)


def may_scale_in(policy: Any) -> bool:
    """Say whether a policy is a target tracking one that takes part in scaling in."""
    return policy.policy_type == "TargetTrackingScaling" and not policy.target_tracking_configuration.__dict__.get(
        "DisableScaleIn"
    )
