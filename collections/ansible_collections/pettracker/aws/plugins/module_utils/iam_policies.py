"""The state of a managed policy of IAM as this project owns it, and the calls that make, correct and remove one.

A policy has one version: what an older one allowed, nobody can return to.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.pettracker.aws.plugins.module_utils.refusals import gone, unless_gone
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    canonical_policy,
    differences,
    tag_changes,
    tags_to_dict,
    tags_to_list,
)

# "Changes that I make are not always immediately visible", IAM user guide: a policy may still seem attached to a role that
# is gone.
_once_nothing_has_it = AWSRetry.jittered_backoff(
    retries=8, delay=1, max_delay=10, catch_extra_error_codes=["DeleteConflict"]
)


def wanted_policy(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one entry of the module's `policies` in the fields of `found_policy`, without those that never change."""
    return {"document": canonical_policy(policy["document"]), "older_versions": [], "tags": dict(policy["tags"])}


def found_policy(client: Any, arn: str) -> dict[str, Any] | None:
    """Reads a managed policy with a boto3 IAM client; None if there is none."""
    answer: dict[str, Any] = unless_gone(lambda: client.get_policy(PolicyArn=arn), {})
    if not answer:
        return None
    policy = answer["Policy"]
    version = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {
        "description": policy.get("Description", ""),
        "document": canonical_policy(version["Document"]),
        "older_versions": _older_versions(client, arn),
        "tags": tags_to_dict(policy.get("Tags", [])),
    }


def _older_versions(client: Any, arn: str) -> list[str]:
    pages = client.get_paginator("list_policy_versions").paginate(PolicyArn=arn)
    versions = [version for page in pages for version in page["Versions"]]
    return sorted(version["VersionId"] for version in versions if not version["IsDefaultVersion"])


def apply_policy(
    client: Any, policy: Mapping[str, Any], wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> None:
    """Makes the calls that make or correct a policy. A description stays what it was: IAM cannot change one."""
    arn, document = policy["arn"], json.dumps(policy["document"])
    if found is None:
        path, _, name = arn.partition(":policy")[2].rpartition("/")
        client.create_policy(
            PolicyName=name,
            Path=f"{path}/",
            Description=policy["description"],
            PolicyDocument=document,
            Tags=tags_to_list(wanted["tags"]),
        )
        return
    # Before the new one is made, for there is room for five, and after it, for the one that it follows.
    forget_older_versions(client, arn)
    if "document" in differences(wanted, found):
        client.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
        forget_older_versions(client, arn)
    added, superfluous = tag_changes(wanted["tags"], found["tags"])
    if added:
        client.tag_policy(PolicyArn=arn, Tags=tags_to_list(added))
    if superfluous:
        client.untag_policy(PolicyArn=arn, TagKeys=superfluous)


def forget_older_versions(client: Any, arn: str) -> None:
    """Removes all versions of a policy but the one that is in force."""
    for version in _older_versions(client, arn):
        client.delete_policy_version(PolicyArn=arn, VersionId=version)


def forget_policy(client: Any, arn: str) -> None:
    """Removes a managed policy with its versions, which DeletePolicy asks for."""
    try:
        forget_older_versions(client, arn)
        _once_nothing_has_it(client.delete_policy)(PolicyArn=arn)
    except Exception as error:
        if not gone(error):
            raise
