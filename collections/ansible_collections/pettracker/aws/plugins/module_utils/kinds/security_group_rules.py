"""The rules of a security group as this project owns them, and the differences between two sets of them. Pure functions only.

A rule is known by what it lets through: `tcp/443 from 0.0.0.0/0`, `all to 10.0.0.0/8`, `tcp/8080 from service` (a group of the
same VPC, by its name). Its value is its description.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Rules = dict[str, str]
DIRECTIONS = {"ingress": "from", "egress": "to"}

# The lists of whom a rule is for, and the member that names one.
PEERS = {"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "PrefixListIds": "PrefixListId", "UserIdGroupPairs": "GroupId"}

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html, and API_IpRange.html, Description.
_LETTERS = "a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{}!$*"
_USABLE = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")


def unusable_texts(group: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each name and description of one entry of the module's `groups` that EC2 does not take."""
    texts = {"name": group["name"], "description": group["description"]} | {
        f"description of the {direction} rule for port {rule['port']}": rule["description"]
        for direction in DIRECTIONS
        for rule in group[direction]
    }
    return [
        f"The {what} of the security group {group['name']} is '{text}': EC2 takes at most 255 of {_LETTERS}."
        for what, text in texts.items()
        if not _USABLE.fullmatch(text)
    ]


def wanted_rules(rules: list[Mapping[str, Any]], direction: str) -> Rules:
    """Returns the module's rules of one direction by what they let through."""
    return {
        f"{rule['proto']}/{rule['port']} {DIRECTIONS[direction]} {peer}": rule["description"]
        for rule in rules
        for peer in [*(rule.get("cidrs") or []), *([rule["group"]] if rule.get("group") else [])]
    }


def wanted_state(group: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one entry of the module's `groups` in the fields of the kind's state."""
    return {
        "description": group["description"],
        "ingress": wanted_rules(group["ingress"], "ingress"),
        "egress": wanted_rules(group["egress"], "egress"),
        "tags": dict(group["tags"]),
    }


def single_rules(
    permissions: list[dict[str, Any]], direction: str, names: Mapping[str, str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields each rule of EC2's IpPermissions: what it lets through, its description, and an IpPermission of it alone."""
    for permission in permissions:
        traffic: dict[str, Any] = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
        for kind, key in PEERS.items():
            for peer in permission.get(kind, []):
                name = names.get(peer[key], peer[key])
                text = peer.get("Description", "")
                alone = {key: peer[key]} | ({"Description": text} if text else {})
                yield f"{_traffic(traffic)} {DIRECTIONS[direction]} {name}", text, traffic | {kind: [alone]}


def _traffic(permission: Mapping[str, Any]) -> str:
    protocol = permission["IpProtocol"]
    if protocol == "-1":
        return "all"
    first, last = permission.get("FromPort"), permission.get("ToPort")
    return f"{protocol}/{first}" if first == last else f"{protocol}/{first}-{last}"


def permission(rule: str, text: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """Returns a wanted rule as EC2's IpPermission; `ids` are those of the VPC's groups by their names."""
    traffic, _, peer = rule.split(" ", 2)
    protocol, port = traffic.split("/")
    described = {"Description": text} if text else {}
    kind = "UserIdGroupPairs" if peer in ids else "Ipv6Ranges" if ":" in peer else "IpRanges"
    alone = {PEERS[kind]: ids.get(peer, peer)} | described
    return {"IpProtocol": protocol, "FromPort": int(port), "ToPort": int(port), kind: [alone]}


def rule_changes(wanted: Rules, found: Rules) -> tuple[list[str], list[str], list[str]]:
    """Returns the rules to add, those to remove, and those of which only the description is another."""
    added = sorted(set(wanted) - set(found))
    removed = sorted(set(found) - set(wanted))
    described = sorted(rule for rule in set(wanted) & set(found) if wanted[rule] != found[rule])
    return added, removed, described
