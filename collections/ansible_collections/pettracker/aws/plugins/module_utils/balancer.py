"""An application load balancer and its listeners, as wanted and as ELB describes them. Pure functions only.

The documents: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancer.html, API_Listener.html and
API_LoadBalancerAttribute.html. Rules of listeners belong to rollouts and experiments and are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.state import tags_to_dict


def wanted_balancer(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_balancer`."""
    return {
        "scheme": "internet-facing",
        "subnets": sorted(parameters["subnets"]),
        "security_groups": sorted(parameters["security_groups"]),
        "attributes": {name: str(value) for name, value in parameters["attributes"].items()},
        "tags": dict(parameters["tags"]),
    }


def found_balancer(
    balancer: Mapping[str, Any], attributes: list[dict[str, str]], tags: list[dict[str, str]], owned: set[str]
) -> dict[str, Any]:
    """Returns a balancer as ELB describes it, with those attributes that are `owned`."""
    return {
        "scheme": balancer["Scheme"],
        "subnets": sorted(zone["SubnetId"] for zone in balancer["AvailabilityZones"]),
        "security_groups": sorted(balancer.get("SecurityGroups", [])),
        "attributes": {item["Key"]: item["Value"] for item in attributes if item["Key"] in owned},
        "tags": tags_to_dict(tags),
    }


def listener_state(listener: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a listener, as ELB describes it or as a variable in ELB's own form, in the fields that are compared.

    A listener for which no default action is given keeps the one that it has.
    """
    state: dict[str, Any] = {"protocol": listener["Protocol"]}
    if listener["Protocol"] == "HTTPS":
        state["tls_policy"] = listener.get("SslPolicy")
        state["certificate"] = next((item["CertificateArn"] for item in listener.get("Certificates", [])), None)
    if listener.get("DefaultActions"):
        state["default_action"] = action_state(listener["DefaultActions"][-1])
    return state


def action_state(action: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a listener does with a request that no rule is for: target groups by their names, with their weights."""
    if action["Type"] != "forward":
        return {"type": action["Type"]} | dict(action.get("RedirectConfig") or action.get("FixedResponseConfig") or {})
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    names = {group["TargetGroupArn"]: group.get("Weight") for group in groups}
    # The weight of a lone group says nothing.
    weights = {_name(arn): weight if len(names) > 1 else 1 for arn, weight in names.items()}
    return {"type": "forward", "target_groups": weights}


def _name(arn: str) -> str:
    """Returns the name of a target group; that of one which does not exist yet is its placeholder."""
    parts = arn.split("/")
    return parts[1] if len(parts) == 3 else arn
