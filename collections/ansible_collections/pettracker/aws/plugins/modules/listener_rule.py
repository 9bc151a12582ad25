#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.finding import pages
from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout.blue_green import forward, is_sticky, weights_of
from ..module_utils.state import State, as_diff, differences, tags_to_dict, tags_to_list

DOCUMENTATION = r"""
module: listener_rule
short_description: Keeps a rule of a listener, or its default action, which forwards to target groups by weight
description:
  - A rule is known by its priority, or by the header that it asks for. The rest of the listener stays as it is, unlike with
    M(amazon.aws.elb_application_lb), which does not compare weights either.
  - With O(sticky_seconds), a client that keeps cookies goes on with the target group that it was sent to first. The default
    action has no stickiness.
  - A rule of that priority that lacks one of O(tags) belongs to somebody else and is refused.
options:
  listener_arn: {type: str, description: "The listener, unless O(load_balancer) and O(port) name it."}
  load_balancer: {type: str, description: "Name of the balancer."}
  port: {type: int, default: 443, description: "Port of the listener."}
  priority: {type: str, description: "Priority of the rule, 1 to 50000, of which the lowest that matches wins; V(default) for
    what the listener does when none matches."}
  paths: {type: list, elements: str, default: [], description: "Paths that it holds for, with C(*) and C(?) as wildcards."}
  header: {type: str, description: "Name of a header that it holds for instead. There is one for a header at most, which has
    the first priority that is free."}
  value: {type: str, description: "The value of O(header), a secret of whoever makes requests that nobody else can make."}
  forward: {type: dict, description: "Weight by the ARN of each target group, 0 to 999. A target group that the default action
    does not name gets nothing and is not checked any more."}
  expected: {type: dict, description: "Weights that the default action has to have, if given; with others, somebody else is at
    it, and nothing is changed."}
  sticky_seconds: {type: int, default: 0, description: "For how long a client stays with its target group, up to seven days; 0
    draws anew for each request."}
  tags: {type: dict, default: {}, description: "All tags of the rule."}
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
default_target_groups: {type: list, elements: str, returned: for a rule of a listener that exists, description: "ARNs of the
  target groups that the listener's default action gives weight."}
load_balancer_arn: {type: str, returned: for a rule of a listener that exists, description: "The balancer."}
"""


def as_weights(given: dict[str, Any]) -> dict[str, int]:
    """Returns weights as numbers, which templates may have made texts of."""
    return {arn: int(weight) for arn, weight in given.items()}


def wanted_state(parameters: dict[str, Any]) -> State:
    """Returns the module's parameters in the fields of `found_state`."""
    header, paths = parameters["header"], sorted(parameters["paths"])
    return {
        **({"header": {header: [parameters["value"]]}} if header else {"paths": paths}),
        "forward": as_weights(parameters["forward"]),
        "sticky_seconds": parameters["sticky_seconds"],
        "tags": dict(parameters["tags"]),
    }


def found_state(rule: dict[str, Any], tags: list[dict[str, str]]) -> State:
    """Returns a rule as ELB describes it."""
    header = header_of(rule)
    paths = sorted(path for one in rule["Conditions"] for path in one.get("PathPatternConfig", one).get("Values", []))
    sticky = rule["Actions"][-1].get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    return {
        **({"header": header} if header else {"paths": paths}),
        "forward": weights_of(rule["Actions"]),
        "sticky_seconds": int(sticky["DurationSeconds"]) if is_sticky(rule["Actions"]) else 0,
        "tags": tags_to_dict(tags),
    }


def header_of(rule: dict[str, Any]) -> dict[str, list[str]]:
    """Returns the values of the header that a rule asks for and nothing else; nothing where it asks for something else."""
    headers = [one.get("HttpHeaderConfig") for one in rule["Conditions"]]
    return {headers[0]["HttpHeaderName"]: headers[0]["Values"]} if len(headers) == 1 and headers[0] else {}


def request(wanted: State) -> dict[str, Any]:
    """Returns the parameters that CreateRule and ModifyRule share."""
    conditions = [
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": values}}
        for name, values in wanted.get("header", {}).items()
    ]
    if "paths" in wanted:
        conditions = [{"Field": "path-pattern", "PathPatternConfig": {"Values": wanted["paths"]}}]
    return {"Conditions": conditions, "Actions": forward(wanted["forward"], wanted["sticky_seconds"])}


def first_free(rules: list[dict[str, Any]]) -> int:
    """Returns the lowest priority that no rule has; the lowest is asked first."""
    taken = {rule["Priority"] for rule in rules}
    return next(number for number in range(1, len(rules) + 2) if str(number) not in taken)


def find_listener(client: Any, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the listener as ELB describes it; None if there is none."""
    if parameters["listener_arn"]:
        found: dict[str, Any] = client.describe_listeners(ListenerArns=[parameters["listener_arn"]])["Listeners"][0]
        return found
    name, balancers = parameters["load_balancer"], pages(client, "describe_load_balancers", "LoadBalancers")
    arns = [one["LoadBalancerArn"] for one in balancers if one["LoadBalancerName"] == name]
    listeners = client.describe_listeners(LoadBalancerArn=arns[0])["Listeners"] if arns else []
    return next((one for one in listeners if one["Port"] == parameters["port"]), None)


def keep_default_action(module: Module, client: Any, listener: dict[str, Any]) -> Result:
    """Compares the weights of the listener's default action, and sets them in one call unless in check mode."""
    arn, actions = listener["ListenerArn"], listener["DefaultActions"]
    found, wanted, expected = weights_of(actions), as_weights(module.params["forward"]), module.params["expected"]
    if expected is not None and found not in (wanted, as_weights(expected)):
        module.fail_json(
            msg=f"The listener has the weights {found} and should have {expected}: somebody else has changed them, so they "
            "are left alone."
        )
    # The weight of a lone target group says nothing.
    same = found == wanted or (len(wanted) == 1 and found.keys() == wanted.keys())
    changed = not same or is_sticky(actions)
    if changed and not module.check_mode:
        client.modify_listener(ListenerArn=arn, DefaultActions=forward(wanted))
    diff = as_diff(f"weights of {arn}", {"weights": wanted}, {"weights": wanted if same else found})
    return {"changed": changed, "diff": diff}


def keep_rule(module: Module, client: Any, listener: dict[str, Any]) -> Result:
    """Compares the rule, and makes, corrects or removes it unless in check mode."""
    given, arn = module.params, listener["ListenerArn"]
    rules = list(pages(client, "describe_rules", "Rules", ListenerArn=arn))
    if given["header"]:
        mine = [rule for rule in rules if [*map(str.lower, header_of(rule))] == [given["header"].lower()]]
    else:
        mine = [rule for rule in rules if rule["Priority"] == given["priority"]]
    found = None
    if mine:
        rule_arn = mine[0]["RuleArn"]
        found = found_state(mine[0], client.describe_tags(ResourceArns=[rule_arn])["TagDescriptions"][0]["Tags"])
        if not given["header"] and not given["tags"].items() <= found["tags"].items():
            module.fail_json(
                msg=f"The rule {rule_arn} has the priority {given['priority']} and is somebody else's: take another one."
            )
    wanted = wanted_state(given) if given["state"] == "present" else None
    fields, surplus = (differences(wanted, found), mine[1:]) if wanted else ([], mine)
    if not module.check_mode:
        for rule in surplus:
            client.delete_rule(RuleArn=rule["RuleArn"])
        if wanted and not found:
            priority = first_free(rules) if given["header"] else int(given["priority"])
            client.create_rule(ListenerArn=arn, Priority=priority, Tags=tags_to_list(wanted["tags"]), **request(wanted))
        elif wanted and fields:
            if fields != ["tags"]:
                client.modify_rule(RuleArn=rule_arn, **request(wanted))
            client.add_tags(ResourceArns=[rule_arn], Tags=tags_to_list(wanted["tags"]))
    result = {
        "changed": bool(fields or surplus),
        "default_target_groups": sorted(arn for arn, weight in weights_of(listener["DefaultActions"]).items() if weight),
        "load_balancer_arn": listener["LoadBalancerArn"],
    }
    if given["header"]:  # the value is a secret
        return result
    title = f"rule {given['priority']} of {given['load_balancer'] or arn}"
    return result | {"diff": as_diff(title, wanted, found) if wanted else {"before": found or {}, "after": {}}}


def problem(given: dict[str, Any]) -> str | None:
    """Returns what is wrong with the options together."""
    if given["state"] == "absent":
        return "A listener always has a default action: state absent is for rules." if given["priority"] == "default" else None
    if given["priority"] != "default" and not (given["value"] if given["header"] else given["paths"]):
        return "A rule needs paths, or a header with its value."
    return None


def run(module: Module) -> Result:
    """Keeps the rule or the default action, where there is a listener."""
    client, given = module.client("elbv2"), module.params
    if wrong := problem(given):
        module.fail_json(msg=wrong)
    listener = find_listener(client, given)
    if listener:
        return (keep_default_action if given["priority"] == "default" else keep_rule)(module, client, listener)
    if given["state"] == "present" and not module.check_mode:
        module.fail_json(
            msg=f"The balancer {given['load_balancer']} has no listener on port {given['port']}: run playbooks/service.yml "
            "first."
        )
    return {"changed": given["state"] == "present"}


if __name__ == "__main__":
    run_module(
        DOCUMENTATION,
        run,
        "Could not set up the rule of the listener",
        required_one_of=[("listener_arn", "load_balancer"), ("priority", "header")],
        required_if=[("state", "present", ["forward"])],
    )
