#!/usr/bin/python

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..module_utils.kinds.kind import Answers, Clients, as_set
from ..module_utils.kinds.listener import Listener
from ..module_utils.kinds.load_balancer import LoadBalancer
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import State, any_differ, as_diff, differences, removal

DOCUMENTATION = r"""
module: load_balancer
short_description: Keeps an application load balancer and its listeners as they should be
description:
  - Makes and corrects a balancer that faces the internet, its attributes and its listeners; others of its listeners go.
  - Unlike M(amazon.aws.elb_application_lb) it compares before it acts, also in check mode, and returns a difference. It leaves
    the rules of listeners alone.
options:
  name: {type: str, required: true, description: "Name, at most 32 letters, digits and hyphens."}
  subnets: {type: list, elements: str, required: true, description: "Subnets of two zones or more."}
  security_groups: {type: list, elements: str, required: true, description: "Ids of all security groups."}
  listeners: {type: list, elements: dict, required: true, description: "All listeners, in the form of ELB's CreateListener, with
    a port each. An existing listener that forwards keeps its target groups and their weights where C(DefaultActions) is
    empty."}
  attributes: {type: dict, default: {}, description: "Attributes, named as in ELB's ModifyLoadBalancerAttributes."}
  tags: {type: dict, default: {}, description: "All tags of the balancer."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Keep the balancer
  pettracker.aws.load_balancer:
    name: pettracker-dev-service
    subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    security_groups: [sg-0123456789abcdef0]
    listeners: [{Protocol: HTTP, Port: 80, DefaultActions: "{{ refusal }}"}]
"""

RETURN = r"""
load_balancer_arn: {type: str, returned: when it exists, description: "The balancer."}
dns_name: {type: str, returned: when it exists, description: "Its name in the DNS."}
"""

BALANCER = LoadBalancer()
LISTENER = Listener()
LISTENS = "Clients notice it: new connections meet the changed listener at once."
INTERRUPTS = {
    "security_groups": "Clients that the new groups do not let in are cut off.",
    "subnets": "Connections through a zone that is taken away are cut off.",
}


@dataclass(frozen=True)
class Port:
    """A listener as it is and as it should be.

    Attributes:
        entry: of the options; None where none is wanted.
        answers: AWS's; empty where there is no listener.
        wanted, found: in the fields that are compared; None where it is not wanted, or not there.
    """

    entry: Mapping[str, Any] | None
    answers: Answers
    wanted: State | None
    found: State | None

    def diff(self, name: str) -> dict[str, Any]:
        """Returns the difference."""
        if self.wanted is None:
            return removal(name, self.found or {}, "Clients of that port are refused.")
        return as_diff(name, self.wanted, self.found, interrupts=dict.fromkeys(self.wanted, LISTENS))

    def apply(self, client: Any, balancer: str) -> None:
        """Makes the calls that make, correct or remove the listener."""
        if self.entry is None or self.wanted is None:
            client.delete_listener(ListenerArn=self.answers["DescribeListeners"]["ListenerArn"])
        elif self.found is None:
            LISTENER.create(client, balancer, self.entry)
        elif differences(self.wanted, self.found):
            LISTENER.correct(client, self.entry, self.wanted, self.found, self.answers)


def ports(entries: list[dict[str, Any]], listeners: Mapping[int, Answers]) -> dict[int, Port]:
    """Returns all listeners, wanted or there, those to be removed last."""
    by_port = {int(entry["Port"]): dict(entry) | {"Port": int(entry["Port"])} for entry in entries}
    found: dict[int, Port] = {}
    for number in [*by_port, *sorted(set(listeners) - set(by_port))]:
        entry, answers = by_port.get(number), listeners.get(number, {})
        state = LISTENER.state(answers) if answers else None
        wanted = None
        if entry is not None:
            wanted, state = as_set(LISTENER.wanted(entry, answers), state, LISTENER.deviations(answers) if answers else [])
        found[number] = Port(entry, answers, wanted, state)
    return found


def nobodys(clients: Clients, name: str, listeners: Mapping[int, Answers]) -> dict[str, list[str]]:
    """Returns the parts of listeners that nothing declares, by what they are called."""
    left: dict[str, list[str]] = {}
    for port, answers in listeners.items():
        for part, ones in LISTENER.nobodys(answers, LISTENER.declared(clients, answers)).items():
            left.setdefault(part, []).extend(f"{name}:{port}/{one}" for one in ones)
    return left


def run(module: Module) -> Result:
    """Compares, and acts on differences unless in check mode."""
    client, name = module.client("elbv2"), module.params["name"]
    answers = BALANCER.read(module.client, name)
    found = BALANCER.state(answers) if answers else None
    others = BALANCER.deviations(answers) if answers else []
    wanted, found = as_set(BALANCER.wanted(module.params, found), found, others)
    if found and found["scheme"] != wanted["scheme"]:
        module.fail_json(
            msg=f"The balancer {name} is {found['scheme']} and should be {wanted['scheme']}, which AWS cannot change: give the "
            "new one another name, or remove this one."
        )
    arn = answers["DescribeLoadBalancers"]["LoadBalancerArn"] if answers else ""
    listeners = LISTENER.read(module.client, arn) if arn else {}
    compared = ports(module.params["listeners"], listeners)
    diffs = [as_diff(f"{BALANCER.name} {name}", wanted, found, interrupts=INTERRUPTS)]
    diffs += [compared[port].diff(f"{LISTENER.name} {name}:{port}") for port in sorted(compared)]
    if any_differ(diffs) and not module.check_mode:
        if found is None:
            BALANCER.create(client, name, wanted)
            answers = BALANCER.read(module.client, name)
            arn = answers["DescribeLoadBalancers"]["LoadBalancerArn"]
        else:
            BALANCER.correct(client, arn, wanted, found, others)
        for port in compared.values():
            port.apply(client, arn)
    result: dict[str, Any] = {"changed": any_differ(diffs), "diff": diffs}
    if answers:
        dns_name = answers["DescribeLoadBalancers"]["DNSName"]
        result |= {"load_balancer_arn": arn, "dns_name": dns_name, "managed": {BALANCER.name: [arn]}}
        result["nobodys"] = nobodys(module.client, name, listeners)
    return result


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the balancer")
