"""IAM roles, with their inline policies and the managed policies that they have.

The whole role is owned, inline policies and attachments included: what somebody adds by hand is a difference.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ..propagation import SOON, once_known
from ..refusals import unless_gone
from ..state import State, canonical_policy, differences, tags_to_dict, tags_to_list
from .fields import FIXED, IDENTITY, META, STATUS, TIME, Answer, Ignored, Marks, compared, each
from .finding import pages
from .keeping import Kept
from .kind import Answers, Client, Clients, Grant, Owned, Scope, iso_time, set_tags

# How long a session may last, in seconds, where IAM says nothing.
SESSION_SECONDS = 3600
# What IAM says of a policy that it has just made, where a role shall have it.
NEW_POLICY = "NoSuchEntity"
LOSES = "Hosts that have the role lose or gain permissions at once."
DOCUMENTS = ('{"Statement": [{"Sid": "One"}]}', '{"Statement": [{"Sid": "Two"}]}')

# As many as IAM gives in one page.
AT_ONCE = {"PageSize": 1000}
ROLE: Marks = {
    **each(FIXED, "Path SourceRoleTemplate"),
    **each(IDENTITY, "RoleName RoleId Arn"),
    "CreateDate": TIME,
    **compared(trust="AssumeRolePolicyDocument", description="Description", session_seconds="MaxSessionDuration", tags="Tags"),
    "PermissionsBoundary": {
        "PermissionsBoundaryType": Ignored("there is but one type"),
        **compared(permissions_boundary="PermissionsBoundaryArn"),
    },
    "RoleLastUsed": STATUS,
}
ROLE_POLICIES: Marks = {
    "PolicyNames": Ignored("each policy is read, and says its name itself"),
    **each(META, "IsTruncated Marker"),
}
ROLE_POLICY: Marks = {"RoleName": IDENTITY, **compared(inline_policies="PolicyName PolicyDocument")}
ATTACHED_ROLE_POLICIES: Marks = {"PolicyName": Ignored("the end of the ARN"), **compared(managed_policies="PolicyArn")}


class Role(Kept):
    """What a host may do, and who else may: its trust and its policies are compared whole."""

    name = "role"
    service = "iam"
    free = "AWS charges for none"
    interrupts = dict.fromkeys(("trust", "inline_policies", "managed_policies", "permissions_boundary"), LOSES)
    answers = (
        Answer("GetRole", "Role", ROLE),
        Answer("ListRolePolicies", "", ROLE_POLICIES),
        Answer("GetRolePolicy", "", ROLE_POLICY, many=True, key="PolicyName"),
        Answer("ListAttachedRolePolicies", "AttachedPolicies", ATTACHED_ROLE_POLICIES, many=True, key="PolicyArn"),
    )
    samples: ClassVar = {"GetRole.AssumeRolePolicyDocument": DOCUMENTS, "GetRolePolicy.PolicyDocument": DOCUMENTS}
    look = (
        Grant("iam", "ListRoles"),
        Grant("iam", "GetRole ListRoleTags", ("arn:{partition}:iam::{account}:role/*",)),
        Grant("iam", "GetRolePolicy ListAttachedRolePolicies ListRolePolicies", ("host_roles",)),
    )
    # UpdateAssumeRolePolicy and DeleteRolePermissionsBoundary may be bound by nothing: `make bootstrap` makes these calls.
    change = (
        Grant(
            "iam",
            "AttachRolePolicy CreateRole DeleteRolePolicy DetachRolePolicy PutRolePermissionsBoundary PutRolePolicy",
            ("host_roles",),
            "bound",
        ),
        Grant("iam", "TagRole UntagRole UpdateRole", ("host_roles",)),
    )
    removal = (Grant("iam", "DeleteRole DeleteRolePolicy DetachRolePolicy", ("host_roles",)),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        client = clients("iam")
        # A list has no tags; GetAccountAuthorizationDetails has, and would show everybody's policies to any pull request. So
        # tags are read one by one, only of those that the workflows' roles may change by their names.
        for role in pages(client, "list_roles", "Roles", PaginationConfig=AT_ONCE):
            if not role["RoleName"].startswith(scope.prefix):
                continue
            answer: Any = unless_gone(partial(client.list_role_tags, RoleName=role["RoleName"]), {"Tags": []})
            if scope.carried_by(answer["Tags"]):
                yield Owned(role["RoleName"], since=iso_time(role["CreateDate"]))

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("iam")
        for policy in pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=identity):
            client.detach_role_policy(RoleName=identity, PolicyArn=policy["PolicyArn"])
        for policy in pages(client, "list_role_policies", "PolicyNames", RoleName=identity):
            client.delete_role_policy(RoleName=identity, PolicyName=policy)
        client.delete_role(RoleName=identity)

    def read(self, clients: Clients, name: str) -> Answers:
        client = clients("iam")
        role: Any = unless_gone(lambda: client.get_role(RoleName=name)["Role"], {})
        if not role:
            return {}
        names = list(pages(client, "list_role_policies", "PolicyNames", RoleName=name))
        return {
            "GetRole": role,
            "ListRolePolicies": {"PolicyNames": names},
            "GetRolePolicy": [client.get_role_policy(RoleName=name, PolicyName=policy) for policy in names],
            "ListAttachedRolePolicies": list(pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)),
        }

    def state(self, answers: Answers) -> State:
        role = answers["GetRole"]
        return {
            "description": role.get("Description") or "",
            "trust": canonical_policy(role["AssumeRolePolicyDocument"]),
            "managed_policies": sorted(policy["PolicyArn"] for policy in answers["ListAttachedRolePolicies"]),
            "inline_policies": {
                policy["PolicyName"]: canonical_policy(policy["PolicyDocument"]) for policy in answers["GetRolePolicy"]
            },
            "session_seconds": role.get("MaxSessionDuration") or SESSION_SECONDS,
            "permissions_boundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "tags": tags_to_dict(role.get("Tags") or []),
        }

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        return {
            "description": entry["description"],
            "trust": canonical_policy(entry["trust"]),
            "managed_policies": sorted(entry["managed_policies"]),
            "inline_policies": {name: canonical_policy(document) for name, document in entry["inline_policies"].items()},
            "session_seconds": entry.get("session_seconds", SESSION_SECONDS),
            "permissions_boundary": entry.get("permissions_boundary") or None,
            "tags": dict(entry["tags"]),
        }

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client = clients("iam")
        if not answers:
            _create(client, name, wanted)
        found = self.state(answers) if answers else wanted | {"managed_policies": [], "inline_policies": {}}
        fields = differences(wanted, found)
        if {"description", "session_seconds"} & set(fields):
            client.update_role(RoleName=name, Description=wanted["description"], MaxSessionDuration=wanted["session_seconds"])
        if "trust" in fields:
            client.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(wanted["trust"]))
        if "permissions_boundary" in fields:
            if boundary := _boundary(wanted):
                once_known(partial(client.put_role_permissions_boundary, RoleName=name, **boundary), NEW_POLICY)
            else:
                client.delete_role_permissions_boundary(RoleName=name)
        _apply_policies(client, name, wanted, found)
        set_tags(wanted, found, partial(client.tag_role, RoleName=name), partial(client.untag_role, RoleName=name))


def _boundary(wanted: State) -> dict[str, str]:
    return {"PermissionsBoundary": wanted["permissions_boundary"]} if wanted["permissions_boundary"] else {}


def _create(client: Client, name: str, wanted: State) -> None:
    create = partial(
        client.create_role,
        RoleName=name,
        Description=wanted["description"],
        AssumeRolePolicyDocument=json.dumps(wanted["trust"]),
        MaxSessionDuration=wanted["session_seconds"],
        Tags=tags_to_list(wanted["tags"]),
        **_boundary(wanted),
    )
    once_known(create, NEW_POLICY)
    client.get_waiter("role_exists").wait(RoleName=name, WaiterConfig=SOON)


def _apply_policies(client: Client, name: str, wanted: State, found: State) -> None:
    for arn in sorted(set(wanted["managed_policies"]) - set(found["managed_policies"])):
        once_known(partial(client.attach_role_policy, RoleName=name, PolicyArn=arn), NEW_POLICY)
    for arn in sorted(set(found["managed_policies"]) - set(wanted["managed_policies"])):
        client.detach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in differences(wanted["inline_policies"], found["inline_policies"]):
        document = json.dumps(wanted["inline_policies"][policy])
        client.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
    for policy in sorted(set(found["inline_policies"]) - set(wanted["inline_policies"])):
        client.delete_role_policy(RoleName=name, PolicyName=policy)
