"""Whether policies allow one action of Session Manager: as much of IAM's evaluation as statements about sessions use.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Document = Mapping[str, Any]


def allows(documents: Iterable[Document], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Tell whether a statement allows `action` on the ARN `resource` and none denies it.

    `context` has the values of condition keys and of policy variables. A condition that this does not know is not met.
    """
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _listed(document["Statement"])
        if _matches(statement, action, resource, context)
    }
    return effects == {"Allow"}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(statement: Document, action: str, resource: str, context: Mapping[str, str]) -> bool:
    actions = [pattern.lower() for pattern in _listed(statement.get("Action", []))]
    resources = [_filled(pattern, context) for pattern in _listed(statement.get("Resource", []))]
    return (
        any(fnmatchcase(action.lower(), pattern) for pattern in actions)
        and any(fnmatchcase(resource, pattern) for pattern in resources)
        and all(
            _meets(operator, key, _listed(values), context)
            for operator, tests in statement.get("Condition", {}).items()
            for key, values in tests.items()
        )
    )


def _meets(operator: str, key: str, wanted: list[str], context: Mapping[str, str]) -> bool:
    if key not in context:
        return operator.endswith("IfExists")
    found, patterns = context[key], [_filled(value, context) for value in wanted]
    match operator.removesuffix("IfExists"):
        case "StringEquals" | "ArnEquals":
            return found in patterns
        case "StringLike" | "ArnLike":
            return any(fnmatchcase(found, pattern) for pattern in patterns)
    return False


def _filled(text: str, context: Mapping[str, str]) -> str:
    """Put the values of policy variables, such as ${aws:userid}, in their places."""
    for name, value in context.items():
        text = text.replace(f"${{{name}}}", value)
    return text
