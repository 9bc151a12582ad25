"""Managed policies of IAM, which `make bootstrap` makes.

A policy has one version: what an older one allowed, nobody can return to.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from ..refusals import gone, unless_gone
from ..state import State, canonical_policy, differences, tags_to_dict, tags_to_list
from .fields import FIXED, IDENTITY, STATUS, TIME, Answer, Ignored, Marks, compared, each
from .finding import pages
from .keeping import Kept
from .kind import Answers, Client, Clients, Owned, Scope, set_tags
from .role import DOCUMENTS

# "Changes that I make are not always immediately visible", IAM user guide: a policy may still seem attached to a role that
# is gone.
_once_nothing_has_it = AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=10, catch_extra_error_codes=["DeleteConflict"])
POLICY: Marks = {
    **each(IDENTITY, "PolicyName PolicyId Arn"),
    **each(FIXED, "Path IsAttachable Description"),
    "DefaultVersionId": Ignored("what the version says is compared, whichever it is"),
    **each(STATUS, "AttachmentCount PermissionsBoundaryUsageCount"),
    **each(TIME, "CreateDate UpdateDate"),
    **compared(tags="Tags"),
}
POLICY_VERSION: Marks = {
    **compared(document="Document"),
    "VersionId": Ignored("what the version says is compared, whichever it is"),
    "IsDefaultVersion": Ignored("the default version is the one that is read"),
    "CreateDate": TIME,
}
POLICY_VERSIONS: Marks = {
    "Document": Ignored("IAM leaves it out of a list"),
    **compared(older_versions="VersionId IsDefaultVersion"),
    "CreateDate": TIME,
}


class Policy(Kept):
    """Known by its ARN. An administrator keeps it: no role of the workflows may change what bounds or allows one."""

    name = "policy"
    service = "iam"
    free = "AWS charges for none"
    torn_down = False
    interrupts: ClassVar = {"document": "Roles that have the policy, or are bounded by it, lose or gain permissions at once."}
    answers = (
        Answer("GetPolicy", "Policy", POLICY),
        Answer("GetPolicyVersion", "PolicyVersion", POLICY_VERSION),
        Answer("ListPolicyVersions", "Versions", POLICY_VERSIONS, many=True, key="VersionId"),
    )
    samples: ClassVar = {"GetPolicyVersion.Document": DOCUMENTS, "ListPolicyVersions.IsDefaultVersion": (False, True)}

    def called(self, name: str) -> str:
        return name.rpartition("/")[2]

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        """Yields none: who removes policies names them."""
        yield from ()

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("iam")
        try:
            _forget_older_versions(client, identity)
            _once_nothing_has_it(client.delete_policy)(PolicyArn=identity)
        except Exception as error:
            if not gone(error):
                raise

    def read(self, clients: Clients, name: str) -> Answers:
        client = clients("iam")
        answer: Any = unless_gone(lambda: client.get_policy(PolicyArn=name), {})
        if not answer:
            return {}
        policy = answer["Policy"]
        version = client.get_policy_version(PolicyArn=name, VersionId=policy["DefaultVersionId"])
        return {
            "GetPolicy": policy,
            "GetPolicyVersion": version["PolicyVersion"],
            "ListPolicyVersions": list(pages(client, "list_policy_versions", "Versions", PolicyArn=name)),
        }

    def state(self, answers: Answers) -> State:
        return {
            "document": canonical_policy(answers["GetPolicyVersion"]["Document"]),
            "older_versions": _older_versions(answers["ListPolicyVersions"]),
            "tags": tags_to_dict(answers["GetPolicy"].get("Tags") or []),
        }

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        """Returns what can change, and of a new policy its description: IAM cannot change that one."""
        state = {"document": canonical_policy(entry["document"]), "older_versions": [], "tags": dict(entry["tags"])}
        return state if found is not None else state | {"description": entry["description"]}

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client, document = clients("iam"), json.dumps(wanted["document"])
        if not answers:
            path, _, called = name.partition(":policy")[2].rpartition("/")
            client.create_policy(
                PolicyName=called,
                Path=f"{path}/",
                Description=wanted["description"],
                PolicyDocument=document,
                Tags=tags_to_list(wanted["tags"]),
            )
            return
        found = self.state(answers)
        # Before the new one is made, for there is room for five, and after it, for the one that it follows.
        _forget_older_versions(client, name)
        if "document" in differences(wanted, found):
            client.create_policy_version(PolicyArn=name, PolicyDocument=document, SetAsDefault=True)
            _forget_older_versions(client, name)
        set_tags(wanted, found, partial(client.tag_policy, PolicyArn=name), partial(client.untag_policy, PolicyArn=name))


def _older_versions(versions: list[dict[str, Any]]) -> list[str]:
    return sorted(version["VersionId"] for version in versions if not version["IsDefaultVersion"])


def _forget_older_versions(client: Client, arn: str) -> None:
    for version in _older_versions(list(pages(client, "list_policy_versions", "Versions", PolicyArn=arn))):
        client.delete_policy_version(PolicyArn=arn, VersionId=version)
