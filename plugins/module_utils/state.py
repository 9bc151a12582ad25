"""What this project's AWS modules share: comparing a wanted state with a found one, and saying the difference.

Everything here is pure: plain dictionaries in, plain dictionaries out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

State = dict[str, Any]


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
    return {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith("aws:")}


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


def as_diff(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the difference in the form that `ansible-playbook --diff` and callbacks understand."""
    fields = differences(wanted, found)
    return {
        "before_header": name,
        "after_header": name,
        "before": {field: found.get(field) for field in fields} if found is not None else {},
        "after": {field: wanted[field] for field in fields},
    }


def error_code(error: Exception) -> str | None:
    """Returns the code of an error that AWS answered with, None for any other error."""
    response = getattr(error, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code
