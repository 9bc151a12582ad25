"""What a repository on GitHub has to know of an environment before its workflows can work on it, and how it is guarded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from delivery.errors import DeliveryError
from delivery.github import Api, Refused, gh

MAIN = "main"
# Environments from this stage on (ci_stage) ask a person; who, is changed in the repository's settings.
APPROVED = 2
UNPROCESSABLE = 422  # among others: the plan that pays for a private repository does not have such a rule
FORBIDDEN = 403  # the same, of the rules of a branch
NOT_FOUND = 404


@dataclass(frozen=True)
class Roles:
    """ARNs of the roles that the workflows take."""

    plan: str
    deploy: str
    destroy: str


def connect(repository: str, environment: str, roles: Roles, stage: int, api: Api = gh) -> Iterator[str]:
    """Make the GitHub environments and set the variables; yield a sentence for each thing that was changed or is missing.

    GitHub makes an environment without rules when a job names one, so one that is there already is not trusted: its rules are
    read, what it lacks is added, and what GitHub lets nobody add is named. AWS lets in the main branch only, whatever GitHub's
    rules are, but an approval is GitHub's alone.

    Merges reach the environment by its `stage`: 1; 2 after those of 1; or 0, not by themselves. Raises DeliveryError where
    GitHub refuses, as it does who may not administer, or where anybody may push to the main branch, and need not.
    """
    path = f"repos/{repository}"
    yield from _check_main(path, api)
    present = _environments(path, api)
    for name, role in ((environment, roles.deploy), (f"{environment}-destroy", roles.destroy)):
        asks, place = stage >= APPROVED or name != environment, f"{path}/environments/{name}"
        if name not in present:
            _write_rules(place, {}, asks, api)
            yield f"environment {name}: made"
        else:
            yield from _repair(place, name, asks, api)
        yield from _missing_rules(place, name, asks, api)
        if _set(f"{place}/variables", "AWS_ROLE_ARN", role, api):
            yield f"environment {name}: AWS_ROLE_ARN is {role}"
    variables = f"{path}/actions/variables"
    known = {item["env"]: item for item in json.loads(_read(variables, api).get("AWS_ENVIRONMENTS", "[]"))}
    known[environment] = {"env": environment, "plan_role": roles.plan, "stage": stage}
    if _set(variables, "AWS_ENVIRONMENTS", json.dumps([known[name] for name in sorted(known)]), api):
        yield f"AWS_ENVIRONMENTS has {environment}: the workflows work on it from now on"


def disconnect(repository: str, environment: str, api: Api = gh) -> Iterator[str]:
    """Take back what `connect` made; yield a sentence for each thing that was removed or stays.

    The workflows are told first. GitHub deletes an environment with its secrets, and nobody can read them before, so one
    that holds more than `connect` put there stays, without its role. Raises DeliveryError when GitHub refuses.
    """
    path = f"repos/{repository}"
    variables = f"{path}/actions/variables"
    known = json.loads(_read(variables, api).get("AWS_ENVIRONMENTS", "[]"))
    kept = [item for item in known if item["env"] != environment]
    if kept != known:
        if kept:
            _set(variables, "AWS_ENVIRONMENTS", json.dumps(kept), api)
        else:
            api("DELETE", f"{variables}/AWS_ENVIRONMENTS")
        yield f"AWS_ENVIRONMENTS: {environment} is removed, and the workflows leave it alone from now on"
    for name in sorted({environment, f"{environment}-destroy"} & _environments(path, api)):
        yield from _forget_environment(f"{path}/environments/{name}", name, api)


def _environments(path: str, api: Api) -> set[str]:
    return {item["name"] for item in api("GET", f"{path}/environments?per_page=100")["environments"]}


def _forget_environment(path: str, name: str, api: Api) -> Iterator[str]:
    own = _read(f"{path}/variables", api)
    if "AWS_ROLE_ARN" in own:
        api("DELETE", f"{path}/variables/AWS_ROLE_ARN")
        yield f"environment {name}: AWS_ROLE_ARN is removed"
    secrets = [item["name"] for item in api("GET", f"{path}/secrets?per_page=100")["secrets"]]
    others = sorted({*own, *secrets} - {"AWS_ROLE_ARN"})
    if others:
        yield (
            f"environment {name}: stays, for it holds {', '.join(others)}, which cannot be had back. Delete it in the settings "
            "of the repository when nobody needs that any more"
        )
        return
    api("DELETE", path)
    yield f"environment {name}: removed"


def _check_main(path: str, api: Api) -> Iterator[str]:
    """Yield what the main branch's rules lack. Raises DeliveryError where anybody may push to it and GitHub could forbid it."""
    try:
        rules = {rule["type"]: rule.get("parameters", {}) for rule in api("GET", f"{path}/rules/branches/{MAIN}?per_page=100")}
        protected = _protection(path, api)
    except Refused as error:
        if error.status != FORBIDDEN:
            raise
        yield (
            f"{MAIN}: for this repository, GitHub has no rules of branches ({error}). Whoever may push deploys to what asks "
            "nobody, and an approval of a pull request is a habit"
        )
        return
    by_request = rules.get("pull_request") or protected.get("required_pull_request_reviews")
    if by_request is None:
        raise DeliveryError(
            f"anybody who may push can push to {MAIN}, and what is on {MAIN} is deployed. In the settings of the repository, "
            "under Rules, require a pull request, an approval, and the checks ci and plan; then run the same again"
        )
    if not by_request.get("required_approving_review_count"):
        yield f"{MAIN}: a pull request needs no approval, so who writes it may merge it; require one in the repository's rules"
    if not (rules.get("required_status_checks") or protected.get("required_status_checks")):
        yield f"{MAIN}: no check has to pass before a merge; require ci and plan in the repository's rules"


def _protection(path: str, api: Api) -> dict[str, Any]:
    """Return the older form of rules for the main branch; empty where there is none."""
    try:
        found: dict[str, Any] = api("GET", f"{path}/branches/{MAIN}/protection")
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
        return {}
    return found


def _repair(path: str, name: str, asks: bool, api: Api) -> Iterator[str]:
    """Add to an environment what it lacks, and keep what it has; yield what was added."""
    found = api("GET", path)
    was_closed, asked = _admits_only_main(path, found, api), _has_reviewers(found)
    if was_closed and (asked or not asks):
        return
    _write_rules(path, found, asks, api)
    now = api("GET", path)
    if not was_closed and _admits_only_main(path, now, api):
        yield f"environment {name}: was open to branches other than {MAIN}, and is no longer"
    if asks and not asked and _has_reviewers(now):
        yield f"environment {name}: asked nobody, and asks you from now on; choose who is asked in the repository's settings"


def _write_rules(path: str, found: dict[str, Any], asks: bool, api: Api) -> None:
    """Make an environment, or add to what it has, with as many of its rules as the repository's plan has."""
    branches: dict[str, Any] = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
    kept = {rule["type"]: rule for rule in found.get("protection_rules", [])}
    asked = kept.get("required_reviewers", {})
    people = [{"type": one["type"], "id": one["reviewer"]["id"]} for one in asked.get("reviewers", [])]
    own = bool(asked.get("prevent_self_review")) if people else asks
    if asks and not people:
        people = [{"type": "User", "id": api("GET", "user")["id"]}]
    # What is left out of a request is taken away.
    waiting = {"wait_timer": kept["wait_timer"]["wait_timer"]} if "wait_timer" in kept else {}
    reviewers = {"reviewers": people or None} | ({"prevent_self_review": own} if people else {})
    open_to_all: dict[str, Any] = {"deployment_branch_policy": None}
    unasked: dict[str, Any] = {"reviewers": None}
    for rules in (branches | reviewers, branches | unasked, open_to_all | reviewers, open_to_all | unasked):
        try:
            api("PUT", path, waiting | rules)
        except Refused as error:
            if error.status != UNPROCESSABLE or rules == open_to_all | unasked:
                raise
        else:
            break
    if rules["deployment_branch_policy"]:
        _restrict_to_main(path, api)


def _restrict_to_main(path: str, api: Api) -> None:
    policies = api("GET", f"{path}/deployment-branch-policies?per_page=100")["branch_policies"]
    for policy in policies:
        if not _is_main(policy):
            api("DELETE", f"{path}/deployment-branch-policies/{policy['id']}")
    if not any(map(_is_main, policies)):
        api("POST", f"{path}/deployment-branch-policies", {"name": MAIN})


def _is_main(policy: dict[str, Any]) -> bool:
    return (policy["name"], policy.get("type", "branch")) == (MAIN, "branch")


def _has_reviewers(found: dict[str, Any]) -> bool:
    return any(rule["type"] == "required_reviewers" for rule in found.get("protection_rules", []))


def _missing_rules(path: str, name: str, asks: bool, api: Api) -> Iterator[str]:
    """Yield a sentence for each rule that GitHub does not say the environment has."""
    found = api("GET", path)
    settings = f"environment {name}, in the settings of the repository"
    if not _admits_only_main(path, found, api):
        yield (
            f"environment {name}: open to branches other than {MAIN}, as far as GitHub goes. Its role is for {MAIN} only; "
            f"what else it holds, RELEASE_SIGNING_KEY for one, any branch can read. Restrict it to {MAIN}: {settings}"
        )
    rules = {rule["type"]: rule for rule in found.get("protection_rules", [])}
    if asks and _has_reviewers(found) and not rules["required_reviewers"].get("prevent_self_review"):
        yield (f"environment {name}: who starts a deployment may approve it. Where you are not alone, prevent that: {settings}")
    if asks and not _has_reviewers(found):
        yield (
            f"environment {name}: nobody is asked. Whatever is merged to {MAIN} may take its role, so protect {MAIN}, or "
            f"choose reviewers: {settings}. For private repositories, GitHub has them in its plan Enterprise only"
        )


def _admits_only_main(path: str, found: dict[str, Any], api: Api) -> bool:
    if not (found.get("deployment_branch_policy") or {}).get("custom_branch_policies"):
        return False
    policies = api("GET", f"{path}/deployment-branch-policies?per_page=100")["branch_policies"]
    return bool(policies) and all(map(_is_main, policies))


def _read(path: str, api: Api) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in api("GET", f"{path}?per_page=30")["variables"]}


def _set(path: str, name: str, value: str, api: Api) -> bool:
    """Set a variable; tell whether it had another value."""
    present = _read(path, api)
    if present.get(name) == value:
        return False
    if name in present:
        api("PATCH", f"{path}/{name}", {"name": name, "value": value})
    else:
        api("POST", path, {"name": name, "value": value})
    return True
