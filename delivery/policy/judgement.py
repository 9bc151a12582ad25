"""The guard rails: rules about a plan's resources, as data, and the waivers of an environment. Pure functions only."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from delivery.documents import Document
from delivery.errors import DeliveryError
from delivery.policy.exposure import exposed, principals, wide_statements

Resource = Mapping[str, Any]
ANY_KIND = "*"
# What is waived for longer than this (a year) is not waived but decided: change the rule.
LONGEST_WAIVER = timedelta(days=366)
_VALUE_WIDTH = 200


class _Functions(functions.Functions):
    """JMESPath's functions, and those that it lacks."""

    @functions.signature({"types": ["string"]}, {"types": ["string"]})
    def _func_matches(self, text: str, pattern: str) -> bool:
        return re.search(pattern, text) is not None

    @functions.signature({"types": ["object"]})
    def _func_items(self, value: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"key": key, "value": item} for key, item in value.items()]

    @functions.signature({"types": ["array"]})
    def _func_wide_statements(self, policies: list[Any]) -> list[str]:
        return wide_statements(policies)

    @functions.signature({"types": ["object", "null"]})
    def _func_principals(self, policy: Any) -> list[str]:
        return principals(policy)

    @functions.signature({"types": ["array-string"]})
    def _func_exposed(self, rules: list[str]) -> list[str]:
        return exposed(rules)


_OPTIONS = jmespath.Options(custom_functions=_Functions())


# JMESPath reads it as (!a).b, which is never true.
_HALF_NEGATED = re.compile(r"!\w+[.\[]")


def _parses(expression: str) -> str:
    if found := _HALF_NEGATED.search(expression):
        raise ValueError(f"{found[0]} is read as (!a).b: write !(a.b)")
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"no JMESPath: {error}") from None
    return expression


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Expression = Annotated[Text, AfterValidator(_parses)]


class Requirement(Document):
    """What has to be in the plan for each resource that a rule is about.

    Attributes:
        kind: of the resource that is looked for.
        that: true for the one that will do; JMESPath over `{resource, candidate}`.
    """

    kind: Text
    that: Expression


class Rule(Document):
    """One guard rail; delivery/policy/rules.yml says what each field is for."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")]
    severity: Literal["error", "warning"]
    title: Text
    why: Text
    fix: Text
    kinds: Annotated[tuple[Text, ...], Field(min_length=1)]
    environments: tuple[Text, ...] = ()
    violated_by: Expression | None = None
    secrets_in: Expression | None = None
    requires: Requirement | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Rule":
        if sum(part is not None for part in (self.violated_by, self.secrets_in, self.requires)) != 1:
            raise ValueError("needs one of violated_by, secrets_in and requires")
        return self

    def is_about(self, environment: str, resource: Resource) -> bool:
        """Tell whether the rule judges a resource of an environment."""
        named = resource["kind"] in self.kinds or ANY_KIND in self.kinds
        return named and environment in (self.environments or (environment,))


class Waiver(Document):
    """A finding that is put up with, for a reason and until a day.

    Attributes:
        resource: kind and name; `*` and `?` stand for any letters, in `value` as well.
        value: what is wrong, as the finding shows it; without it, whatever the rule finds there.
        expires: the last day on which it holds.
    """

    rule: Text
    resource: Text
    value: Text = "*"
    reason: str = ""
    expires: date

    def covers(self, rule: str, resource: str, value: str) -> bool:
        return rule == self.rule and fnmatchcase(resource, self.resource) and fnmatchcase(value, self.value)

    def refusal(self, today: date) -> str | None:
        """Return why the waiver does not hold; None where it does."""
        if not self.reason.strip():
            return "has no reason"
        if self.expires < today:
            return f"expired on {self.expires}"
        if self.expires > today + LONGEST_WAIVER:
            return f"lasts until {self.expires}, and a year is the most"
        return None


@dataclass(frozen=True)
class Finding:
    """A resource that violates a rule.

    Attributes:
        resource: kind and name.
        value: what is wrong with it; empty where something is missing.
        waiver: the one that holds for it.
    """

    rule: Rule
    resource: str
    value: str
    waiver: Waiver | None = None


@dataclass(frozen=True)
class Judgement:
    """What the guard rails say of one plan.

    Attributes:
        complete: the plan is of everything, so that what was not found is not there.
        remarks: what is wrong with waivers, a sentence each.
    """

    environment: str
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    complete: bool = True

    def of(self, severity: str) -> list[Finding]:
        """Return the findings of a severity that nobody has waived."""
        return [finding for finding in self.findings if finding.rule.severity == severity and not finding.waiver]

    @property
    def waived(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.waiver]


def judge(
    plan: Mapping[str, Any],
    more: Sequence[Resource],
    rules: Sequence[Rule],
    waivers: Sequence[Waiver],
    *,
    today: date,
    secrets_of: Callable[[str], Iterable[str]],
) -> Judgement:
    """Apply the rules to what will be when a plan is applied.

    Args:
        plan: the JSON of `make plan`.
        more: what a plan does not show and rules are about, in the form of its `resources`.
        secrets_of: names the secrets in a text, and never their values.

    Raises:
        DeliveryError: a rule cannot be applied to a resource.
    """
    resources = [item for item in [*plan["resources"], *more] if item["after"] is not None]
    violations = [
        (rule, " ".join([resource["kind"], resource["name"]]), value)
        for rule in rules
        for resource in resources
        if rule.is_about(plan["environment"], resource)
        for value in _violations(rule, resource, resources, secrets_of)
    ]
    holding = [waiver for waiver in waivers if waiver.refusal(today) is None]
    findings = tuple(
        Finding(*found, next((waiver for waiver in holding if waiver.covers(found[0].id, *found[1:])), None))
        for found in violations
    )
    remarks = tuple(_remarks(waivers, rules, violations, today))
    return Judgement(plan["environment"], findings, remarks, plan["complete"])


def _violations(
    rule: Rule, resource: Resource, resources: Sequence[Resource], secrets_of: Callable[[str], Iterable[str]]
) -> Iterator[str]:
    """Yield what is wrong with a resource, as text."""
    name = f"{resource['kind']} {resource['name']}"
    if rule.requires:
        candidates = [item for item in resources if item["kind"] == rule.requires.kind]
        both = ({"resource": resource, "candidate": candidate} for candidate in candidates)
        if not any(_search(rule, rule.requires.that, pair, name) for pair in both):
            yield ""
    elif rule.secrets_in:
        for text in _values(_search(rule, rule.secrets_in, resource, name)):
            yield from secrets_of(str(text))
    elif rule.violated_by:
        for value in _values(_search(rule, rule.violated_by, resource, name)):
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            yield text if len(text) <= _VALUE_WIDTH else text[: _VALUE_WIDTH - 1] + "…"


def _search(rule: Rule, expression: str, data: Any, resource: str) -> Any:
    try:
        return jmespath.search(expression, data, options=_OPTIONS)
    except JMESPathError as error:
        raise DeliveryError(f"the rule {rule.id} cannot judge {resource}: {error}") from None


def _values(answer: Any) -> Iterator[Any]:
    """Yield what an expression has found, out of lists of lists; null, false and what is empty are nothing."""
    if isinstance(answer, list):
        for item in answer:
            yield from _values(item)
    elif answer not in (None, False, "", {}):
        yield answer


def _remarks(
    waivers: Sequence[Waiver], rules: Sequence[Rule], violations: Sequence[tuple[Rule, str, str]], today: date
) -> Iterator[str]:
    known = {rule.id for rule in rules}
    for waiver in waivers:
        name = f"the waiver of {waiver.rule} for {waiver.resource}"
        refusal = waiver.refusal(today)
        if waiver.rule not in known:
            yield f"{name} is of no rule; there are {', '.join(sorted(known))}"
        elif not any(waiver.covers(rule.id, resource, value) for rule, resource, value in violations):
            yield f"{name} is not needed: remove it"
        elif refusal:
            yield f"{name} {refusal}, so its finding counts"
