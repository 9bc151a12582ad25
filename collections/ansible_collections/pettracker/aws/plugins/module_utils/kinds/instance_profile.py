"""Instance profiles of IAM, through which a host has its role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ..propagation import SOON
from ..refusals import unless_gone
from ..state import State, tags_to_dict, tags_to_list
from .fields import FIXED, IDENTITY, TIME, Answer, Ignored, Marks, compared, each
from .finding import pages
from .keeping import Kept
from .kind import Answers, Clients, Grant, Owned, Scope, iso_time, set_tags
from .role import AT_ONCE, LOSES, Role

OF_THE_ROLE = Ignored("the role is looked at itself")
INSTANCE_PROFILE: Marks = {
    "Path": FIXED,
    **each(IDENTITY, "InstanceProfileName InstanceProfileId Arn"),
    "CreateDate": TIME,
    "Roles": {
        **compared(role="RoleName"),
        **each(OF_THE_ROLE, "Path RoleId Arn CreateDate AssumeRolePolicyDocument Description MaxSessionDuration"),
        **each(OF_THE_ROLE, "PermissionsBoundary Tags RoleLastUsed SourceRoleTemplate"),
    },
    **compared(tags="Tags"),
}


class InstanceProfile(Kept):
    """Has the name of its role. Nothing but the role and the tags of one can be changed."""

    name = "instance profile"
    service = "iam"
    free = "AWS charges for none"
    interrupts: ClassVar = {"role": LOSES}
    answers = (Answer("GetInstanceProfile", "InstanceProfile", INSTANCE_PROFILE),)
    look = (
        Grant("iam", "ListInstanceProfiles"),
        Grant("iam", "GetInstanceProfile", ("arn:{partition}:iam::{account}:instance-profile/*",)),
    )
    change = (
        Grant(
            "iam",
            "AddRoleToInstanceProfile CreateInstanceProfile RemoveRoleFromInstanceProfile TagInstanceProfile "
            "UntagInstanceProfile",
            ("profiles",),
        ),
    )
    removal = (Grant("iam", "DeleteInstanceProfile RemoveRoleFromInstanceProfile", ("profiles",)),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        # The list has no tags, and the Resource Groups Tagging API knows what is IAM's in us-east-1 only. So profiles are read
        # one by one, but those with other people's roles, of which there may be thousands.
        roles = {role.identity for role in Role().owned(clients, scope)}
        for listed in pages(clients("iam"), "list_instance_profiles", "InstanceProfiles", PaginationConfig=AT_ONCE):
            if listed["Roles"] and not any(role["RoleName"] in roles for role in listed["Roles"]):
                continue
            answers = self.read(clients, listed["InstanceProfileName"])
            if answers and scope.carried_by(answers["GetInstanceProfile"].get("Tags") or []):
                since = iso_time(listed["CreateDate"])
                yield Owned(listed["InstanceProfileName"], since=since)

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("iam")
        for role in client.get_instance_profile(InstanceProfileName=identity)["InstanceProfile"]["Roles"]:
            client.remove_role_from_instance_profile(InstanceProfileName=identity, RoleName=role["RoleName"])
        client.delete_instance_profile(InstanceProfileName=identity)

    def read(self, clients: Clients, name: str) -> Answers:
        client = clients("iam")
        answer: Any = unless_gone(lambda: client.get_instance_profile(InstanceProfileName=name), {})
        return {"GetInstanceProfile": answer["InstanceProfile"]} if answer else {}

    def state(self, answers: Answers) -> State:
        profile = answers["GetInstanceProfile"]
        return {
            "role": next((role["RoleName"] for role in profile.get("Roles") or []), None),  # AWS allows one at most
            "tags": tags_to_dict(profile.get("Tags") or []),
        }

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        return {"role": entry["name"], "tags": dict(entry["tags"])}

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client = clients("iam")
        if not answers:
            client.create_instance_profile(InstanceProfileName=name, Tags=tags_to_list(wanted["tags"]))
            client.get_waiter("instance_profile_exists").wait(InstanceProfileName=name, WaiterConfig=SOON)
        found = self.state(answers) if answers else wanted | {"role": None}
        if found["role"] != wanted["role"]:
            if found["role"]:
                client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=found["role"])
            client.add_role_to_instance_profile(InstanceProfileName=name, RoleName=wanted["role"])
        by_name = {"InstanceProfileName": name}
        set_tags(
            wanted, found, partial(client.tag_instance_profile, **by_name), partial(client.untag_instance_profile, **by_name)
        )
