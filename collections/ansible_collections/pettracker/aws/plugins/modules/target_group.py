#!/usr/bin/python
"""Keeps a target group of an application load balancer as it should be."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    as_diff,
    differences,
    error_code,
    tags_to_dict,
    tags_to_list,
)

DOCUMENTATION = r"""
module: target_group
short_description: Keeps a target group of an application load balancer as it should be
description:
  - Makes and corrects a target group of instances that speak HTTP. Who is registered in it is left to Auto Scaling.
  - Unlike M(community.aws.elb_target_group) it compares before it acts, also in check mode, and returns a difference.
options:
  name:
    description: Name, at most 32 letters, digits and hyphens.
    type: str
    required: true
  vpc_id:
    description: The VPC. A target group cannot move to another, nor to another port.
    type: str
    required: true
  port:
    description: Port of the service on its hosts.
    type: int
    required: true
  health_check:
    description: How the balancer asks a host whether it is ready.
    type: dict
    required: true
    suboptions:
      path:
        description: Path that answers 200 when the host is ready.
        type: str
        required: true
      interval:
        description: Time between two checks, in seconds.
        type: int
        required: true
      timeout:
        description: Time after which a check has failed, in seconds.
        type: int
        required: true
      healthy_threshold:
        description: Good answers in a row that make a host healthy.
        type: int
        required: true
      unhealthy_threshold:
        description: Bad answers in a row that make a host unhealthy.
        type: int
        required: true
  attributes:
    description: Attributes, named as in ELB's ModifyTargetGroupAttributes.
    type: dict
    default: {}
  tags:
    description: All tags of the target group.
    type: dict
    default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Ask hosts for /ready
  pettracker.aws.target_group:
    name: pettracker-dev-service
    vpc_id: vpc-0123456789abcdef0
    port: 8080
    health_check: {path: /ready, interval: 10, timeout: 5, healthy_threshold: 2, unhealthy_threshold: 2}
    attributes: {deregistration_delay.timeout_seconds: "60"}
"""

RETURN = r"""
target_group_arn:
  description: The target group.
  returned: when it exists
  type: str
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: when it exists
  type: dict
"""

# Fields that AWS lets nobody change, so that a difference in them is an error.
FIXED = ("vpc_id", "port")


def wanted_state(parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`."""
    return {
        "vpc_id": parameters["vpc_id"],
        "port": parameters["port"],
        "health_check": parameters["health_check"] | {"protocol": "HTTP", "port": "traffic-port", "codes": "200"},
        "attributes": {name: str(value) for name, value in parameters["attributes"].items()},
        "tags": dict(parameters["tags"]),
    }


def found_state(
    group: dict[str, Any], attributes: list[dict[str, str]], tags: list[dict[str, str]], owned: set[str]
) -> dict[str, Any]:
    """Returns a target group as ELB describes it, with those attributes that are `owned`."""
    return {
        "vpc_id": group["VpcId"],
        "port": group["Port"],
        "health_check": {
            "path": group.get("HealthCheckPath"),
            "interval": group.get("HealthCheckIntervalSeconds"),
            "timeout": group.get("HealthCheckTimeoutSeconds"),
            "healthy_threshold": group.get("HealthyThresholdCount"),
            "unhealthy_threshold": group.get("UnhealthyThresholdCount"),
            "protocol": group.get("HealthCheckProtocol"),
            "port": group.get("HealthCheckPort"),
            "codes": group.get("Matcher", {}).get("HttpCode"),
        },
        "attributes": {item["Key"]: item["Value"] for item in attributes if item["Key"] in owned},
        "tags": tags_to_dict(tags),
    }


def health_check_request(health_check: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters of CreateTargetGroup and ModifyTargetGroup for a health check over HTTP."""
    return {
        "HealthCheckProtocol": health_check["protocol"],
        "HealthCheckPort": health_check["port"],
        "HealthCheckPath": health_check["path"],
        "HealthCheckIntervalSeconds": health_check["interval"],
        "HealthCheckTimeoutSeconds": health_check["timeout"],
        "HealthyThresholdCount": health_check["healthy_threshold"],
        "UnhealthyThresholdCount": health_check["unhealthy_threshold"],
        "Matcher": {"HttpCode": health_check["codes"]},
    }


def find(client: Any, name: str) -> dict[str, Any] | None:
    """Returns the target group of that name as ELB describes it, None if there is none."""
    try:
        groups: list[dict[str, Any]] = client.describe_target_groups(Names=[name])["TargetGroups"]
    except Exception as error:
        if error_code(error) in ("TargetGroupNotFound", "TargetGroupNotFoundException"):
            return None
        raise
    return groups[0] if groups else None


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares, and acts on a difference unless in check mode."""
    client = module.client("elbv2")
    name = module.params["name"]
    wanted = wanted_state(module.params)
    group = find(client, name)
    found, arn = None, None
    if group:
        arn = group["TargetGroupArn"]
        attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        tags = client.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
        found = found_state(group, attributes, tags, set(wanted["attributes"]))
    fields = differences(wanted, found)
    result = {"changed": bool(fields), "diff": as_diff(f"target group {name}", wanted, found)}
    fixed = [field for field in fields if field in FIXED] if found else []
    if found and fixed:
        module.fail_json(
            msg=f"The target group {name} has {fixed[0]} {found[fixed[0]]} and should have {wanted[fixed[0]]}, which AWS "
            "cannot change: give the new one another name, or remove this one with playbooks/destroy.yml."
        )
    if not module.check_mode:
        if arn is None:
            answer = client.create_target_group(
                Name=name,
                Protocol="HTTP",
                Port=wanted["port"],
                VpcId=wanted["vpc_id"],
                TargetType="instance",
                Tags=tags_to_list(wanted["tags"]),
                **health_check_request(wanted["health_check"]),
            )
            arn = answer["TargetGroups"][0]["TargetGroupArn"]
        elif "health_check" in fields:
            client.modify_target_group(TargetGroupArn=arn, **health_check_request(wanted["health_check"]))
        if "attributes" in fields and wanted["attributes"]:
            pairs = tags_to_list(wanted["attributes"])
            client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=pairs)
        if found and "tags" in fields:
            client.add_tags(ResourceArns=[arn], Tags=tags_to_list(wanted["tags"]))
            gone = sorted(set(found["tags"]) - set(wanted["tags"]))
            if gone:
                client.remove_tags(ResourceArns=[arn], TagKeys=gone)
    return result | ({"target_group_arn": arn, "managed": {"target group": [arn]}} if arn else {})


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the target group")


if __name__ == "__main__":
    main()
