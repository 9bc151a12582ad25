"""How modules read an Auto Scaling group with its targets, and how they wait for it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

# Seconds between two looks at a group.
PAUSE = 2.0
# How many of the latest scaling activities a failure quotes.
ACTIVITIES = 4
UNHEALTHY_HINT = "A host that does not become healthy says why: look at the journal of its service, and at cloud-init's output."

Targets = dict[str, list[dict[str, Any]]]


def describe(client: Any, name: str) -> dict[str, Any] | None:
    """Returns the group as Auto Scaling describes it; None if there is none or it is being deleted."""
    groups = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return next((group for group in groups if not group.get("Status")), None)


def required(module: Any, name: str) -> dict[str, Any]:
    """Returns the group, or fails the module and says which groups there are."""
    client = module.client("autoscaling")
    if (group := describe(client, name)) is None:
        pages = client.get_paginator("describe_auto_scaling_groups").paginate()
        names = [each["AutoScalingGroupName"] for page in pages for each in page["AutoScalingGroups"]]
        module.fail_json(msg=f"There is no Auto Scaling group {name}. There are: {', '.join(sorted(names)) or 'none'}.")
        raise AssertionError  # fail_json does not return
    return group


def targets_of(elb: Any, group: dict[str, Any]) -> Targets:
    """Returns the TargetHealthDescriptions of each of the group's target groups."""
    arns = group.get("TargetGroupARNs", [])
    return {arn: elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] for arn in arns}


def instances_of(ec2: Any, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Returns what EC2 says of instances, by their ids; nothing of one that it does not show, which is no error."""
    if not ids:
        return {}
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "instance-id", "Values": ids}])
    found = [each for page in pages for reservation in page["Reservations"] for each in reservation["Instances"]]
    return {each["InstanceId"]: each for each in found}


def latest_activities(client: Any, name: str) -> str:
    """Returns what the group did last, for people."""
    found = client.describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=ACTIVITIES)["Activities"]
    said = [f"{one['StatusCode']}: {one['Description']} {one.get('StatusMessage', '')}".strip() for one in found]
    return "; ".join(said) or "none"


def wait_until(
    module: Any, name: str, lacking: Callable[[dict[str, Any], Targets], list[str]], failure: str
) -> tuple[dict[str, Any], float]:
    """Waits until `lacking` finds nothing, for the module's `wait_timeout` seconds at most; 0 does not wait.

    Returns the group and the seconds that it took. Fails the module with `failure`, what is lacking, and the latest activities.
    """
    autoscaling, elb = module.client("autoscaling"), module.client("elbv2")
    begin = time.monotonic()
    while True:
        group = describe(autoscaling, name) or {"DesiredCapacity": 1}
        sentences = lacking(group, targets_of(elb, group))
        waited = round(time.monotonic() - begin, 1)
        if not sentences or not module.params["wait_timeout"]:
            return group, waited
        if waited >= module.params["wait_timeout"]:
            said = f"{failure} after {waited:.0f} seconds. {' '.join(sentences)}"
            module.fail_json(msg=f"{said} Latest activities: {latest_activities(autoscaling, name)}. {UNHEALTHY_HINT}")
        time.sleep(PAUSE)


def missing(group: Mapping[str, Any], targets: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Returns what keeps the group from being in service, one sentence each; nothing when it is.

    `targets` holds ELB's TargetHealthDescriptions for each target group. In service means that as many instances as
    desired are InService, and as many targets as that are healthy in each target group.
    """
    desired = group["DesiredCapacity"]
    instances = group.get("Instances", [])
    in_service = {item["InstanceId"] for item in instances if item["LifecycleState"] == "InService"}
    sentences = []
    if len(in_service) < desired:
        sentences.append(f"{len(in_service)} of {desired} instances are in service.")
        sentences += [
            f"{item['InstanceId']} is {item['LifecycleState']} and {item['HealthStatus']}."
            for item in instances
            if item["InstanceId"] not in in_service
        ]
    for descriptions in targets.values():
        health = {item["Target"]["Id"]: item["TargetHealth"] for item in descriptions}
        healthy = [target for target, state in health.items() if state["State"] == "healthy" and target in in_service]
        if len(healthy) < desired:
            sentences.append(f"{len(healthy)} of {desired} targets are healthy.")
            sentences += [
                f"{target} is {state['State']}: {state.get('Description') or state.get('Reason', 'no reason given')}."
                for target, state in sorted(health.items())
                if state["State"] != "healthy"
            ]
    return sentences
