"""What a repository on GitHub has to know of an environment before its workflows can work on it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gitops.github import Api, gh

MAIN = "main"
# An environment of these kinds asks a person; who, is changed in the repository's settings.
APPROVED = ("production",)


@dataclass(frozen=True)
class Roles:
    """ARNs of the roles that the workflows take."""

    plan: str
    deploy: str
    destroy: str


def connect(repository: str, environment: str, roles: Roles, api: Api = gh) -> Iterator[str]:
    """Make the GitHub environments and set the variables; yield a sentence for each thing that was changed.

    An environment that exists keeps its rules. Raises GitOpsError when GitHub refuses, as it does who may not administer.
    """
    path = f"repos/{repository}"
    present = {item["name"] for item in api("GET", f"{path}/environments?per_page=100")["environments"]}
    for name, role in ((environment, roles.deploy), (f"{environment}-destroy", roles.destroy)):
        if name not in present:
            asks = name in APPROVED or name != environment
            _make_environment(f"{path}/environments/{name}", asks, api)
            yield f"environment {name}: made, for {MAIN} only" + (", with your approval" if asks else "")
        if _set(f"{path}/environments/{name}/variables", "AWS_ROLE_ARN", role, api):
            yield f"environment {name}: AWS_ROLE_ARN is {role}"
    variables = f"{path}/actions/variables"
    known = {item["env"]: item for item in json.loads(_read(variables, api).get("AWS_ENVIRONMENTS", "[]"))}
    known[environment] = {"env": environment, "plan_role": roles.plan}
    if _set(variables, "AWS_ENVIRONMENTS", json.dumps([known[name] for name in sorted(known)]), api):
        yield f"AWS_ENVIRONMENTS has {environment}: the workflows work on it from now on"


def _make_environment(path: str, asks: bool, api: Api) -> None:
    policy = {"protected_branches": False, "custom_branch_policies": True}
    reviewers = [{"type": "User", "id": api("GET", "user")["id"]}] if asks else None
    api("PUT", path, {"deployment_branch_policy": policy, "reviewers": reviewers})
    api("POST", f"{path}/deployment-branch-policies", {"name": MAIN})


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
