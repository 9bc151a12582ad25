#!/usr/bin/python
"""Lets a listener send requests with one header to a target group, before anybody else gets there."""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.module import run_module
from ..module_utils.rollout.blue_green import INCOMING, TAG
from ..module_utils.state import tags_to_list

DOCUMENTATION = r"""
module: listener_header_rule
short_description: Lets a listener send requests with one header to a target group
description:
  - >-
    For requests that nobody else can make: the value is a secret of whoever makes it. The rule goes before all others, and
    there is one at most for a header. M(amazon.aws.elb_application_lb) takes rules away that it does not know, once it is
    given any.
options:
  listener_arn: {type: str, required: true, description: "The listener."}
  header: {type: str, required: true, description: "Name of the header."}
  value: {type: str, description: "Its value. Needed with O(state=present), as is O(target_group_arn)."}
  target_group_arn: {type: str, description: "Target group that gets the requests."}
  state: {type: str, choices: [present, absent], default: present, description: "Whether there is such a rule."}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Send what carries the secret to the new fleet
  pettracker.aws.listener_header_rule:
    listener_arn: "{{ fleets.listener_arn }}"
    header: X-Rollout
    value: 0f3c5a
    target_group_arn: "{{ fleets.other.target_group_arn }}"
"""

RETURN = r"""
priority: {type: int, returned: always, description: "Of the rule; 0 where there is none."}
"""

# By which drift knows the rule from one that somebody has made by hand.
MARK = {TAG: INCOMING}


def condition(header: str, value: str) -> dict[str, Any]:
    """Returns the condition that one header has one value."""
    return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": header, "Values": [value]}}


def is_about(rule: dict[str, Any], header: str) -> bool:
    """Says whether a rule has the one condition that a header has some value."""
    names = [one.get("HttpHeaderConfig", {}).get("HttpHeaderName", "") for one in rule["Conditions"]]
    return [name.lower() for name in names] == [header.lower()]


def first_free(rules: list[dict[str, Any]]) -> int:
    """Returns the lowest priority that no rule has; the lowest is asked first."""
    taken = {rule["Priority"] for rule in rules}
    return next(number for number in range(1, len(rules) + 2) if str(number) not in taken)


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Returns the result."""
    client, parameters = module.client("elbv2"), module.params
    pages = client.get_paginator("describe_rules").paginate(ListenerArn=parameters["listener_arn"])
    rules = [rule for page in pages for rule in page["Rules"]]
    mine = [rule for rule in rules if is_about(rule, parameters["header"])]
    wanted = parameters["state"] == "present"
    conditions = [condition(parameters["header"], parameters["value"] or "")]
    actions = [{"Type": "forward", "TargetGroupArn": parameters["target_group_arn"]}]
    kept = [
        rule
        for rule in mine
        if wanted
        and rule["Conditions"][0]["HttpHeaderConfig"]["Values"] == [parameters["value"]]
        and rule["Actions"][0].get("TargetGroupArn") == parameters["target_group_arn"]
    ][:1]
    stale = [rule for rule in mine if rule not in kept]
    missing = wanted and not kept
    priority = int(kept[0]["Priority"]) if kept else 0
    if not module.check_mode:
        for rule in stale:
            client.delete_rule(RuleArn=rule["RuleArn"])
        if missing:
            priority = first_free([rule for rule in rules if rule not in stale])
            client.create_rule(
                ListenerArn=parameters["listener_arn"],
                Priority=priority,
                Conditions=conditions,
                Actions=actions,
                Tags=tags_to_list(MARK),
            )
    return {"changed": bool(stale) or missing, "priority": priority}


def main() -> None:
    """Runs the module."""
    run_module(
        DOCUMENTATION,
        run,
        "Could not set the rule of the listener",
        required_if=[("state", "present", ["value", "target_group_arn"])],
    )


if __name__ == "__main__":
    main()
