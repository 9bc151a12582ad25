"""What the kinds of Elastic Load Balancing share: attributes, and tags."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ..refusals import unless_gone
from ..state import State, tags_to_list
from .fields import IDENTITY, Answer, compared, snake
from .finding import pages, tagged
from .kind import Answers, Client, Clients, Kind, Scope, set_tags

TAGS = Answer("DescribeTags", "TagDescriptions", {"ResourceArn": IDENTITY, **compared(tags="Tags")})
# What IAM calls the service.
ELB = "elasticloadbalancing"
# DescribeTags takes at most twenty ARNs.
AT_ONCE = 20


class ElbKind(Kind):
    """A balancer or a target group.

    Attributes:
        what: as ELB calls it: `LoadBalancer`.
    """

    service = "elbv2"
    what: ClassVar[str]

    def found(self, clients: Clients, scope: Scope) -> Iterator[dict[str, Any]]:
        """Yields what ELB says of each that carries the tags or is in the VPC."""
        arns = set(tagged(clients, scope, f"{ELB}:{self.what.lower()}"))
        for resource in pages(clients("elbv2"), snake(self.answers[0].operation), self.answers[0].path):
            if resource[f"{self.what}Arn"] in arns or (scope.vpc_id and resource.get("VpcId") == scope.vpc_id):
                yield resource

    def read(self, clients: Clients, name: str) -> Answers:
        """Returns AWS's answers about the one of that name; nothing where there is none."""
        client, (described, *others) = clients("elbv2"), self.answers
        describe = getattr(client, snake(described.operation))
        there = unless_gone(lambda: describe(Names=[name])[described.path], [])
        if not there:
            return {}
        by_arn = {f"{self.what}Arn": there[0][f"{self.what}Arn"]}
        found = {one.operation: getattr(client, snake(one.operation))(**by_arn) for one in others if one is not TAGS}
        return {described.operation: there[0], TAGS.operation: next(tags_of(client, by_arn.values())), **found}


def elb_arns(kind: str) -> tuple[str, ...]:
    """Returns the ARNs of what carries the environment's name, of one type."""
    return (f"arn:{{partition}}:{ELB}:{{region}}:{{account}}:{kind}/{{prefix}}-*",)


def as_expected(found: Mapping[str, str], given: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, str]:
    """Returns attributes as they should be: those given, AWS's defaults for others, and what has none as it is."""
    others = {name: defaults.get(name, value) for name, value in found.items()}
    return others | {name: str(value) for name, value in given.items()}


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
        read = partial(client.describe_tags, ResourceArns=some)
        answer = unless_gone(read, None)
        if answer is not None:
            yield from answer["TagDescriptions"]
        elif len(some) > 1:
            for arn in some:
                yield from tags_of(client, [arn])


def put_tags(client: Client, arn: str, wanted: State, found: State) -> None:
    """Corrects the tags of a resource."""
    set_tags(wanted, found, partial(client.add_tags, ResourceArns=[arn]), partial(client.remove_tags, ResourceArns=[arn]))
