#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import as_diff, differences, tags_to_dict, tags_to_list

DOCUMENTATION = r"""
module: listener_rule
short_description: Keeps a rule of a listener that forwards to target groups by weight
description:
  - A rule is known by its priority. Other rules and the default action of the listener stay as they are, unlike with
    M(amazon.aws.elb_application_lb).
  - With O(sticky_seconds), a client that keeps cookies goes on with the target group that it was sent to first.
  - A rule of that priority that lacks one of O(tags) belongs to somebody else and is refused.
options:
  load_balancer: {type: str, required: true, description: "Name of the balancer."}
  port: {type: int, default: 443, description: "Port of the listener."}
  priority: {type: int, required: true, description: "Priority of the rule, 1 to 50000; the lowest that matches wins."}
  paths: {type: list, elements: str, default: [], description: "Paths that it holds for, with C(*) and C(?) as wildcards. Needed
    when O(state=present)."}
  forward:
    {type: dict, default: {}, description: "Weight by the ARN of each target group, 0 to 999. Needed when O(state=present)."}
  sticky_seconds: {type: int, default: 0, description: "For how long a client stays with its target group, up to seven days; 0
    draws anew for each request."}
  tags: {type: dict, required: true, description: "All tags of the rule."}
  state: {type: str, choices: [present, absent], default: present, description: "Whether there is such a rule."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Send a tenth of the clients to the candidate
  pettracker.aws.listener_rule:
    load_balancer: pettracker-dev-service
    priority: 10
    paths: [/predict]
    forward: "{{ {live_arn: 90, candidate_arn: 10} }}"
    sticky_seconds: 3600
    tags: {Experiment: candidate}
"""

RETURN = r"""
default_target_groups: {type: list, elements: str, returned: when the listener exists, description: "ARNs of the target groups
  that the listener's default action gives weight."}
load_balancer_arn: {type: str, returned: when the listener exists, description: "The balancer."}
"""


def wanted_state(parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`."""
    return {
        "paths": sorted(parameters["paths"]),
        "forward": {arn: int(weight) for arn, weight in parameters["forward"].items()},
        "sticky_seconds": parameters["sticky_seconds"],
        "tags": dict(parameters["tags"]),
    }


def found_state(rule: dict[str, Any], tags: list[dict[str, str]]) -> dict[str, Any]:
    """Returns a rule as ELB describes it."""
    values = [one.get("PathPatternConfig", one).get("Values", []) for one in rule["Conditions"]]
    return {
        "paths": sorted(value for each in values for value in each),
        "forward": forwarded(rule["Actions"]),
        "sticky_seconds": stickiness(rule["Actions"]),
        "tags": tags_to_dict(tags),
    }


def forwarded(actions: list[dict[str, Any]]) -> dict[str, int]:
    """Returns the weight of each target group of the last action; nothing if it does not forward."""
    action = actions[-1]
    groups = action.get("ForwardConfig", {}).get("TargetGroups")
    if not groups and "TargetGroupArn" in action:
        groups = [{"TargetGroupArn": action["TargetGroupArn"]}]
    return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups or []}


def stickiness(actions: list[dict[str, Any]]) -> int:
    """Returns for how many seconds clients stay, 0 if they do not."""
    config = actions[-1].get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    return int(config.get("DurationSeconds", 0)) if config.get("Enabled") in (True, "true") else 0


def request(wanted: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters that CreateRule and ModifyRule share."""
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in sorted(wanted["forward"].items())]
    sticky: dict[str, Any] = {"Enabled": bool(wanted["sticky_seconds"])}
    if wanted["sticky_seconds"]:
        sticky["DurationSeconds"] = wanted["sticky_seconds"]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
    return {
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": wanted["paths"]}}],
        "Actions": [{"Type": "forward", "Order": 1, "ForwardConfig": config}],
    }


def find_listener(module: Module, client: Any) -> dict[str, Any] | None:
    """Returns the listener as ELB describes it; None if there is none."""
    name, port = module.params["load_balancer"], module.params["port"]
    pages = client.get_paginator("describe_load_balancers").paginate()
    arns = [one["LoadBalancerArn"] for page in pages for one in page["LoadBalancers"] if one["LoadBalancerName"] == name]
    listeners = client.describe_listeners(LoadBalancerArn=arns[0])["Listeners"] if arns else []
    return next((one for one in listeners if one["Port"] == port), None)


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    client = module.client("elbv2")
    wanted = wanted_state(module.params) if module.params["state"] == "present" else None
    listener = find_listener(module, client)
    if listener is None:
        if wanted and not module.check_mode:
            module.fail_json(
                msg=f"The balancer {module.params['load_balancer']} has no listener on port {module.params['port']}: run "
                "playbooks/service.yml first."
            )
        return {"changed": wanted is not None}
    priority = str(module.params["priority"])
    rules = client.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    rule = next((one for one in rules if one["Priority"] == priority), None)
    found = None
    if rule:
        found = found_state(rule, client.describe_tags(ResourceArns=[rule["RuleArn"]])["TagDescriptions"][0]["Tags"])
        if not module.params["tags"].items() <= found["tags"].items():
            module.fail_json(
                msg=f"The rule {rule['RuleArn']} has the priority {priority} and is somebody else's: take another one."
            )
    fields = differences(wanted, found) if wanted else []
    if not module.check_mode:
        place = {"ListenerArn": listener["ListenerArn"], "Priority": module.params["priority"]}
        change(client, wanted, rule, fields, **place)
    title = f"rule {priority} of {module.params['load_balancer']}"
    return {
        "changed": bool(fields) if wanted else bool(rule),
        "diff": as_diff(title, wanted or {}, found) if wanted else {"before": found or {}, "after": {}},
        "default_target_groups": sorted(arn for arn, weight in forwarded(listener["DefaultActions"]).items() if weight),
        "load_balancer_arn": listener["LoadBalancerArn"],
    }


def change(client: Any, wanted: dict[str, Any] | None, rule: dict[str, Any] | None, fields: list[str], **place: Any) -> None:
    """Makes the calls that correct `fields`, that make the rule at its place, or that remove it where none is wanted."""
    if wanted is None:
        if rule:
            client.delete_rule(RuleArn=rule["RuleArn"])
    elif rule is None:
        client.create_rule(Tags=tags_to_list(wanted["tags"]), **place, **request(wanted))
    elif fields:
        if set(fields) - {"tags"}:
            client.modify_rule(RuleArn=rule["RuleArn"], **request(wanted))
        client.add_tags(ResourceArns=[rule["RuleArn"]], Tags=tags_to_list(wanted["tags"]))


if __name__ == "__main__":
    run_module(
        DOCUMENTATION,
        run,
        "Could not set up the rule of the listener",
        required_if=[("state", "present", ("paths", "forward"))],
    )
