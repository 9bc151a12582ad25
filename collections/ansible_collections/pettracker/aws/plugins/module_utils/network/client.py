"""A VPC with its parts in EC2: reads it, and makes and corrects what `network` says it should be."""

from typing import Any

from ..kinds.ec2 import Part, Resource, Site, correct_tags
from ..kinds.kind import Answers, as_set, put_back
from ..kinds.vpc_endpoint import s3
from ..state import differences
from .parts import KINDS, Parts, identities, wanted

# A NAT gateway takes about two minutes.
PATIENCE = {"Delay": 5, "MaxAttempts": 180}


class Network:
    """One VPC in EC2: reads it, and makes and corrects its parts, earlier ones first."""

    def __init__(self, ec2: Any, region: str, parameters: dict[str, Any]) -> None:
        self._ec2 = ec2
        self._region = region
        self._parameters = parameters
        self._listed: dict[str, list[Resource]] = {}
        self._answers: dict[Part, Answers] = {}
        self.wanted = wanted(parameters, region)
        self.ids: dict[Part, str] = {}
        self.found: Parts = {}

    def read(self) -> str | None:
        """Reads what there is; returns a sentence if it cannot be told which VPC is meant."""
        vpcs = self._vpcs()
        if len(vpcs) > 1:
            ids, name = ", ".join(vpc["VpcId"] for vpc in vpcs), self._parameters["name"]
            return f"The VPCs {ids} could all be {name}: rename or remove those that this project did not make."
        if vpcs:
            self._listed = self._list(vpcs[0])
            self.ids = identities(self.wanted, self._listed)
            names = {identity: part for part, identity in self.ids.items()}
            for part, identity in self.ids.items():
                kind = KINDS[part[0]]
                resource = next(one for one in self._listed[part[0]] if one[kind.key] == identity)
                answers = kind.read(self._ec2, resource)
                state = kind.named(kind.state(answers), names)
                both = as_set(self.wanted[part], state, kind.deviations(answers))
                self._answers[part], self.wanted[part], self.found[part] = answers, both[0], both[1] or {}
        return None

    def _vpcs(self) -> list[Resource]:
        """Returns the VPCs that have the name; without one, those of the address range that carry all other tags."""
        list_vpcs = KINDS["VPC"].listed
        vpcs = list_vpcs(self._ec2, ("tag:Name", [self._parameters["name"]]))
        if vpcs or not self._parameters["tags"]:
            return vpcs
        by_tags = [(f"tag:{key}", [value]) for key, value in self._parameters["tags"].items()]
        return list_vpcs(self._ec2, *by_tags, ("cidr", [self._parameters["cidr"]]))

    def _list(self, vpc: Resource) -> dict[str, list[Resource]]:
        listed = {"VPC": [vpc]}
        for name, kind in KINDS.items():
            if name != "VPC":
                inside = [(kind.place, [vpc["VpcId"]])] if kind.place else []
                if name == "VPC endpoint":
                    # Interfaces to S3, which somebody may have, are called the same.
                    inside += [("service-name", [s3(self._region)]), ("vpc-endpoint-type", ["Gateway"])]
                listed[name] = kind.listed(self._ec2, *inside)
        # One that is being removed serves nobody any more.
        listed["NAT gateway"] = [
            one
            for one in listed["NAT gateway"]
            if one["State"] != "deleting" and one.get("SubnetId")  # a regional one has no subnet
        ]
        # One that somebody has detached is attached again.
        if not listed["internet gateway"]:
            by_name = ("tag:Name", [self._parameters["name"]])
            listed["internet gateway"] = KINDS["internet gateway"].listed(self._ec2, by_name)
        return listed

    def nobodys(self) -> dict[str, list[str]]:
        """Returns the parts of parts that nothing declares, by what they are called."""
        left: dict[str, list[str]] = {}
        for (kind, name), answers in self._answers.items():
            for what, ones in KINDS[kind].nobodys(answers).items():
                left.setdefault(what, []).extend(f"{name}/{one}" for one in ones)
        return left

    def apply(self) -> None:
        """Makes what is missing and corrects what differs, in the order in which one part needs the other."""
        site = Site(self._ec2, self._region, self.ids, self._listed)
        waiting: list[str] = []
        for part, state in self.wanted.items():
            kind, answers = KINDS[part[0]], self._answers.get(part, {})
            if kind.name == "route table" and waiting:
                site.wait("nat_gateway_available", PATIENCE, NatGatewayIds=waiting)
                waiting = []
            if part not in self.ids:
                self.ids[part] = kind.make(site, part[1], state)
                if kind.name == "NAT gateway":
                    waiting.append(self.ids[part])
            fields = differences(state, self.found.get(part))
            if fields:
                kind.correct(site, self.ids[part], state, fields, answers)
            if answers:
                put_back(self._ec2, kind.deviations(answers), **{kind.key: self.ids[part]})
                if "tags" in fields:
                    correct_tags(self._ec2, self.ids[part], state["tags"], self.found[part]["tags"])

    @property
    def vpc_id(self) -> str:
        return self.ids["VPC", self._parameters["name"]]
