"""What a repository on GitHub has to know of an environment before its workflows can work on it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gitops.github import Api, Refused, gh

MAIN = "main"
# An environment of these kinds asks a person; who, is changed in the repository's settings.
APPROVED = ("production",)
UNPROCESSABLE = 422  # among others: the plan that pays for a private repository does not have such a rule


@dataclass(frozen=True)
class Roles:
    """ARNs of the roles that the workflows take."""

    plan: str
    deploy: str
    destroy: str


def connect(repository: str, environment: str, roles: Roles, api: Api = gh) -> Iterator[str]:
    """Make the GitHub environments and set the variables; yield a sentence for each thing that was changed or is missing.

    An environment that exists keeps its rules, and is looked at: AWS lets in the main branch only, whatever GitHub's rules are,
    but an approval is GitHub's alone. Raises GitOpsError when GitHub refuses, as it does who may not administer.
    """
    path = f"repos/{repository}"
    present = {item["name"] for item in api("GET", f"{path}/environments?per_page=100")["environments"]}
    for name, role in ((environment, roles.deploy), (f"{environment}-destroy", roles.destroy)):
        asks = name in APPROVED or name != environment
        if name not in present:
            _make_environment(f"{path}/environments/{name}", asks, api)
            yield f"environment {name}: made"
        yield from _missing_rules(f"{path}/environments/{name}", name, asks, api)
        if _set(f"{path}/environments/{name}/variables", "AWS_ROLE_ARN", role, api):
            yield f"environment {name}: AWS_ROLE_ARN is {role}"
    variables = f"{path}/actions/variables"
    known = {item["env"]: item for item in json.loads(_read(variables, api).get("AWS_ENVIRONMENTS", "[]"))}
    known[environment] = {"env": environment, "plan_role": roles.plan}
    if _set(variables, "AWS_ENVIRONMENTS", json.dumps([known[name] for name in sorted(known)]), api):
        yield f"AWS_ENVIRONMENTS has {environment}: the workflows work on it from now on"


def disconnect(repository: str, environment: str, api: Api = gh) -> Iterator[str]:
    """Take back what `connect` made; yield a sentence for each thing that was removed or stays.

    The workflows are told first. GitHub deletes an environment with its secrets, and nobody can read them before, so one
    that holds more than `connect` put there stays, without its role. Raises GitOpsError when GitHub refuses.
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
    present = {item["name"] for item in api("GET", f"{path}/environments?per_page=100")["environments"]}
    for name in sorted({environment, f"{environment}-destroy"} & present):
        yield from _forget_environment(f"{path}/environments/{name}", name, api)


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


def _make_environment(path: str, asks: bool, api: Api) -> None:
    """Make an environment with as many of its rules as the repository's plan has."""
    branches = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
    reviewers = {"reviewers": [{"type": "User", "id": api("GET", "user")["id"]}]} if asks else {"reviewers": None}
    open_to_all: dict[str, Any] = {"deployment_branch_policy": None}
    unasked: dict[str, Any] = {"reviewers": None}
    for rules in (branches | reviewers, branches | unasked, open_to_all | reviewers, open_to_all | unasked):
        try:
            api("PUT", path, rules)
        except Refused as error:
            if error.status != UNPROCESSABLE or rules == open_to_all | unasked:
                raise
        else:
            break
    if rules["deployment_branch_policy"]:
        api("POST", f"{path}/deployment-branch-policies", {"name": MAIN})


def _missing_rules(path: str, name: str, asks: bool, api: Api) -> Iterator[str]:
    """Yield a sentence for each rule that GitHub does not say the environment has."""
    found = api("GET", path)
    settings = f"environment {name}, in the settings of the repository"
    if not _only_main(path, found, api):
        yield (
            f"environment {name}: open to branches other than {MAIN}, as far as GitHub goes. Its role is for {MAIN} only; "
            f"what else it holds, RELEASE_SIGNING_KEY for one, any branch can read. Restrict it to {MAIN}: {settings}"
        )
    if asks and not any(rule["type"] == "required_reviewers" for rule in found.get("protection_rules", [])):
        yield (
            f"environment {name}: nobody is asked. Whatever is merged to {MAIN} may take its role, so protect {MAIN}, or "
            f"choose reviewers: {settings}. For private repositories, GitHub has them in its plan Enterprise only"
        )


def _only_main(path: str, found: dict[str, Any], api: Api) -> bool:
    if not (found.get("deployment_branch_policy") or {}).get("custom_branch_policies"):
        return False
    policies = api("GET", f"{path}/deployment-branch-policies?per_page=100")["branch_policies"]
    return [(policy["name"], policy.get("type", "branch")) for policy in policies] == [(MAIN, "branch")]


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
