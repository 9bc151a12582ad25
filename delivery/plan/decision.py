"""Two plans of one environment, one that was reviewed and one of now: may what was merged be applied? Pure functions only.

A plan is the JSON that `make plan` writes, in the form of docs/plan.schema.json.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import MADE_BY_APPLY
from ansible_collections.pettracker.aws.plugins.module_utils.state import UNKNOWN, is_unknown

Plan = Mapping[str, Any]
Resource = tuple[str, str]
# What stands for an id, with the word that says of what, and what AWS and this project give in its place: an id of EC2, an ARN,
# or a digest. No address and no name is one, so none can hide behind it.
_PLACEHOLDER = re.compile(rf"[\w-]*{UNKNOWN}[\w-]*")
_MADE = r"(?:[a-z]+-[0-9a-f]{8,17}|arn:aws[\w-]*:[\w:/.-]+|(?:sha256:)?[0-9a-f]{40,64})"


@dataclass(frozen=True)
class Decision:
    """Whether to apply.

    Attributes:
        go: every change that would be made was reviewed.
        reasons: why not, a sentence each.
        done: resources whose reviewed change is no longer needed.
    """

    go: bool
    reasons: tuple[str, ...] = ()
    done: tuple[str, ...] = ()


def reviewed_part(plan: Plan) -> dict[str, Any]:
    """Return what a review is about, in one order: the changes, without the tasks that would make them."""
    changes = [
        {
            "kind": change["kind"],
            "name": change["name"],
            "action": change["action"],
            "fields": sorted(
                ({name: item[name] for name in ("path", "before", "after")} for item in change["fields"]),
                key=lambda item: str(item["path"]),
            ),
            "interrupts": sorted(change["interrupts"]),
        }
        for change in plan["changes"]
    ]
    return {
        "environment": plan["environment"],
        "complete": plan["complete"],
        "changes": sorted(changes, key=lambda change: json.dumps(change, sort_keys=True)),
    }


def decide(reviewed: Plan | None, fresh: Plan) -> Decision:
    """Compare the reviewed plan with that of now.

    It is applied when each change of now was reviewed, with the same values. A reviewed change that is no longer needed is none
    to stop for: an earlier merge has made it, or this one before it was interrupted. An id that was not there yet when it was
    reviewed may be any now, in the fields that the kinds declare (MADE_BY_APPLY), and nothing else may.
    """
    if not fresh["complete"]:
        return Decision(False, ("the plan of now is incomplete: " + "; ".join(fresh["problems"]),))
    if reviewed is None:
        if not fresh["changes"]:
            return Decision(True)
        return Decision(False, (f"{_named(fresh)} would change, and no plan of it was reviewed",))
    if reviewed["environment"] != fresh["environment"]:
        return Decision(False, (f"the reviewed plan is of {reviewed['environment']}, not of {fresh['environment']}",))
    if not reviewed["complete"]:
        return Decision(False, ("the reviewed plan is incomplete, so nobody has seen all that it would change",))
    before, now = _by_resource(reviewed), _by_resource(fresh)
    reasons: list[str] = []
    for resource, changes in now.items():
        left = list(before.get(resource, []))
        for change in changes:
            match = next((seen for seen in left if _agrees(seen, change)), None)
            if match is None:
                reasons.extend(_complaints(resource, left, change))
            else:
                left.remove(match)
    done = tuple(sorted(" ".join(resource) for resource in before.keys() - now.keys()))
    return Decision(not reasons, tuple(reasons), done)


def _named(plan: Plan) -> str:
    names = sorted({f"{change['kind']} {change['name']}" for change in plan["changes"]})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _by_resource(plan: Plan) -> dict[Resource, list[dict[str, Any]]]:
    found: dict[Resource, list[dict[str, Any]]] = {}
    for change in reviewed_part(plan)["changes"]:
        found.setdefault((change["kind"], change["name"]), []).append(change)
    return found


def _agrees(seen: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    same = seen["action"] == change["action"] and set(change["interrupts"]) <= set(seen["interrupts"])
    return same and not list(_differing(seen, change))


def _differing(seen: Mapping[str, Any], change: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yields path, reviewed field and field of now where the two are not the same."""
    left = {item["path"]: item for item in seen["fields"]}
    right = {item["path"]: item for item in change["fields"]}
    for path in sorted({*left, *right}):
        one, other = left.get(path), right.get(path)
        if (
            one is None
            or other is None
            or one["before"] != other["before"]
            or (
                one["after"] != other["after"]
                and not (path in MADE_BY_APPLY.get(change["kind"], ()) and _became(one["after"], other["after"]))
            )
        ):
            yield path, one, other


def _became(reviewed: Any, now: Any) -> bool:
    """Tell whether a value of now is the reviewed one, with ids in place of what stood for them."""
    if isinstance(reviewed, Mapping) and isinstance(now, Mapping):
        return reviewed.keys() == now.keys() and all(_became(reviewed[key], now[key]) for key in reviewed)
    if isinstance(reviewed, list) and isinstance(now, list):
        if len(reviewed) != len(now):
            return False
        # In the order of now: ids are sorted otherwise than what stands for them.
        known = [item for item in reviewed if not is_unknown(item)]
        left = list(now)
        if any(item not in left for item in known):
            return False
        for item in known:
            left.remove(item)
        open_ones = [item for item in reviewed if is_unknown(item)]
        return all(_became(one, other) for one, other in zip(open_ones, left, strict=True))
    if isinstance(reviewed, str) and isinstance(now, str) and UNKNOWN in reviewed:
        known_parts = map(re.escape, _PLACEHOLDER.split(reviewed))
        return re.fullmatch(_MADE.join(known_parts), now) is not None
    return bool(reviewed == now)


def _complaints(resource: Resource, seen: list[dict[str, Any]], change: Mapping[str, Any]) -> Iterator[str]:
    name = " ".join(resource)
    if not seen:
        yield f"{name}: nobody has reviewed that it is to {change['action']}"
        return
    closest = next((other for other in seen if other["action"] == change["action"]), seen[0])
    if closest["action"] != change["action"]:
        yield f"{name}: to {closest['action']} when it was reviewed, to {change['action']} now"
    for sentence in sorted(set(change["interrupts"]) - set(closest["interrupts"])):
        yield f"{name}: the review does not say: {sentence}"
    for path, one, other in _differing(closest, change):
        yield f"{name}: {path} was reviewed as {_field(one)} and is {_field(other)} now"


def _field(item: Mapping[str, Any] | None) -> str:
    if item is None:
        return "left as it is"
    return f"{json.dumps(item['before'], sort_keys=True)} -> {json.dumps(item['after'], sort_keys=True)}"
