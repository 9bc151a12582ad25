"""The statements of IAM policies that follow from what the calls of the kinds need. Pure functions only."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .kind import Grant, Kind

Statement = dict[str, Any]
# A type of EC2's in an account and a region.
OF_EC2 = re.compile(r"(arn:[^:]+:ec2:[^:]+:[^:]+:)[\w-]+/\*")
# An action, the ARN on which it is allowed, and the condition as text, so that conditions can be compared.
Allowed = tuple[str, str, str]


def statements(
    kinds: Iterable[Kind],
    purpose: str,
    values: Mapping[str, Any],
    *,
    written: Sequence[Statement] = (),
    services: Collection[str] = (),
    besides: Collection[str] = (),
    conditions: Collection[str] = (),
) -> list[Statement]:
    """Returns the statements that `kinds` need for a purpose: one for each condition and each group of resources.

    Args:
        kinds: whose grants.
        purpose: `look`, `change` or `removal`.
        values: partition, region, account and prefix of ARNs, `tags` of the environment, `boundary` of its hosts' roles, and
            `arns`, the lists that grants name.
        written: statements that allow some of it already.
        services: whose actions, as IAM calls them; empty for all but `besides`.
        besides: services that are left out.
        conditions: of the grants, as `Grant` names them; empty for all.
    """
    grants = [grant for kind in kinds for grant in getattr(kind, purpose)]
    chosen = {
        allowed
        for grant in grants
        if grant.service not in besides
        and (not services or grant.service in services)
        and (not conditions or (grant.condition or "none") in conditions)
        for allowed in _allowed(grant, values)
    }
    left = {allowed for allowed in chosen if not any(_covers(statement, allowed) for statement in written)}
    return _numbered(purpose, _merged(left))


def _allowed(grant: Grant, values: Mapping[str, Any]) -> Iterator[Allowed]:
    names = {name: values[name] for name in ("partition", "region", "account", "prefix")}
    arns: list[str] = []
    for resource in grant.resources:
        arns += values["arns"][resource] if resource.isidentifier() else [resource.format(**names)]
    condition = _condition(grant.condition, values)
    if grant.condition == "own":
        # EC2 says itself on which types of resources an action is, and policies have no room to say it again.
        arns = list(dict.fromkeys(OF_EC2.sub(r"\1*/*", arn) for arn in arns))
    for action in grant.actions:
        for arn in arns:
            yield action, arn, _text(condition)
            # Whoever makes something in EC2 with tags needs the right to tag it, while it is made.
            if grant.condition == "making" and action.startswith("ec2:"):
                yield "ec2:CreateTags", arn, _text({"StringEquals": {"ec2:CreateAction": action.removeprefix("ec2:")}})


def _condition(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    tags = values["tags"]
    written: dict[str, dict[str, Any]] = {
        "": {},
        "own": {"StringEquals": {f"aws:ResourceTag/{tag}": value for tag, value in tags.items()}},
        "making": {"StringEquals": {f"aws:RequestTag/{tag}": value for tag, value in tags.items()}},
        "bound": {"StringEquals": {"iam:PermissionsBoundary": values["boundary"]}},
        "unclaimed": {"Null": {f"aws:ResourceTag/{tag}": "true" for tag in tags}},
    }
    return written[name]


def _text(condition: Mapping[str, Any]) -> str:
    return json.dumps(condition, sort_keys=True)


def _covers(statement: Statement, allowed: Allowed) -> bool:
    action, arn, condition = allowed
    return (
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, pattern) for pattern in _listed(statement["Action"]))
        and arn in _listed(statement["Resource"])
        and condition == _text(statement.get("Condition", {}))
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _merged(allowed: Iterable[Allowed]) -> dict[tuple[str, tuple[str, ...], str], list[str]]:
    """Returns the actions by service, resources and condition: one statement each."""
    resources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for action, arn, condition in allowed:
        resources[action, condition].add(arn)
    actions: dict[tuple[str, tuple[str, ...], str], list[str]] = defaultdict(list)
    for (action, condition), arns in sorted(resources.items()):
        actions[action.partition(":")[0], tuple(sorted(arns)), condition].append(action)
    return actions


def _numbered(purpose: str, merged: Mapping[tuple[str, tuple[str, ...], str], list[str]]) -> list[Statement]:
    """Returns the statements in an order that does not change; a Sid says purpose and service, and a number."""
    numbers: dict[str, int] = defaultdict(int)
    found = []
    for (service, arns, condition), actions in sorted(merged.items(), key=lambda one: (one[0][0], one[1], one[0])):
        numbers[service] += 1
        body = {"Effect": "Allow", "Action": _single(actions), "Resource": _single(arns)}
        limits = {"Condition": json.loads(condition)} if json.loads(condition) else {}
        found.append({"Sid": f"{purpose.title()}{service.title()}{numbers[service]}"} | body | limits)
    return found


def _single(values: Collection[str]) -> str | list[str]:
    """Returns the only value without its list: policies have no room."""
    return next(iter(values)) if len(values) == 1 else list(values)
