"""Who else depends on what `make bootstrap` made in IAM."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any


def users_of_policy(client: Any, arn: str, own_roles: Collection[str]) -> list[str]:
    """Returns what has a policy, as its permissions or as its boundary, besides some roles: `role pettracker-dev-service`."""
    pages = list(client.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn))
    found = {f"role {one['RoleName']}" for page in pages for one in page["PolicyRoles"]}
    found |= {f"user {one['UserName']}" for page in pages for one in page["PolicyUsers"]}
    found |= {f"group {one['GroupName']}" for page in pages for one in page["PolicyGroups"]}
    return sorted(found - {f"role {name}" for name in own_roles})


def roles_that_trust(client: Any, provider_arn: str, own_roles: Collection[str]) -> list[str]:
    """Returns the roles of the account, besides some, that tokens of an identity provider can take."""
    pages = client.get_paginator("list_roles").paginate()
    roles = (role for page in pages for role in page["Roles"] if role["RoleName"] not in own_roles)
    return sorted(role["RoleName"] for role in roles if provider_arn in _federated(role["AssumeRolePolicyDocument"]))


def _federated(document: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in _listed(document.get("Statement", [])):
        principal = statement.get("Principal", {})
        found |= set(_listed(principal.get("Federated", []))) if isinstance(principal, Mapping) else set()
    return found


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]
