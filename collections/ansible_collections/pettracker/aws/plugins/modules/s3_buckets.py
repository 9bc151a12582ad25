#!/usr/bin/python
"""Keeps a list of S3 buckets as they should be."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.buckets import apply, found_state, wanted_state
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import any_differ, as_diff, differences

DOCUMENTATION = r"""
module: s3_buckets
short_description: Keeps a list of S3 buckets as they should be
description:
  - Creates and corrects buckets that are private whatever else they are, with every kind of public access blocked, ACLs off,
    encryption, a policy and a life cycle.
  - Unlike M(amazon.aws.s3_bucket) it compares before it acts, also in check mode, returns a difference, and sets the
    bucket key for both kinds of encryption. It never deletes a bucket.
options:
  buckets:
    description: The buckets.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the bucket.
        type: str
        required: true
      encryption:
        description: Encryption of objects for which the writer asks for nothing else.
        type: str
        choices: [AES256, 'aws:kms']
        default: AES256
      kms_key_id:
        description: ARN of the key for C(aws:kms); the AWS managed key of S3 when it is missing.
        type: str
      bucket_key:
        description: Whether S3 derives object keys from one bucket key, which saves requests to KMS.
        type: bool
        default: true
      versioning:
        description: Whether earlier versions of objects are kept.
        type: bool
        default: true
      lifecycle_rules:
        description:
          - All rules of the bucket's life cycle. 0 days are never, and a rule does at least one thing.
          - Where earlier versions go, and objects do not, delete markers that hide nothing go, too.
        type: list
        elements: dict
        default: []
        suboptions:
          id:
            description: Name of the rule.
            type: str
            required: true
          prefix:
            description: Beginning of the keys that it is about; all of them when it is empty.
            type: str
            default: ""
          expire_days:
            description: Days after which an object goes; where versions are kept, it becomes an earlier one.
            type: int
            default: 0
          noncurrent_days:
            description: Days after which a version goes for good that was overwritten or deleted.
            type: int
            default: 0
          abort_upload_days:
            description: Days after which the parts of an upload go that was never completed. AWS counts them as storage.
            type: int
            default: 0
      policy:
        description: The bucket's policy.
        type: dict
        required: true
      tags:
        description: All tags of the bucket.
        type: dict
        default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Keep the models bucket
  pettracker.aws.s3_buckets:
    buckets:
      - name: pettracker-dev-123456789012-models
        policy: "{{ lookup('ansible.builtin.template', 'policy.json.j2') | from_json }}"
        lifecycle_rules:
          - {id: everything, noncurrent_days: 30, abort_upload_days: 7}
"""

RETURN = r"""
buckets:
  description: Names of the buckets.
  returned: always
  type: list
  elements: str
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: always
  type: dict
"""

# The one region for which CreateBucket takes no location.
DEFAULT_LOCATION = "us-east-1"


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares each bucket, and corrects those that differ unless in check mode."""
    client = module.client("s3")
    diffs = []
    for bucket in module.params["buckets"]:
        name = bucket["name"]
        wanted = wanted_state(bucket)
        found = found_state(client, name)
        diffs.append(as_diff(f"bucket {name}", wanted, found))
        if not differences(wanted, found) or module.check_mode:
            continue
        if found is None:
            location = {} if module.region in (None, DEFAULT_LOCATION) else {"LocationConstraint": module.region}
            configuration = {"CreateBucketConfiguration": location} if location else {}
            client.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced", **configuration)
            client.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
            found = found_state(client, name)
        apply(client, bucket, differences(wanted, found), json.dumps(bucket["policy"]))
    names = [bucket["name"] for bucket in module.params["buckets"]]
    return {"changed": any_differ(diffs), "diff": diffs, "buckets": names, "managed": {"bucket": names}}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the buckets", no_log={"bucket_key": False, "kms_key_id": False})


if __name__ == "__main__":
    main()
