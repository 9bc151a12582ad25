"""What the project makes of each field that AWS describes a resource with. Pure functions only.

Every member of the structures that an `Answer` names has a mark, as botocore's service models describe them: `Compared` where
the kind reads it into its state, `Default` where the project sets nothing and AWS's own value is expected, `Foreign` where
somebody else decides it, `Ignored` where it decides nothing, `Nobodys` where each entry is one that nothing declares. A mark
for a structure goes for all that is in it; a dictionary in its place marks the members one by one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What AWS says of a field that nobody has set: nothing, or one of these.
EMPTY: tuple[Any, ...] = (None, "", [], {}, False, 0)


@dataclass(frozen=True)
class Compared:
    """The kind's `state` reads the field."""

    field: str


@dataclass(frozen=True)
class Default:
    """The project sets nothing, and any other value is put back.

    Attributes:
        value: AWS's own; None stands for everything that is empty.
        by: the call that puts it back, whose parameter for it is called as the field; "" where the kind itself does.
        parameter: what the parameter is called, where it is not called as the field.
    """

    value: Any
    by: str = ""
    parameter: str = ""


@dataclass(frozen=True)
class Foreign:
    """Who decides the field. Neither compared nor put back."""

    owner: str


@dataclass(frozen=True)
class Ignored:
    """Why nobody has to look at the field: it follows from others, names the resource, or can never be changed."""

    reason: str


@dataclass(frozen=True)
class Nobodys:
    """Entries that nothing declares: shown by `make drift`, and left alone.

    Attributes:
        kind: what one is called.
        key: its member that names it.
    """

    kind: str
    key: str


Mark = Compared | Default | Foreign | Ignored | Nobodys
Marks = Mapping[str, "Mark | Marks"]

IDENTITY = Ignored("names the resource")
TIME = Ignored("when it was made or changed")
FIXED = Ignored("AWS lets nobody change it; another value would be another resource")
STATUS = Ignored("a measure or a state, which changes by itself")
META = Ignored("about the answer itself")
UNSET = Default(None)


def each(mark: Mark, members: str) -> dict[str, Mark]:
    """Returns the same mark for each of these members, which spaces separate."""
    return dict.fromkeys(members.split(), mark)


def compared(**fields: str) -> dict[str, Mark]:
    """Returns the marks of members that the kind's `state` reads: by the field, the member or members that it comes of."""
    return {member: Compared(field) for field, members in fields.items() for member in members.split()}


@dataclass(frozen=True)
class Answer:
    """An answer that describes a resource, or a part of it.

    Attributes:
        operation: as botocore calls it: `DescribeLogGroups`.
        path: of the described structures in the answer, `logGroups` or `Reservations.Instances`; "" for the whole answer.
        marks: of their members.
        service: whose operation it is, where it is not the kind's.
        many: whether it is a list of parts, such as a group's policies, and not the resource.
        key: of a list, the member that names an entry.
        either: members of which AWS gives one group only: ((("LaunchTemplate",), ("MixedInstancesPolicy",)),). A path has dots.
        under: what its fields are part of in a plan, where their names alone do not say it.
    """

    operation: str
    path: str
    marks: Marks
    service: str = ""
    many: bool = False
    key: str = ""
    either: tuple[tuple[tuple[str, ...], ...], ...] = ()
    under: str = ""


@dataclass(frozen=True)
class Deviation:
    """A field that is not as it is when nobody sets it.

    Attributes:
        path: of the field in a plan: `health_check_type`, `metadata_options.http_endpoint`.
        value: what it is.
        mark: what it should be, and how it gets there.
        member: its name in AWS's answer.
    """

    path: str
    value: Any
    mark: Default
    member: str


def snake(name: str) -> str:
    """Returns a name of AWS's API as variables are written: `VPCZoneIdentifier` is `vpc_zone_identifier`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def deviations(answer: Answer, described: Any) -> Iterator[Deviation]:
    """Yields the fields of an answer that AWS would give another value to; of a list, those of each entry under its name."""
    under = f"{answer.under}." if answer.under else ""
    for entry in _entries(answer, described):
        prefix = f"{under}{entry.get(answer.key, '')}." if answer.many else under
        for path, member, mark, value in _walk(answer.marks, entry, prefix):
            if isinstance(mark, Default):
                expected = value in EMPTY if mark.value is None else value == mark.value or value is None
                if not expected:
                    yield Deviation(path, value, mark, member)


def nobodys(answer: Answer, described: Any, declared: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Yields kind and name of each entry that nothing declares."""
    for entry in _entries(answer, described):
        for _, _, mark, value in _walk(answer.marks, entry):
            if isinstance(mark, Nobodys):
                for one in _listed(value):
                    name = str(one.get(mark.key) if isinstance(one, Mapping) else one)
                    if name not in declared:
                        yield mark.kind, name


def _entries(answer: Answer, described: Any) -> list[Any]:
    return (described or []) if answer.many else [described or {}]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _walk(marks: Marks, described: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, Mark, Any]]:
    """Yields path, name, mark and value of each member, and of those of the structures in it."""
    for member, mark in marks.items():
        path, value = f"{prefix}{snake(member)}", described.get(member)
        if isinstance(mark, Mapping):
            for entry in _listed(value):
                yield from _walk(mark, entry, f"{path}.")
        else:
            yield path, member, mark, value


def foreign(answers: tuple[Answer, ...]) -> dict[str, str]:
    """Returns who decides the fields that somebody else decides, by their paths."""
    return {path: mark.owner for answer in answers for path, mark in _flat(answer.marks) if isinstance(mark, Foreign)}


def defaults(answers: tuple[Answer, ...]) -> list[str]:
    """Returns the paths of the fields that nobody sets, and that are put back."""
    return [path for answer in answers for path, mark in _flat(answer.marks) if isinstance(mark, Default)]


def undeclared(answers: tuple[Answer, ...]) -> list[str]:
    """Returns what the parts are called that are shown where nothing declares them."""
    marks = [mark for answer in answers for _, mark in _flat(answer.marks)]
    return sorted({mark.kind for mark in marks if isinstance(mark, Nobodys)})


def _flat(marks: Marks, prefix: str = "") -> Iterator[tuple[str, Mark]]:
    for member, mark in marks.items():
        path = f"{prefix}{snake(member)}"
        if isinstance(mark, Mapping):
            yield from _flat(mark, f"{path}.")
        else:
            yield path, mark
