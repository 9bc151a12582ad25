"""What the kinds of Elastic Load Balancing share: attributes, and tags."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..refusals import unless_gone
from ..state import State, differences, tag_changes, tags_to_list
from .fields import IDENTITY, Answer, Compared
from .finding import pages, tagged
from .kind import Client, Clients, Scope

TAGS = Answer("DescribeTags", "TagDescriptions", {"ResourceArn": IDENTITY, "Tags": Compared("tags")})
# DescribeTags takes at most twenty ARNs.
AT_ONCE = 20


def found(clients: Clients, scope: Scope, what: str) -> Iterator[dict[str, Any]]:
    """Yields what ELB says of each `LoadBalancer` or `TargetGroup` that carries the tags or is in the VPC."""
    arns = set(tagged(clients, scope, f"elasticloadbalancing:{what.lower()}"))
    operation = {"LoadBalancer": "describe_load_balancers", "TargetGroup": "describe_target_groups"}[what]
    for resource in pages(clients("elbv2"), operation, f"{what}s"):
        if resource[f"{what}Arn"] in arns or (scope.vpc_id and resource.get("VpcId") == scope.vpc_id):
            yield resource


def as_expected(found: Mapping[str, str], given: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Returns attributes as they should be: those given, AWS's defaults for others, and what has none as it is."""
    return {name: defaults.get(name, value) for name, value in found.items()} | dict(given)


def attribute_changes(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns the attributes to set; of logs all, because AWS switches them on with their bucket only."""
    changed = {name for name, value in wanted.items() if found.get(name) != value}
    logs = {name.rpartition(".")[0] for name in changed if ".s3." in name}
    return tags_to_list({name: wanted[name] for name in wanted if name in changed or name.rpartition(".")[0] in logs})


def tags_of(client: Client, arns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yields DescribeTags of each; it refuses all that it is asked for if one has gone, and then is asked for each."""
    every = list(arns)
    for begin in range(0, len(every), AT_ONCE):
        some = every[begin : begin + AT_ONCE]
        read = functools.partial(client.describe_tags, ResourceArns=some)
        answer = unless_gone(read, None)
        if answer is not None:
            yield from answer["TagDescriptions"]
        elif len(some) > 1:
            for arn in some:
                yield from tags_of(client, [arn])


def put_tags(client: Client, arn: str, wanted: State, found: State) -> None:
    """Corrects the tags of a resource."""
    if "tags" in differences(wanted, found):
        added, gone = tag_changes(wanted["tags"], found["tags"])
        if added:
            client.add_tags(ResourceArns=[arn], Tags=tags_to_list(added))
        if gone:
            client.remove_tags(ResourceArns=[arn], TagKeys=gone)
