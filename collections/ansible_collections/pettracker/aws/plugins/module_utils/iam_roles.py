"""The state of an IAM role as this project owns it: from a variable, from the API, and the calls between the two.

The whole role is owned, inline policies and attachments included: what somebody adds by hand is a difference.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.propagation import once_known
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    canonical_policy,
    differences,
    error_code,
    tag_changes,
    tags_to_dict,
    tags_to_list,
)

# How long a session may last, in seconds, where IAM says nothing.
SESSION_SECONDS = 3600
# A new role takes a few seconds until every part of IAM knows it.
PATIENCE = {"Delay": 1, "MaxAttempts": 60}
# What IAM says of a policy that it has just made, where a role shall have it.
NEW_POLICY = "NoSuchEntity"


def wanted_role(role: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one entry of the module's `roles` in the fields of `found_role`."""
    return {
        "description": role["description"],
        "trust": canonical_policy(role["trust"]),
        "managed_policies": sorted(role["managed_policies"]),
        "inline_policies": {name: canonical_policy(document) for name, document in role["inline_policies"].items()},
        "session_seconds": role.get("session_seconds", SESSION_SECONDS),
        "permissions_boundary": role.get("permissions_boundary") or None,
        "tags": dict(role["tags"]),
    }


def found_role(client: Any, name: str) -> dict[str, Any] | None:
    """Reads a role with a boto3 IAM client; None if there is none."""
    try:
        role = client.get_role(RoleName=name)["Role"]
    except Exception as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise
    attached = _pages(client, "list_attached_role_policies", "AttachedPolicies", name)
    inline = _pages(client, "list_role_policies", "PolicyNames", name)
    documents = {
        policy: client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in inline
    }
    return {
        "description": role.get("Description", ""),
        "trust": canonical_policy(role["AssumeRolePolicyDocument"]),
        "managed_policies": sorted(policy["PolicyArn"] for policy in attached),
        "inline_policies": {policy: canonical_policy(document) for policy, document in documents.items()},
        "session_seconds": role.get("MaxSessionDuration", SESSION_SECONDS),
        "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "tags": tags_to_dict(role.get("Tags", [])),
    }


def _pages(client: Any, operation: str, key: str, name: str) -> list[Any]:
    return [item for page in client.get_paginator(operation).paginate(RoleName=name) for item in page[key]]


def apply_role(
    client: Any, role: Mapping[str, Any], wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> None:
    """Makes the calls that make or correct a role."""
    name = role["name"]
    boundary = {"PermissionsBoundary": wanted["permissions_boundary"]} if wanted["permissions_boundary"] else {}
    if found is None:
        create = partial(
            client.create_role,
            RoleName=name,
            Description=wanted["description"],
            AssumeRolePolicyDocument=json.dumps(role["trust"]),
            MaxSessionDuration=wanted["session_seconds"],
            Tags=tags_to_list(wanted["tags"]),
            **boundary,
        )
        once_known(create, NEW_POLICY)
        client.get_waiter("role_exists").wait(RoleName=name, WaiterConfig=PATIENCE)
        found = dict(wanted) | {"managed_policies": [], "inline_policies": {}}
    fields = differences(wanted, found)
    if {"description", "session_seconds"} & set(fields):
        client.update_role(
            RoleName=name, Description=wanted["description"], MaxSessionDuration=wanted["session_seconds"]
        )
    if "trust" in fields:
        client.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(role["trust"]))
    if "permissions_boundary" in fields:
        if boundary:
            once_known(partial(client.put_role_permissions_boundary, RoleName=name, **boundary), NEW_POLICY)
        else:
            client.delete_role_permissions_boundary(RoleName=name)
    for arn in sorted(set(wanted["managed_policies"]) - set(found["managed_policies"])):
        once_known(partial(client.attach_role_policy, RoleName=name, PolicyArn=arn), NEW_POLICY)
    for arn in sorted(set(found["managed_policies"]) - set(wanted["managed_policies"])):
        client.detach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in differences(wanted["inline_policies"], found["inline_policies"]):
        document = json.dumps(role["inline_policies"][policy])
        client.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
    for policy in sorted(set(found["inline_policies"]) - set(wanted["inline_policies"])):
        client.delete_role_policy(RoleName=name, PolicyName=policy)
    added, gone = tag_changes(wanted["tags"], found["tags"])
    if added:
        client.tag_role(RoleName=name, Tags=tags_to_list(added))
    if gone:
        client.untag_role(RoleName=name, TagKeys=gone)


def wanted_profile(role: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the instance profile of a role in the fields of `found_profile`."""
    return {"role": role["name"], "tags": dict(role["tags"])}


def found_profile(client: Any, name: str) -> dict[str, Any] | None:
    """Reads an instance profile with a boto3 IAM client; None if there is none."""
    try:
        profile = client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    except Exception as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise
    return {
        "role": next((role["RoleName"] for role in profile["Roles"]), None),  # AWS allows one at most
        "tags": tags_to_dict(profile.get("Tags", [])),
    }


def apply_profile(client: Any, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> None:
    """Makes the calls that make or correct an instance profile."""
    if found is None:
        client.create_instance_profile(InstanceProfileName=name, Tags=tags_to_list(wanted["tags"]))
        client.get_waiter("instance_profile_exists").wait(InstanceProfileName=name, WaiterConfig=PATIENCE)
        found = {"role": None, "tags": wanted["tags"]}
    if found["role"] != wanted["role"]:
        if found["role"]:
            client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=found["role"])
        client.add_role_to_instance_profile(InstanceProfileName=name, RoleName=wanted["role"])
    added, gone = tag_changes(wanted["tags"], found["tags"])
    if added:
        client.tag_instance_profile(InstanceProfileName=name, Tags=tags_to_list(added))
    if gone:
        client.untag_instance_profile(InstanceProfileName=name, TagKeys=gone)
