"""What a guard rail cannot say in JMESPath: how wide a policy's statement is, and who reaches a port. Pure functions only.

A statement is judged by what it lets through, not by how it is written: `s3:?*` is `s3:*`, and a condition that always holds
is none.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

Statement = Mapping[str, Any]

# Only looks, and shows no data: secrets, objects and parameters are got, not described.
_LOOKING = re.compile(r"[\w-]+:(Describe|List)\w*\*?")
# What a host's agent says of its own host; ssmmessages knows no resources.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_ssmmessages.html
_OF_ITSELF = re.compile(r"ssmmessages:(Create|Open)(Control|Data)Channel|ssm:UpdateInstanceInformation")
# Operators that hold only where the request has the key with one of the values. Those that negate, that hold where the key is
# absent (IfExists, ForAllValues), and Null are not among them.
_NARROWING = re.compile(r"(ForAnyValue:)?(String|Arn|Numeric|Date|Ip|Bool|Binary)(?!Not)\w*")
# Keys that say nothing of who asks, nor of what: of when, of how, of what he himself says, and of what everybody has.
_SAY_NOTHING = {
    *("aws:currenttime", "aws:epochtime", "aws:multifactorauthage", "aws:principalisawsservice", "aws:principaltype"),
    "aws:referer",
    *("aws:requestedregion", "aws:securetransport", "aws:tokenissuetime", "aws:useragent", "aws:viaawsservice"),
    *("s3:authtype", "s3:signatureage", "s3:signatureversion", "s3:tlsversion"),
}
# What every value of some key has: of ARNs, of the IDs of users, roles, VPCs and endpoints, of the names of services.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
_SHARED = {
    *("arn", "aws", "aws-cn", "aws-us-gov", "iam", "sts", "role", "user", "assumed-role", "federated-user"),
    *("aroa", "aida", "asia", "akia", "vpc", "vpce", "amazonaws", "com", "cn"),
}
# Services whose ARNs begin with a name: of buckets, topics, queues and the like; those of others begin with a kind.
_WITHOUT_KIND = {"s3", "sns", "sqs", "codecommit", "codepipeline", "execute-api"}
# Words inside ARNs that are the same for all of a kind.
_FIXED = re.compile(r":autoScalingGroupName/|:log-stream:|^(?:loadbalancer|listener|listener-rule)/(?:app|net|gwy)/")
# Addresses, as a power of two, that together are the world: a 128th of IPv4, and of IPv6 a 16-bit prefix, more than a registry
# gives to anybody.
_WORLD = {4: 25, 6: 112}


def wide_statements(policies: Iterable[Any]) -> list[str]:
    """Return what policies allow too widely: everything of a service, everything but something, something of every resource."""
    found: list[str] = []
    for policy in policies:
        for statement in _statements(policy):
            found += _wide(statement)
    return found


def principals(policy: Any) -> list[str]:
    """Return whom a policy lets in, each as its kind and its name: `Service ec2.amazonaws.com`, `AWS 123456789012`."""
    found: list[str] = []
    for statement in _statements(policy):
        if "NotPrincipal" in statement:
            found.append(f"all but {_text(statement['NotPrincipal'])}")
        named = statement.get("Principal", {})
        named = named if isinstance(named, Mapping) else {"AWS": named}
        found += [f"{kind} {name}" for kind, names in named.items() for name in _listed(names)]
    return found


def exposed(rules: Iterable[str]) -> list[str]:
    """Return the rules of a security group by which the world comes in: by a range, several that sum up, or a prefix list.

    Args:
        rules: as a plan names them, `tcp/443 from 0.0.0.0/0`. What is in a prefix list is in no plan.
    """
    # Of all ports together: a port is in as many ranges of ports as somebody likes to write.
    ranges: dict[int, dict[str, IPv4Network | IPv6Network]] = defaultdict(dict)
    found = []
    for rule in rules:
        source = rule.partition(" from ")[2]
        if re.fullmatch(r"pl-[0-9a-f]+", source):
            found.append(rule)
            continue
        try:
            network = ip_network(source, strict=False)
        except ValueError:
            if re.search(r"/\d+$", source):
                found.append(rule)  # what is no group, and no range that anybody can read
            continue
        if not network.is_private or network.prefixlen == 0:
            ranges[network.version][rule] = network
    for networks in ranges.values():
        if _is_the_world(networks.values()):
            found += networks
    return found


def _is_the_world(networks: Iterable[Any]) -> bool:
    """Tell whether ranges of one version have, together, so many addresses that anybody may have one."""
    together = list(collapse_addresses(networks))
    return bool(together) and sum(each.num_addresses for each in together) >= 2 ** _WORLD[together[0].version]


def _wide(statement: Statement) -> Iterator[str]:
    actions, resources = _listed(statement.get("Action", [])), _listed(statement.get("Resource", []))
    yield from (action for action in actions if _is_everything(action.partition(":")[2] or action))
    for name in ("NotAction", "NotResource"):
        if name in statement:
            yield f"all but {_text(statement[name])}"
    if not any(map(_is_any_resource, resources)) or _narrows(statement.get("Condition") or {}):
        return
    doing = [action for action in actions if not (_LOOKING.fullmatch(action) or _OF_ITSELF.fullmatch(action))]
    if doing:
        yield f"{_text(doing)} of every resource"


def _is_everything(pattern: str) -> bool:
    """Tell whether a pattern leaves nothing out worth naming: `*`, `?*`, `*e*`."""
    return re.search(r"[*?]", pattern) is not None and len(re.sub(r"[*?]", "", pattern)) < 3


def _is_any_resource(arn: str) -> bool:
    """Tell whether an ARN names no resource, but a whole kind, or those of every account."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return re.search(r"[*?]", arn) is not None
    service, account, resource = parts[2], parts[4], _FIXED.sub(":", parts[5])
    if re.search(r"[*?]", account):
        return True
    if not re.search(r"[*?]", resource):
        return False
    first, *rest = re.split(r"[/:]", resource.lstrip("/"))
    # An access point of S3 has an account, and a kind.
    named = [first] if service in _WITHOUT_KIND and not (service == "s3" and account) else rest
    return not any(map(_says_something, named))


def _says_something(part: str) -> bool:
    """Tell whether a part of a name, between its separators, leaves out what others are called: `*-*` and `a*` do not."""
    return len(re.sub(r"\W|_", "", part)) >= (3 if re.search(r"[*?]", part) else 1)


def _narrows(condition: Mapping[str, Any]) -> bool:
    for operator, keys in condition.items():
        if operator.endswith("IfExists") or not _NARROWING.fullmatch(operator):
            continue
        for key, values in keys.items():
            texts = [str(value) for value in _listed(values)]
            # What is not so says as little as an operator that negates.
            is_not = "Bool" in operator and any(text.lower() == "false" for text in texts)
            if key.lower() not in _SAY_NOTHING and not is_not and not _holds_always(key.lower(), texts):
                return True
    return False


def _holds_always(key: str, values: list[str]) -> bool:
    """Tell whether one of some values lets everybody in, or all of them do: ranges of addresses, in pieces."""
    ranges: list[Any] = list(filter(None, map(_network, values)))
    if any(_is_the_world(each for each in ranges if each.version == version) for version in _WORLD):
        return True
    return any(_is_everybody(key, value) for value in values)


def _is_everybody(key: str, value: str) -> bool:
    """Tell whether a value has a wildcard, and beside it nothing but what all values of its key have."""
    if not re.search(r"[*?]", value):
        return value == ""
    # An account that may be any is everybody's: in his own, anybody names his role as he likes.
    if key.endswith("account"):
        return True
    if value.startswith("arn:"):
        parts = value.split(":", 5)
        if len(parts) < 6:
            return re.search(r"\d{12}", value) is None
        if re.search(r"[*?]", parts[4]):
            return True
        return not parts[4] and not any(map(_says_something, re.split(r"[/:]", parts[5])))
    said = re.split(r"[:/.]", value)
    # What is in a tag or a prefix, people have chosen.
    of_aws = re.fullmatch(r"aws:[^/]*|\w+:\w*service", key)
    return not any(_says_something(_own(part) if of_aws else part) for part in said)


def _own(part: str) -> str:
    """Return a part of a value, or `*` where all values share it: `role`, `vpc-*`, `AR*`."""
    literal = re.sub(r"[*?]", "", part).strip("-").lower()
    shared = any(word.startswith(literal) for word in _SHARED) if literal != part.lower() else literal in _SHARED
    return "*" if shared else part


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _statements(policy: Any) -> list[Statement]:
    if not isinstance(policy, Mapping):
        return []
    found = policy.get("Statement", [])
    statements = found if isinstance(found, list) else [found]
    return [statement for statement in statements if statement.get("Effect") == "Allow"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
