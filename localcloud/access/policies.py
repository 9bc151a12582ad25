"""IAM's decision about one request: whether the policies of a principal allow an action on a resource.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: an explicit Deny wins, then each
kind of policy that there is must allow. What a refusal says is of
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud import settings

Document = Mapping[str, Any]
Context = Mapping[str, str]
# A policy variable, with or without a default: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
VARIABLE = re.compile(r"(\$\{[^}]*\})")


@dataclass(frozen=True)
class Principal:
    """Who asks. `user_id` is what IAM calls aws:userid, `role_arn` the role of a session.

    `policies` are those of its identity, None for the account's root user, who may do everything. `boundary` and `session`
    bound them: the documents of a permissions boundary and of a session policy, None where there is none. `instance_id` is
    the instance that was given the session as its own.
    """

    arn: str
    user_id: str
    name: str
    role_arn: str = ""
    policies: list[Document] | None = None
    boundary: list[Document] | None = None
    session: list[Document] | None = None
    instance_id: str | None = None

    @property
    def context(self) -> dict[str, str]:
        """The condition keys of every request of its own.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        account = {"aws:PrincipalAccount": settings.ACCOUNT_ID}
        return account | {"aws:userid": self.user_id, "aws:PrincipalArn": self.role_arn or self.arn}


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the values of its condition keys.

    `resource` is an ARN; "*" where IAM knows no narrower one for the action; None where there is one that the local cloud does
    not know: then only what is allowed on all resources is allowed, and what is denied on any is denied.
    """

    action: str
    resource: str | None = "*"
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed; if not, why, in AWS's words."""

    allowed: bool
    reason: str = ""


def decide(principal: Principal, request: Request) -> Decision:
    """Decide on a request of a principal."""
    if principal.policies is None:
        return Decision(allowed=True)
    kinds = {
        "identity-based policy": principal.policies,
        "permissions boundary": principal.boundary,
        "session policy": principal.session,
    }
    known = replace(request, context=principal.context | dict(request.context))
    effects = {kind: _effects(documents, known) for kind, documents in kinds.items() if documents is not None}
    for kind, found in effects.items():
        if "Deny" in found:
            article = "an" if kind.startswith("i") else "a"
            return Decision(allowed=False, reason=f"with an explicit deny in {article} {kind}")
    for kind, found in effects.items():
        if "Allow" not in found:
            return Decision(allowed=False, reason=f"because no {kind} allows the {request.action} action")
    return Decision(allowed=True)


def refusal(principal: Principal, request: Request, decision: Decision) -> str:
    """Return what AWS says of a request that is not allowed."""
    resource = "*" if request.resource is None else request.resource
    asked = f"User: {principal.arn} is not authorized to perform: {request.action} on resource: {resource}"
    return f"{asked} {decision.reason}"


def condition_holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Evaluate a statement's Condition: every operator and every key must match, one value is enough.

    A key that the request does not have fails a condition, except a negated one and one with IfExists. Names of keys have no
    case; those of `context` are in lower case. Raises NotImplementedError for an unknown operator, so that a statement is
    never taken to hold by accident. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    return all(
        _key_holds(operator, key.lower(), [_text(value) for value in _listed(wanted)], context)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _effects(documents: Iterable[Document], request: Request) -> set[str]:
    context = {key.lower(): value for key, value in request.context.items()}
    return {
        statement["Effect"]
        for document in documents
        for statement in _listed(document["Statement"])
        if _matches(statement, request, context)
    }


def _matches(statement: Document, request: Request, context: Context) -> bool:
    denies = statement["Effect"] == "Deny"
    if not _is_among(statement, "Action", lambda pattern: _like(request.action.lower(), pattern.lower(), {})):
        return False
    if request.resource is None:
        if not denies and statement.get("Resource") not in ("*", ["*"]):
            return False
    elif not _is_among(statement, "Resource", lambda pattern: _like(str(request.resource), pattern, context)):
        return False
    try:
        return condition_holds(statement.get("Condition", {}), context)
    except NotImplementedError:
        return denies  # what nobody can evaluate allows nothing and denies


def _is_among(statement: Document, element: str, matches: Callable[[str], bool]) -> bool:
    """Tell whether an element of a statement, or its negation, is about the request."""
    if f"Not{element}" in statement:
        return not any(matches(pattern) for pattern in _listed(statement[f"Not{element}"]))
    return any(matches(pattern) for pattern in _listed(statement.get(element, [])))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _like(found: str, pattern: str, context: Context) -> bool:
    """Tell whether a text fits a pattern with the wildcards * and ?, and variables whose values have none."""
    expression = ""
    for part in VARIABLE.split(pattern):
        if VARIABLE.fullmatch(part):
            value = _value(part, context)
            if value is None:
                return False
            expression += re.escape(value)
        else:
            expression += re.escape(part).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, found, re.DOTALL) is not None


def _equal(found: str, wanted: str, context: Context) -> bool:
    parts = [_value(part, context) if VARIABLE.fullmatch(part) else part for part in VARIABLE.split(wanted)]
    return None not in parts and found == "".join(part or "" for part in parts)


def _value(variable: str, context: Context) -> str | None:
    """Return what stands in the place of a variable; None where it has no value, and so nothing matches."""
    name, _, default = variable[2:-1].partition(",")
    if name in {"*", "?", "$"}:
        return name
    return context.get(name.strip().lower(), default.strip().strip("'") or None)


OPERATORS: dict[str, Callable[[str, str, Context], bool]] = {
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda found, wanted, _: found.lower() == wanted.lower(),
    "NumericEquals": lambda found, wanted, _: float(found) == float(wanted),
    "NumericGreaterThan": lambda found, wanted, _: float(found) > float(wanted),
    "NumericGreaterThanEquals": lambda found, wanted, _: float(found) >= float(wanted),
    "NumericLessThan": lambda found, wanted, _: float(found) < float(wanted),
    "NumericLessThanEquals": lambda found, wanted, _: float(found) <= float(wanted),
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": lambda found, wanted, context: _equal(found.lower(), wanted.lower(), context),
    "StringLike": _like,
}


def _key_holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    name = operator.removesuffix("IfExists")
    found = context.get(key)
    if name == "Null":
        return any((found is None) is (value == "true") for value in wanted)
    negated = "Not" in name
    holds = OPERATORS.get(name.replace("Not", "", 1))
    if holds is None:
        raise NotImplementedError(f"The local cloud does not evaluate the policy condition operator {operator}.")
    if found is None:
        return negated or name != operator
    return negated is not any(holds(found, value, context) for value in wanted)
