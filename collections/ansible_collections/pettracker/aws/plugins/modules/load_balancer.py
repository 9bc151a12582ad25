#!/usr/bin/python
"""Keeps an application load balancer and its listeners as they should be."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.balancer import (
    found_balancer,
    listener_state,
    wanted_balancer,
)
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    any_differ,
    as_diff,
    differences,
    error_code,
    removal,
    tag_changes,
    tags_to_list,
)

DOCUMENTATION = r"""
module: load_balancer
short_description: Keeps an application load balancer and its listeners as they should be
description:
  - Makes and corrects a balancer that faces the internet, its attributes and its listeners. A listener that is not listed is
    removed.
  - Unlike M(amazon.aws.elb_application_lb) it compares before it acts, also in check mode, and returns a difference. It leaves
    the rules of listeners alone.
options:
  name:
    description: Name, at most 32 letters, digits and hyphens.
    type: str
    required: true
  subnets:
    description: Subnets of two zones or more.
    type: list
    elements: str
    required: true
  security_groups:
    description: Ids of all security groups.
    type: list
    elements: str
    required: true
  listeners:
    description:
      - All listeners, in the form of ELB's CreateListener, with a port each.
      - An existing listener keeps its default action where C(DefaultActions) is empty.
    type: list
    elements: dict
    required: true
  attributes:
    description: Attributes, named as in ELB's ModifyLoadBalancerAttributes.
    type: dict
    default: {}
  tags:
    description: All tags of the balancer.
    type: dict
    default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Keep the balancer
  pettracker.aws.load_balancer:
    name: pettracker-dev-service
    subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    security_groups: [sg-0123456789abcdef0]
    listeners:
      - Protocol: HTTP
        Port: 80
        DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: "404"}}]
"""

RETURN = r"""
load_balancer_arn:
  description: The balancer.
  returned: when it exists
  type: str
dns_name:
  description: Its name in the DNS.
  returned: when it exists
  type: str
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: when it exists
  type: dict
"""

LISTENS = "Clients notice it: new connections meet the changed listener at once."
INTERRUPTS = {
    "security_groups": "Clients that the new groups do not let in are cut off.",
    "subnets": "Connections through a zone that is taken away are cut off.",
}
# A new balancer takes minutes.
PATIENCE = {"Delay": 5, "MaxAttempts": 120}


def find(client: Any, name: str) -> dict[str, Any] | None:
    """Returns the balancer of that name as ELB describes it, None if there is none."""
    try:
        balancers: list[dict[str, Any]] = client.describe_load_balancers(Names=[name])["LoadBalancers"]
    except Exception as error:
        if error_code(error) in ("LoadBalancerNotFound", "LoadBalancerNotFoundException"):
            return None
        raise
    return balancers[0] if balancers else None


def read(client: Any, arn: str, balancer: dict[str, Any], owned: set[str]) -> dict[str, Any]:
    """Returns the fields of an existing balancer."""
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    tags = client.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    return found_balancer(balancer, attributes, tags, owned)


def read_listeners(client: Any, arn: str) -> dict[int, dict[str, Any]]:
    """Returns the listeners of a balancer as ELB describes them, by their ports."""
    pages = client.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
    return {listener["Port"]: listener for page in pages for listener in page["Listeners"]}


def create(client: Any, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Makes the balancer, and waits until it is there."""
    answer = client.create_load_balancer(
        Name=name,
        Subnets=wanted["subnets"],
        SecurityGroups=wanted["security_groups"],
        Scheme=wanted["scheme"],
        Type="application",
        Tags=tags_to_list(wanted["tags"]),
    )
    made: dict[str, Any] = answer["LoadBalancers"][0]
    client.get_waiter("load_balancer_available").wait(LoadBalancerArns=[made["LoadBalancerArn"]], WaiterConfig=PATIENCE)
    return made


def correct(client: Any, arn: str, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Makes the calls that correct an existing balancer."""
    fields = differences(wanted, found)
    if "subnets" in fields:
        client.set_subnets(LoadBalancerArn=arn, Subnets=wanted["subnets"])
    if "security_groups" in fields:
        client.set_security_groups(LoadBalancerArn=arn, SecurityGroups=wanted["security_groups"])
    if "attributes" in fields:
        client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=tags_to_list(wanted["attributes"]))
    if "tags" in fields:
        added, gone = tag_changes(wanted["tags"], found["tags"])
        if added:
            client.add_tags(ResourceArns=[arn], Tags=tags_to_list(added))
        if gone:
            client.remove_tags(ResourceArns=[arn], TagKeys=gone)


def listener_diffs(
    name: str, wanted: dict[int, dict[str, Any]], found: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the differences of all listeners."""
    diffs = []
    for port in sorted({*wanted, *found}):
        present = listener_state(found[port]) if port in found else None
        if port not in wanted:
            diffs.append(removal(f"listener {name}:{port}", present or {}, "Clients of that port are refused."))
            continue
        state = listener_state(wanted[port])
        diffs.append(as_diff(f"listener {name}:{port}", state, present, interrupts=dict.fromkeys(state, LISTENS)))
    return diffs


def apply_listeners(client: Any, arn: str, wanted: dict[int, dict[str, Any]], found: dict[int, dict[str, Any]]) -> None:
    """Makes the calls that make, correct and remove listeners."""
    for port, listener in wanted.items():
        request = {key: value for key, value in listener.items() if value}
        if port not in found:
            client.create_listener(LoadBalancerArn=arn, **request)
        elif differences(listener_state(listener), listener_state(found[port])):
            client.modify_listener(ListenerArn=found[port]["ListenerArn"], **request)
    for port in sorted(set(found) - set(wanted)):
        client.delete_listener(ListenerArn=found[port]["ListenerArn"])


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares, and acts on differences unless in check mode."""
    client = module.client("elbv2")
    name = module.params["name"]
    wanted = wanted_balancer(module.params)
    listeners = {int(item["Port"]): dict(item) | {"Port": int(item["Port"])} for item in module.params["listeners"]}
    balancer = find(client, name)
    arn = balancer["LoadBalancerArn"] if balancer else ""
    found = read(client, arn, balancer, set(wanted["attributes"])) if balancer else None
    present = read_listeners(client, arn) if balancer else {}
    if found and found["scheme"] != wanted["scheme"]:
        module.fail_json(
            msg=f"The balancer {name} is {found['scheme']} and should be {wanted['scheme']}, which AWS cannot change: give the "
            "new one another name, or remove this one."
        )
    diffs = [as_diff(f"load balancer {name}", wanted, found, interrupts=INTERRUPTS)]
    diffs += listener_diffs(name, listeners, present)
    if any_differ(diffs) and not module.check_mode:
        if balancer is None:
            balancer = create(client, name, wanted)
            arn = balancer["LoadBalancerArn"]
            found = wanted | {"attributes": {}}
        correct(client, arn, wanted, found or wanted)
        apply_listeners(client, arn, listeners, present)
    result: dict[str, Any] = {"changed": any_differ(diffs), "diff": diffs}
    if balancer:
        result |= {"load_balancer_arn": arn, "dns_name": balancer["DNSName"], "managed": {"load balancer": [arn]}}
    return result


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the balancer")


if __name__ == "__main__":
    main()
