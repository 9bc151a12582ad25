"""What kinds of EC2's have in common: how they are found, and the parts of a VPC, which refer to each other.

A part is known by its kind and name, and parts refer to each other by name, never by id, so that a network that does not exist
yet compares like any other.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from ..propagation import NEW_ID, SOON, once_known
from ..state import State, tag_changes, tags_to_dict, tags_to_list
from .fields import IDENTITY, Ignored, Marks, compared
from .finding import pages
from .kind import Answers, Client, Clients, Grant, Kind, Owned, Scope, iso_time

Part = tuple[str, str]  # kind and name
Names = Mapping[str, Part]  # of parts, by their ids
Resource = Mapping[str, Any]
Filter = tuple[str, Sequence[str]]

# Of every resource: whose it is, where it is, and its tags.
PLACE: Marks = {"OwnerId": IDENTITY, "VpcId": Ignored("the VPC in which it was looked for"), **compared(tags="Tags")}


def arns(*types: str) -> tuple[str, ...]:
    """Returns the ARNs of all resources of EC2's of these types."""
    return tuple(f"arn:{{partition}}:ec2:{{region}}:{{account}}:{kind}/*" for kind in types)


def regional_arns(*types: str) -> tuple[str, ...]:
    """Returns the ARNs of all resources of types whose ARNs name no account, such as images and their snapshots."""
    return tuple(f"arn:{{partition}}:ec2:{{region}}::{kind}/*" for kind in types)


# What it takes to correct the tags of anything of the environment's in EC2: for each type, policies have no room.
TAGGING = Grant("ec2", "CreateTags DeleteTags", arns("*"), "own")


def name_of(resource: Resource) -> str | None:
    """Returns what people call it: a name is only a tag, which anybody can take away."""
    return tags_to_dict(resource.get("Tags", [])).get("Name")


def by_name(names: Names, identity: str) -> str:
    """Returns the name of a part; what is none is called by its id."""
    return names[identity][1] if identity in names else identity


def tag_specifications(kind: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns the tags of what is to be made; EC2 refuses an empty list of them."""
    return [{"ResourceType": kind, "Tags": tags_to_list(tags)}] if tags else []


def correct_tags(client: Client, identity: str, tags: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Sets the tags that differ, and removes those that are too much."""
    added, gone = tag_changes(tags, present)
    if added:
        once_known(partial(client.create_tags, Resources=[identity], Tags=tags_to_list(added)), NEW_ID)
    if gone:
        client.delete_tags(Resources=[identity], Tags=[{"Key": key} for key in gone])


class Ec2Kind(Kind):
    """A kind whose describe call filters by tags, and by the VPC.

    Attributes:
        describe: the call of boto3.
        listing: the member of its answer that lists them.
        key: the member that names one.
        place: the filter by the VPC in which one lives; "" for a kind that lives in none.
        alive: the filters that leave out what has gone.
        filters: what the call names its filters.
        besides: what else the call is asked with.
        made_at: the member that says when one was made.
    """

    service = "ec2"
    describe: ClassVar[str]
    listing: ClassVar[str]
    key: ClassVar[str]
    place: ClassVar[str] = "vpc-id"
    alive: ClassVar[tuple[Filter, ...]] = ()
    filters: ClassVar[str] = "Filters"
    besides: ClassVar[Mapping[str, Any]] = {}
    made_at: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        """Grants a look at what the answers are, where the kind grants no other: for EC2 all of these are on everything."""
        if "answers" in vars(cls) and "look" not in vars(cls):
            cls.look = (Grant("ec2", " ".join(sorted(answer.operation for answer in cls.answers))),)

    def listed(self, client: Client, *filters: Filter) -> list[Resource]:
        """Returns those that there are, as EC2 describes them."""
        given = [{"Name": name, "Values": list(values)} for name, values in (*filters, *self.alive)]
        return list(pages(client, self.describe, self.listing, **self.besides, **{self.filters: given}))

    def comes_with_another(self, resource: Resource) -> bool:
        """Tells whether it comes and goes with something that is owned itself."""
        return bool(resource.get("IsDefault"))

    def found(self, clients: Clients, scope: Scope) -> Iterator[Resource]:
        """Yields what carries the tags, and then what else is in the VPC, each once."""
        searches: list[list[Filter]] = [[(f"tag:{name}", [value]) for name, value in scope.tags.items()]]
        if scope.vpc_id and self.place:
            searches.append([(self.place, [scope.vpc_id])])
        seen: set[str] = set()
        for filters in searches:
            for resource in self.listed(clients("ec2"), *filters):
                if resource[self.key] not in seen and not self.comes_with_another(resource):
                    seen.add(resource[self.key])
                    yield resource

    def belongs_to(self, resource: Resource) -> str:
        """Returns what it comes and goes with."""
        return ""

    def since(self, resource: Resource) -> str:
        """Returns when it was made."""
        made = resource.get(self.made_at)
        return iso_time(made) if made else ""

    def priced(self, resource: Resource) -> State:
        """Returns what its price depends on."""
        return {}

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        for resource in self.found(clients, scope):
            name, since, owner = name_of(resource) or "", self.since(resource), self.belongs_to(resource)
            yield Owned(resource[self.key], name, since, belongs_to=owner, fields=self.priced(resource))


@dataclass(frozen=True)
class Site:
    """A VPC that is made or corrected.

    Attributes:
        ec2: the client.
        region: where.
        ids: of its parts, as far as they are made.
        listed: what there was in the VPC before, by kind.
    """

    ec2: Client
    region: str
    ids: dict[Part, str]
    listed: Mapping[str, list[Resource]]

    @property
    def vpc_id(self) -> str:
        return next(identity for (kind, _), identity in self.ids.items() if kind == "VPC")

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Makes one call, again while EC2 does not know an id in it, and none of those that have been answered."""
        answer: dict[str, Any] = once_known(partial(getattr(self.ec2, operation), **request), NEW_ID)
        return answer

    def wait(self, waiter: str, patience: Mapping[str, int] = SOON, **ids: list[str]) -> None:
        """Waits for what has just been made; most waiters of botocore fail where EC2 does not know an id yet."""
        once_known(partial(self.ec2.get_waiter(waiter).wait, WaiterConfig=patience, **ids), NEW_ID)


class VpcPart(Ec2Kind):
    """A kind that `network` makes one or several of in a VPC.

    Attributes:
        tagged_as: EC2's name of the kind, for the tags of what is made.
        creation: the call of boto3 that makes one, and the member of its answer that describes it.
        waiter: what waits until EC2 knows it; "" where what comes next waits itself.
        interrupts: who notices that a field is changed.
        fixed: the fields that AWS cannot change.
    """

    tagged_as: ClassVar[str]
    creation: ClassVar[tuple[str, str]]
    waiter: ClassVar[str] = ""
    interrupts: ClassVar[Mapping[str, str]] = {}
    fixed: ClassVar[tuple[str, ...]] = ()

    def read(self, client: Client, resource: Resource) -> Answers:
        """Returns AWS's answers about one that has been listed."""
        return {self.answers[0].operation: resource}

    def named(self, state: State, names: Names) -> State:
        """Returns a state in which parts are called by their names. Pure."""
        return state

    def request(self, site: Site, name: str, wanted: State) -> dict[str, Any]:
        """Returns the parameters of the call that makes one, apart from its tags."""
        return {"VpcId": site.vpc_id}

    def make(self, site: Site, name: str, wanted: State) -> str:
        """Makes one, and returns its id; what its call does not take is corrected then."""
        call, member = self.creation
        answer = site.call(call, **self.request(site, name, wanted), TagSpecifications=self.tags(wanted))
        made = str(answer[member][self.key])
        if self.waiter:
            site.wait(self.waiter, SOON, **{f"{self.key}s": [made]})
        return made

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        """Corrects the fields of one that differ, all of one without `answers`, which has just been made."""

    def tags(self, wanted: State) -> list[dict[str, Any]]:
        """Returns the tags of one that is made."""
        return tag_specifications(self.tagged_as, wanted["tags"])
