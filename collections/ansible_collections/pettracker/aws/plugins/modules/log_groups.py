#!/usr/bin/python
"""Keeps a list of CloudWatch log groups as they should be."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import any_differ, as_diff, differences, tag_changes

DOCUMENTATION = r"""
module: log_groups
short_description: Keeps a list of CloudWatch log groups as they should be
description:
  - Makes and corrects log groups, all of them in one task.
  - Unlike M(amazon.aws.cloudwatchlogs_log_group) it returns a difference, and changes the key of a group without making it
    anew. It never deletes a log group.
options:
  groups:
    description: The log groups.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the log group.
        type: str
        required: true
      retention_days:
        description: Days for which logs are kept.
        type: int
        required: true
      kms_key_id:
        description: ARN of the key that encrypts the logs; the log service's own when it is missing.
        type: str
      tags:
        description: All tags of the log group.
        type: dict
        default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Keep the service's logs for two weeks
  pettracker.aws.log_groups:
    groups:
      - {name: /pettracker/dev/ml-server, retention_days: 14}
"""

RETURN = r"""
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: always
  type: dict
"""


def wanted_state(group: dict[str, Any]) -> dict[str, Any]:
    """Returns one entry of the module's `groups` in the fields of `found_state`."""
    return {
        "retention_days": group["retention_days"],
        "kms_key_id": group.get("kms_key_id"),
        "tags": dict(group["tags"]),
    }


def found_state(client: Any, name: str) -> tuple[dict[str, Any] | None, str]:
    """Reads a log group with a client of CloudWatch Logs; returns its fields and its ARN, None and "" if there is none."""
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    described = (group for page in pages for group in page["logGroups"] if group["logGroupName"] == name)
    group = next(described, None)
    if group is None:
        return None, ""
    # Calls that are about tags take the ARN without the star that stands for the streams.
    arn = group["arn"].removesuffix(":*")
    tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
    return {"retention_days": group.get("retentionInDays"), "kms_key_id": group.get("kmsKeyId"), "tags": tags}, arn


def apply(client: Any, name: str, wanted: dict[str, Any], found: dict[str, Any] | None, arn: str) -> None:
    """Makes the calls that make or correct a log group."""
    key = wanted["kms_key_id"]
    if found is None:
        encryption = {"kmsKeyId": key} if key else {}
        client.create_log_group(logGroupName=name, tags=wanted["tags"], **encryption)
        found = wanted | {"retention_days": None}
    fields = differences(wanted, found)
    if "retention_days" in fields:
        client.put_retention_policy(logGroupName=name, retentionInDays=wanted["retention_days"])
    if "kms_key_id" in fields and key:
        client.associate_kms_key(logGroupName=name, kmsKeyId=key)
    elif "kms_key_id" in fields:
        client.disassociate_kms_key(logGroupName=name)
    if "tags" in fields:
        added, gone = tag_changes(wanted["tags"], found["tags"])
        if added:
            client.tag_resource(resourceArn=arn, tags=added)
        if gone:
            client.untag_resource(resourceArn=arn, tagKeys=gone)


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares each log group, and corrects those that differ unless in check mode."""
    client = module.client("logs")
    diffs = []
    for group in module.params["groups"]:
        wanted = wanted_state(group)
        found, arn = found_state(client, group["name"])
        diffs.append(as_diff(f"log group {group['name']}", wanted, found))
        if differences(wanted, found) and not module.check_mode:
            apply(client, group["name"], wanted, found, arn)
    names = [group["name"] for group in module.params["groups"]]
    return {"changed": any_differ(diffs), "diff": diffs, "managed": {"log group": names}}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the log groups", no_log={"kms_key_id": False})


if __name__ == "__main__":
    main()
