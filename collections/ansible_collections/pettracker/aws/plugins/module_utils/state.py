"""What this project's AWS modules share: comparing a wanted state with a found one, and saying the difference.

Everything here is pure: plain dictionaries in, plain dictionaries out.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

State = dict[str, Any]

# Tags that begin so are AWS's own: CloudFormation, Auto Scaling and Backup write them.
# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html ("aws: prefix is reserved")
FOREIGN_TAG_PREFIXES = ("aws:",)
# What stands, in check mode, for the id of something that does not exist yet contains this.
UNKNOWN = "to-be-made"


def canonical_policy(policy: str | Mapping[str, Any] | None) -> Any:
    """Returns an IAM policy document in one form, so that equal policies compare equal.

    IAM accepts a lone value and a list of one, treats lists as sets, and returns either; statements are a set as well.
    """
    if policy is None:
        return None
    document = json.loads(policy) if isinstance(policy, str) else dict(policy)
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    return document | {"Statement": sorted((_canonical(statement) for statement in statements), key=_text)}


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        items = sorted((_canonical(item) for item in value), key=_text)
        return items[0] if len(items) == 1 else items
    return str(value).lower() if isinstance(value, bool) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def tags_to_dict(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Returns AWS's list of Key and Value as a dictionary, without the tags that AWS itself sets (`aws:*`)."""
    return {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith(FOREIGN_TAG_PREFIXES)}


def tags_to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns a dictionary of tags as AWS's list of Key and Value, in the order of the keys."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[str]:
    """Returns the names of the fields of `wanted` whose value in `found` is another, all of them if nothing was found.

    Fields that only `found` has belong to somebody else (AWS, autoscaling) and never count.
    """
    if found is None:
        return sorted(wanted)
    return sorted(name for name, value in wanted.items() if found.get(name) != value)


def action_of(wanted: Mapping[str, Any], found: Mapping[str, Any] | None, replacing: Collection[str] = ()) -> str:
    """Returns what has to be done: `none`, `create`, `update`, or `replace` where a field of `replacing` differs."""
    fields = differences(wanted, found)
    if found is None:
        return "create"
    if not fields:
        return "none"
    return "replace" if set(fields) & set(replacing) else "update"


def as_diff(
    name: str,
    wanted: Mapping[str, Any],
    found: Mapping[str, Any] | None,
    replacing: Collection[str] = (),
    interrupts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the difference in the form that `ansible-playbook --diff` and callbacks understand, and the plan builds on.

    Args:
        name: The kind of the resource and its name, the last word: `target group pettracker-dev-service`.
        wanted: The fields that are managed, as they should be.
        found: The same fields as they are; None where there is no such resource.
        replacing: Fields that AWS cannot change, so that the resource is made anew.
        interrupts: For a field, who notices that it is changed, as a sentence; without it nobody does.
    """
    fields = differences(wanted, found)
    sentences = {} if found is None else interrupts or {}
    return {
        "before_header": name,
        "after_header": name,
        "state": {"before": None if found is None else dict(found), "after": dict(wanted)},
        "before": {field: found.get(field) for field in fields} if found is not None else {},
        "after": {field: wanted[field] for field in fields},
        "action": action_of(wanted, found, replacing),
        "interrupts": list(dict.fromkeys(sentences[field] for field in fields if field in sentences)),
    }


def removal(name: str, found: Mapping[str, Any], interrupts: str = "") -> dict[str, Any]:
    """Returns the difference of a resource that is to go, in the form of `as_diff`."""
    return {
        "before_header": name,
        "after_header": name,
        "state": {"before": dict(found), "after": None},
        "before": dict(found),
        "after": {},
        "action": "delete",
        "interrupts": [interrupts] if interrupts else [],
    }


def any_differ(diffs: Iterable[Mapping[str, Any]]) -> bool:
    """Tells whether one of the differences is none in name only. Modules return all, so that a plan knows what stays, too."""
    return any(diff["action"] != "none" for diff in diffs)


def tag_changes(wanted: Mapping[str, str], found: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Returns the tags to set, and the keys of those to remove."""
    added = {key: value for key, value in wanted.items() if found.get(key) != value}
    return added, sorted(set(found) - set(wanted))


def is_unknown(value: Any) -> bool:
    """Tells whether a value, or a part of it, is known only when the plan is applied."""
    if isinstance(value, Mapping):
        return any(is_unknown(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return any(is_unknown(item) for item in value)
    return isinstance(value, str) and UNKNOWN in value


def error_code(error: Exception) -> str | None:
    """Returns the code of an error that AWS answered with, None for any other error."""
    response = getattr(error, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code
