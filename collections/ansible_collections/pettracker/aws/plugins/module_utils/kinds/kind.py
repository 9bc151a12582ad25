"""What a kind of AWS resource is: everything that the project knows of one sort of resource, in one file of this folder.

Plan, drift, what nobody manages, teardown, the policies of the workflows' roles, the bill and the table in the docs derive from
it. A kind that a list of variables describes is kept by `keeping.keep`; one that hangs together with others has a module that
uses its parts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from ..state import State, tag_changes, tags_to_dict, tags_to_list
from .charges import Fields, Item, Place
from .fields import Answer, Deviation, deviations, nobodys

Client = Any
Clients = Callable[[str], Client]
Tags = Mapping[str, str]
# What AWS says of one resource: by operation, the described structure, or the list of them. Empty where there is none.
Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """Where an environment's resources are looked for.

    Attributes:
        tags: what each of them carries.
        vpc_id: of the environment's VPC, whatever lives in which is looked at too; "" for tags alone.
        prefix: with what the names of its roles and budgets begin, whose lists have no tags; "" to read the tags of all.
    """

    tags: Tags
    vpc_id: str = ""
    prefix: str = ""

    @property
    def tag_filters(self) -> list[dict[str, Any]]:
        """The filters of EC2 and of Auto Scaling for what carries the tags."""
        return [{"Name": f"tag:{key}", "Values": [value]} for key, value in self.tags.items()]

    def carried_by(self, tags: list[dict[str, str]]) -> bool:
        """Tells whether a resource with these tags belongs to the environment."""
        return self.tags.items() <= tags_to_dict(tags).items()


def iso_time(time: datetime) -> str:
    """Returns a time as AWS writes it."""
    return time.isoformat(timespec="seconds")


@dataclass(frozen=True)
class Owned:
    """A resource that was found by tags or place.

    Attributes:
        identity: by which AWS knows it.
        name: by which people know it, where that is another.
        since: when it was made, as AWS writes times; "" where AWS does not say.
        belongs_to: what it comes and goes with, `Auto Scaling group pettracker-dev-service`; "" for a thing of its own.
        fields: what its price depends on, in the fields of the kind's state.
    """

    identity: str
    name: str = ""
    since: str = ""
    belongs_to: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant:
    """What one statement of a policy allows.

    Attributes:
        service: whose actions these are, as IAM calls it.
        names: of the actions, which spaces separate.
        resources: ARNs with {partition}, {region}, {account} and {prefix}, with which the environment's own names begin; or the
            name of a list of ARNs of `roles/identity`, such as `buckets`.
        condition: `own` for what carries the environment's tags, `making` for what is made with them, `bound` for roles inside
            the environment's permissions boundary, `unclaimed` for what carries no environment's tags; "" for none.
    """

    service: str
    names: str
    resources: tuple[str, ...] = ("*",)
    condition: str = ""

    @property
    def actions(self) -> list[str]:
        """The actions as IAM writes them."""
        return [f"{self.service}:{name}" for name in self.names.split()]


class Kind:
    """One kind; instances hold nothing, the registry has one of each."""

    # As plans, guard rails, bills and people call it.
    name: ClassVar[str]
    # The client of boto3.
    service: ClassVar[str]
    # Everything that AWS describes of one.
    answers: ClassVar[tuple[Answer, ...]] = ()
    # Values with which a test fills fields of the answers that have a form of their own, by path: {"GetPolicy.Policy": "{}"}; a
    # pair where the changed one needs that form, too.
    samples: ClassVar[Mapping[str, Any]] = {}
    # Who decides which there are, where no variable names them: no drift report asks who wanted them.
    members: ClassVar[str] = ""
    # Whether an environment's end is the end of each; what `make bootstrap` makes goes with `make unbootstrap`.
    torn_down: ClassVar[bool] = True
    # Fields of the state that hold ids of what an apply makes, so that a plan made before can only say what they are of.
    made_by_apply: ClassVar[tuple[str, ...]] = ()
    # Why one costs nothing, or what its price is a part of, where `charges` has nothing to say.
    free: ClassVar[str] = ""
    # For looking, for making and changing, and for removing.
    look: ClassVar[tuple[Grant, ...]] = ()
    change: ClassVar[tuple[Grant, ...]] = ()
    removal: ClassVar[tuple[Grant, ...]] = ()
    # The call that removes one, and its parameter that names it, where there is no more to it.
    delete: ClassVar[tuple[str, str]]

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        """Yields each that carries the tags, or is in the VPC."""
        raise NotImplementedError

    def remove(self, clients: Clients, identity: str) -> None:
        """Removes one. Raises AWS's refusals."""
        call, parameter = self.delete
        getattr(clients(self.service), call)(**{parameter: identity})

    def state(self, answers: Answers) -> State:
        """Returns the fields that the project compares, from AWS's answers. Pure."""
        raise NotImplementedError

    def deviations(self, answers: Answers) -> list[Deviation]:
        """Returns the fields of which the project sets nothing, and that are not as AWS has them then."""
        return [found for answer in self.answers for found in deviations(answer, answers.get(answer.operation))]

    def nobodys(self, answers: Answers, declared: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        """Returns the names of the parts that nothing declares, by what they are called."""
        parts: dict[str, list[str]] = {}
        for answer in self.answers:
            for kind, name in nobodys(answer, answers.get(answer.operation), declared):
                parts.setdefault(kind, []).append(name)
        return parts

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        """Yields what one with these fields of its state adds to a bill, and what of it has no price. Pure."""
        yield from ()


def as_set(wanted: State, found: State | None, others: list[Deviation]) -> tuple[State, State | None]:
    """Returns both states with the fields of which the project sets nothing, where AWS has them otherwise."""
    if found is None:
        return wanted, None
    return (wanted | {other.path: other.mark.value for other in others}, found | {other.path: other.value for other in others})


def set_tags(wanted: State, found: State, tag: Callable[..., Any], untag: Callable[..., Any]) -> None:
    """Sets the tags that differ by the one call, and removes by the other what is too much."""
    added, gone = tag_changes(wanted["tags"], found["tags"])
    if added:
        tag(Tags=tags_to_list(added))
    if gone:
        untag(TagKeys=gone)


def put_back(client: Client, others: list[Deviation], **identity: Any) -> None:
    """Makes the calls of the marks of `others`, with `identity` as the parameters that name the resource."""
    for other in others:
        if other.mark.by:
            getattr(client, other.mark.by)(**identity, **{other.mark.parameter or other.member: other.mark.value})
