"""Reads the two fleets behind a listener from AWS."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..refusals import unless_gone
from .blue_green import Fleet, weights_of


@dataclass(frozen=True)
class Entrance:
    """A balancer's listener; empty where there is none yet.

    Attributes:
        actions: its default actions.
        certificate_arn: of the certificate that it shows.
    """

    dns_name: str = ""
    listener_arn: str = ""
    actions: tuple[dict[str, Any], ...] = ()
    certificate_arn: str = ""


class Fleets:
    """The fleets of some colours, each with the names of its `group` and its `target_group`."""

    def __init__(self, scaling: Any, balancing: Any, colours: Iterable[Mapping[str, str]]) -> None:
        self._scaling, self._balancing, self._colours = scaling, balancing, list(colours)

    def entrance(self, balancer: str, port: int) -> Entrance:
        """Returns the listener of this port."""
        balancers = unless_gone(lambda: self._balancing.describe_load_balancers(Names=[balancer])["LoadBalancers"], [])
        if not balancers:
            return Entrance()
        found = balancers[0]
        listeners = self._balancing.describe_listeners(LoadBalancerArn=found["LoadBalancerArn"])["Listeners"]
        for listener in listeners:
            if listener["Port"] == port:
                shown = next((item["CertificateArn"] for item in listener.get("Certificates", [])), "")
                return Entrance(found["DNSName"], listener["ListenerArn"], tuple(listener["DefaultActions"]), shown)
        return Entrance(found["DNSName"])

    def actions(self, listener_arn: str) -> list[dict[str, Any]]:
        """Returns a listener's default actions."""
        found: list[dict[str, Any]] = self._balancing.describe_listeners(ListenerArns=[listener_arn])["Listeners"]
        actions: list[dict[str, Any]] = found[0]["DefaultActions"]
        return actions

    def rules(self, listener_arn: str) -> list[dict[str, Any]]:
        """Returns a listener's rules."""
        pages = self._balancing.get_paginator("describe_rules").paginate(ListenerArn=listener_arn)
        return [rule for page in pages for rule in page["Rules"]]

    def read(self, actions: Iterable[Mapping[str, Any]]) -> list[Fleet]:
        """Returns the fleets in the order of their colours, with the weights that these default actions give them."""
        weights = weights_of(actions)
        names = [colour["group"] for colour in self._colours]
        groups = self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]
        # One that is being deleted has a status, and is as good as gone.
        there = {group["AutoScalingGroupName"]: group for group in groups if not group.get("Status")}
        fleets = []
        for colour in self._colours:
            arn = self._target_group_arn(colour["target_group"])
            weight = weights.get(arn)
            fleets.append(Fleet(colour["group"], colour["target_group"], arn, weight, there.get(colour["group"])))
        return fleets

    def health(self, fleet: Fleet) -> list[dict[str, Any]]:
        """Returns ELB's descriptions of a fleet's targets."""
        if not fleet.target_group_arn:
            return []
        answer = self._balancing.describe_target_health(TargetGroupArn=fleet.target_group_arn)
        found: list[dict[str, Any]] = answer["TargetHealthDescriptions"]
        return found

    def refreshes(self, fleet: Fleet) -> list[dict[str, Any]]:
        """Returns the latest instance refreshes of a fleet's group, of which one at most is under way."""
        if fleet.found is None:
            return []
        answer = self._scaling.describe_instance_refreshes(AutoScalingGroupName=fleet.group, MaxRecords=10)
        found: list[dict[str, Any]] = answer["InstanceRefreshes"]
        return found

    def _target_group_arn(self, name: str) -> str:
        found = unless_gone(lambda: self._balancing.describe_target_groups(Names=[name])["TargetGroups"], [])
        return str(found[0]["TargetGroupArn"]) if found else ""
