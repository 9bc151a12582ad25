"""From what tasks return to a plan: which resources change, in which fields, from what to what. Pure functions only.

The normal form of a difference is an entry of a task's `diff` as `state.as_diff` makes it: `before_header` (kind and name),
`before` and `after` (dictionaries of fields), `action` and `interrupts`. Entries of other modules are taken as far as they go,
and a task that would change something without saying what is part of the plan as well, marked as not seen.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..kinds.fields import foreign
from ..kinds.registry import KINDS
from ..state import is_unknown

SCHEMA_VERSION = 3
# `unknown`: a task would change something, and its module does not say what.
ACTIONS = ("create", "update", "replace", "delete", "unknown")
# What tasks announce that is no resource of AWS's, and its fields whose values are made by an apply.
ANNOUNCED: Mapping[str, tuple[str, ...]] = {"model": (), "wheelhouse": ("sha256",)}
# Fields, by kind, that hold ids of what an apply makes. What was reviewed with an unknown value in any other field is not what
# a merge applies.
MADE_BY_APPLY = {**{kind.name: kind.made_by_apply for kind in KINDS if kind.made_by_apply}, **ANNOUNCED}
# Keys by which the entries of a list are told apart, so that a changed one is named instead of the whole list.
LIST_KEYS = ("Sid", "name", "Name", "Key")


@dataclass(frozen=True)
class Field:
    """One field: its path in the resource, what it is and what it should be (None: not there)."""

    path: str
    before: Any
    after: Any
    unknown: bool = False


@dataclass(frozen=True)
class Change:
    """One resource that is made, changed or removed.

    Attributes:
        kind: as modules call it: `security group`; `task` where a module does not say what it changes.
        action: one of ACTIONS.
        interrupts: who notices, a sentence each.
        task: the task that would do it.
    """

    kind: str
    name: str
    action: str
    fields: tuple[Field, ...] = ()
    interrupts: tuple[str, ...] = ()
    task: str = ""

    @property
    def resource(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Resource:
    """The fields of one resource that are managed, all of them, changed or not (None: there is no such resource)."""

    kind: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Stray:
    """Something of the environment that no task manages.

    Attributes:
        identity: by which AWS knows it; of a part of a resource, that resource's name, a slash and its own.
        name: by which people know it, "" where that is no other.
        since: when it was made, "" where AWS does not say.
        monthly_usd: what it costs a month, "" where that is not known or nothing.
    """

    identity: str
    name: str = ""
    since: str = ""
    monthly_usd: str = ""


@dataclass(frozen=True)
class Plan:
    """All changes of one run, what kept it from being complete, every resource seen, and, for drift, what nobody manages."""

    environment: str
    changes: tuple[Change, ...] = ()
    resources: tuple[Resource, ...] = ()
    problems: tuple[str, ...] = ()
    unmanaged: Mapping[str, tuple[Stray, ...]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.changes and not self.unmanaged

    def counts(self) -> dict[str, int]:
        """Returns how many resources meet with each action."""
        return {action: sum(change.action == action for change in self.changes) for action in ACTIONS}


def changed_fields(before: Any, after: Any, path: str = "") -> Iterator[Field]:
    """Yields the fields that differ, as deep as both sides are dictionaries, or lists whose entries have names."""
    if before == after:
        return
    left, right = _by_name(before), _by_name(after)
    nested = left is not None and right is not None and (left or right)
    if not nested:
        yield Field(path, before, after, is_unknown(after))
        return
    for key in sorted({*(left or {}), *(right or {})}):
        inner = f"{path}.{key}" if path else str(key)
        yield from changed_fields((left or {}).get(key), (right or {}).get(key), inner)


def _by_name(value: Any) -> dict[str, Any] | None:
    """Returns a dictionary, or a list of named dictionaries as one, with texts as keys; None for anything else."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for key in LIST_KEYS:
            names = [str(item.get(key)) for item in value]
            if all(key in item for item in value) and len(set(names)) == len(names):
                return {
                    name: {inner: entry for inner, entry in item.items() if inner != key}
                    for name, item in zip(names, value, strict=True)
                }
    return None


def change_of(diff: Mapping[str, Any], task: str) -> Change | None:
    """Returns an entry of a task's `diff` as a change; None if nothing differs, or it is no difference of fields."""
    before, after = (_fields(diff.get(side)) for side in ("before", "after"))
    action = diff.get("action")
    if before is None or after is None or action == "none":
        return None
    differing = tuple(changed_fields(before, after))
    if not differing and not action:
        return None
    kind, _, name = str(diff.get("before_header") or f"task {task}").rpartition(" ")
    if "before_header" not in diff:
        kind, name = "task", task
    action = action or ("create" if not before else "update" if after else "delete")
    return Change(kind, name, action, differing, tuple(diff.get("interrupts", ())), task)


def _fields(side: Any) -> dict[str, Any] | None:
    """Returns one side of a diff as a dictionary; modules of Ansible's own also write JSON, or texts that are none."""
    if isinstance(side, Mapping):
        return dict(side)
    if side in (None, ""):
        return {}
    try:
        decoded = json.loads(side)
    except (TypeError, ValueError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _rounds(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the results of each round of a loop; of a task without one, its own."""
    if not isinstance(result.get("results"), list):
        return [result]
    return [item for item in result["results"] if isinstance(item, Mapping)]


def _diffs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    diffs = result.get("diff") or []
    return diffs if isinstance(diffs, list) else [diffs]


def changes_of(result: Mapping[str, Any], task: str) -> list[Change]:
    """Returns the changes that a task's result tells of: of each round of a loop, and of each entry of its `diff`."""
    if isinstance(result.get("results"), list):
        return [change for item in _rounds(result) for change in changes_of(item, _label(task, item))]
    if not result.get("changed"):
        return []
    changes = [change for entry in _diffs(result) if (change := change_of(entry, task)) is not None]
    return changes or [Change("task", task, "unknown", task=task)]


def resources_of(result: Mapping[str, Any]) -> Iterator[Resource]:
    """Yields the resources that a task's result describes as a whole, those that do not change as well."""
    for diff in (diff for item in _rounds(result) for diff in _diffs(item)):
        if "state" in diff:
            kind, _, name = str(diff["before_header"]).rpartition(" ")
            yield Resource(kind, name, diff["state"]["before"], diff["state"]["after"])


def _label(task: str, item: Mapping[str, Any]) -> str:
    label = item.get("_ansible_item_label", item.get("item", ""))
    return f"{task} ({label})" if isinstance(label, str | int) and label != "" else task


def named_in(result: Mapping[str, Any], key: str) -> dict[str, set[str]]:
    """Returns what a task's result names by kind under `key`: the ids that it manages, or the parts that are `nobodys`."""
    named: dict[str, set[str]] = {}
    for item in _rounds(result):
        for kind, identities in (item.get(key) or {}).items():
            named.setdefault(kind, set()).update(identities)
    return named


def joined(parts: Sequence[Plan]) -> Plan:
    """Returns the parts of one environment's plan, which were made side by side, as one; no part knows what is unmanaged."""
    return Plan(
        environment=parts[0].environment,
        changes=tuple(change for part in parts for change in part.changes),
        resources=tuple({(found.kind, found.name): found for part in parts for found in part.resources}.values()),
        problems=tuple(problem for part in parts for problem in part.problems),
    )


def from_json(document: Mapping[str, Any]) -> Plan:
    """Returns the plan of which `as_json` has made a document."""
    changes = [
        Change(**one | {"fields": tuple(Field(**item) for item in one["fields"]), "interrupts": tuple(one["interrupts"])})
        for one in document["changes"]
    ]
    return Plan(
        environment=document["environment"],
        changes=tuple(changes),
        resources=tuple(Resource(**resource) for resource in document["resources"]),
        problems=tuple(document["problems"]),
        unmanaged={kind: tuple(Stray(**one) for one in found) for kind, found in document["unmanaged"].items()},
    )


def checked(plan: Plan) -> Plan:
    """Returns a plan that somebody else's code wrote: what is unknown, it does not say but its values do.

    Raises:
        ValueError: an action is none.
    """
    for change in plan.changes:
        if change.action not in ACTIONS:
            raise ValueError(f"{change.action!r} is no action")
    changes = (
        replace(one, fields=tuple(replace(item, unknown=is_unknown(item.after)) for item in one.fields)) for one in plan.changes
    )
    return replace(plan, changes=tuple(changes))


def as_json(plan: Plan) -> dict[str, Any]:
    """Returns a plan in the form that docs/plan.schema.json describes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": plan.environment,
        "complete": not plan.problems,
        "problems": list(plan.problems),
        "summary": plan.counts(),
        "changes": [
            asdict(change) | {"fields": [asdict(item) for item in change.fields], "interrupts": list(change.interrupts)}
            for change in plan.changes
        ],
        "resources": [asdict(resource) for resource in plan.resources],
        "unmanaged": {kind: [asdict(one) for one in found] for kind, found in plan.unmanaged.items()},
        "not_compared": {kind.name: fields for kind in KINDS if (fields := foreign(kind.answers))},
    }
