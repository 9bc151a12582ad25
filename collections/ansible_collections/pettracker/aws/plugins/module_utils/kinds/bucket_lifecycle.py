"""The life cycle of a bucket, in one form. Pure functions only.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..state import State

# What a rule does after some days: our name, the action and its argument.
DAYS = {
    "expire_days": ("Expiration", "Days"),
    "noncurrent_days": ("NoncurrentVersionExpiration", "NoncurrentDays"),
    "abort_upload_days": ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
}


def wanted_lifecycle(rules: Iterable[Mapping[str, Any]]) -> State:
    """Returns the module's `lifecycle_rules` in the form of `lifecycle_state`. No days, or 0 of them, are no action.

    A deletion in a bucket with versions leaves a marker. Where objects expire, S3 removes markers that hide nothing by itself;
    elsewhere it is asked to, which cannot be said beside days:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html
    """
    wanted = {}
    for rule in rules:
        days = {name: rule[name] for name in DAYS if rule.get(name)}
        markers = {"remove_markers": True} if "noncurrent_days" in days and "expire_days" not in days else {}
        wanted[rule["id"]] = {"enabled": True, "prefix": rule["prefix"]} | days | markers
    return wanted


def lifecycle_state(rules: Iterable[Mapping[str, Any]]) -> State:
    """Returns S3's rules by their IDs, in one form: an empty filter, an empty prefix in it and one beside it are the same.

    What the module does not set, such as transitions and tags in a filter, is in `other`.
    """
    return {rule["ID"]: _rule_state(rule) for rule in rules}


def _rule_state(rule: Mapping[str, Any]) -> State:
    rest = {key: dict(value) if isinstance(value, Mapping) else value for key, value in rule.items() if key != "ID"}
    state: State = {"enabled": rest.pop("Status") == "Enabled"}
    state["prefix"] = (rest if "Prefix" in rest else rest.get("Filter") or {}).pop("Prefix", "")
    for name, (action, key) in DAYS.items():
        if days := (rest.get(action) or {}).pop(key, None):
            state[name] = int(days)
    if (rest.get("Expiration") or {}).pop("ExpiredObjectDeleteMarker", False):
        state["remove_markers"] = True
    other = {key: str(value) for key, value in sorted(rest.items()) if value}
    return state | ({"other": other} if other else {})


def lifecycle_request(lifecycle: Mapping[str, State]) -> list[dict[str, Any]]:
    """Returns wanted rules as S3 takes them."""
    rules = []
    for identity, state in lifecycle.items():
        actions: dict[str, Any] = {action: {key: state[name]} for name, (action, key) in DAYS.items() if name in state} | (
            {"Expiration": {"ExpiredObjectDeleteMarker": True}} if "remove_markers" in state else {}
        )
        rules.append({"ID": identity, "Filter": {"Prefix": state["prefix"]}, "Status": "Enabled"} | actions)
    return rules
