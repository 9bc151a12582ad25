"""IAM's decision about one request, as far as the policies of this project need it.

A Deny that matches wins, then an Allow; an operator matches where its key is absent only with IfExists. What is not
known here is an error, not a match. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Document = dict[str, Any]
VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the condition keys that AWS would know of it."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource} with {dict(self.context)}"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allows(documents: Iterable[Document], request: Request) -> bool:
    """Whether identity policies allow the request."""
    effects = [
        statement["Effect"] for document in documents for statement in document["Statement"] if matches(statement, request)
    ]
    return "Deny" not in effects and "Allow" in effects


def matches(statement: Document, request: Request) -> bool:
    assert not {"NotAction", "NotResource"} & set(statement), statement
    if not any(fnmatchcase(request.action.lower(), pattern.lower()) for pattern in as_list(statement["Action"])):
        return False
    if not any(_like(request.resource, pattern, request) for pattern in as_list(statement.get("Resource", "*"))):
        return False
    return all(_holds(operator, keys, request) for operator, keys in statement.get("Condition", {}).items())


def _holds(operator: str, keys: Mapping[str, Any], request: Request) -> bool:
    operator, if_exists = operator.removesuffix("IfExists"), operator.endswith("IfExists")
    for key, wanted in keys.items():
        if key not in request.context:
            if if_exists:
                continue
            return False
        value = request.context[key]
        if operator == "StringEquals":
            held = any(value == _filled(pattern, request) for pattern in as_list(wanted))
        elif operator == "StringLike":
            held = any(_like(value, pattern, request) for pattern in as_list(wanted))
        else:
            raise AssertionError(f"the operator {operator} is not known here")
        if not held:
            return False
    return True


def _like(value: str, pattern: str, request: Request) -> bool:
    return fnmatchcase(value, _filled(pattern, request).replace("[", "[[]"))


def _filled(pattern: str, request: Request) -> str:
    return VARIABLE.sub(lambda found: request.context[found[1]], pattern)
