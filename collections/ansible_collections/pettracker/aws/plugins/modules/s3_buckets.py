#!/usr/bin/python

from ..module_utils.kinds.bucket import Bucket
from ..module_utils.kinds.keeping import keep
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: s3_buckets
short_description: Keeps a list of S3 buckets as they should be
description:
  - Makes and corrects buckets with encryption, a policy and a life cycle, with all public access blocked and without ACLs.
  - Unlike M(amazon.aws.s3_bucket) it compares before it acts, also in check mode, returns a difference, and sets the
    bucket key for both kinds of encryption. It never deletes a bucket.
options:
  buckets:
    type: list
    elements: dict
    required: true
    description: "The buckets."
    suboptions:
      name: {type: str, required: true, description: "Name of the bucket."}
      encryption: {type: str, choices: [AES256, 'aws:kms'], default: AES256, description: "Encryption of objects for which the
        writer asks for nothing else."}
      kms_key_id: {type: str, description: "ARN of the key for C(aws:kms); the AWS managed key of S3 when it is missing."}
      bucket_key: {type: bool, default: true, description: "Whether S3 asks KMS for one key of the bucket only."}
      versioning: {type: bool, default: true, description: "Whether earlier versions of objects are kept."}
      lifecycle_rules:
        type: list
        elements: dict
        default: []
        description: >-
          All rules of the bucket's life cycle. 0 days are never, and a rule does at least one thing. Where earlier versions go,
          and objects do not, delete markers that hide nothing go, too.
        suboptions:
          id: {type: str, required: true, description: "Name of the rule."}
          prefix: {type: str, default: "", description: "Beginning of the keys that it is about; all of them when it is empty."}
          expire_days: {type: int, default: 0, description: "Days after which an object goes, or becomes an earlier version."}
          noncurrent_days: {type: int, default: 0, description: "Days after which a version that was replaced goes for good."}
          abort_upload_days: {type: int, default: 0, description: "Days after which the parts of an unfinished upload go."}
      policy: {type: dict, required: true, description: "The bucket's policy."}
      tags: {type: dict, default: {}, description: "All tags of the bucket."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Keep the models bucket
  pettracker.aws.s3_buckets:
    buckets:
      - name: pettracker-dev-123456789012-models
        policy: "{{ lookup('ansible.builtin.template', 'policy.json.j2') | from_json }}"
        lifecycle_rules: [{id: everything, noncurrent_days: 30, abort_upload_days: 7}]
"""


def run(module: Module) -> Result:
    """Compares each bucket, and corrects those that differ unless in check mode."""
    return keep(module, Bucket(), {bucket["name"]: bucket for bucket in module.params["buckets"]})


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the buckets", no_log={"bucket_key": False, "kms_key_id": False})
