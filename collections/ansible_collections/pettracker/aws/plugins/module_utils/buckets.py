"""The state of an S3 bucket as this project owns it: from a variable, from the API, and the calls between the two.

The documents: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html (bucket keys),
security-best-practices.html (public access block, ownership, TLS only), intro-lifecycle-rules.html in the same guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    canonical_policy,
    error_code,
    tags_to_dict,
    tags_to_list,
)

PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}

# What a rule of a life cycle does after some days: our name, the action and its argument.
DAYS = {
    "expire_days": ("Expiration", "Days"),
    "noncurrent_days": ("NoncurrentVersionExpiration", "NoncurrentDays"),
    "abort_upload_days": ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
}


def wanted_state(bucket: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one entry of the module's `buckets` in the fields of `found_state`."""
    return {
        "encryption": bucket["encryption"],
        "kms_key_id": bucket.get("kms_key_id"),
        "bucket_key": bucket["bucket_key"],
        # Versioning can be suspended but never removed, so a bucket without it wants either of the two.
        "versioning": bucket["versioning"],
        "lifecycle": lifecycle_state(lifecycle_rules(bucket["lifecycle_rules"])),
        "public_access_blocked": True,
        "ownership": "BucketOwnerEnforced",
        "policy": canonical_policy(bucket["policy"]),
        "tags": bucket["tags"],
    }


def lifecycle_rules(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the module's `lifecycle_rules` as S3 takes them. No days, or 0 of them, are no action.

    A deletion in a bucket with versions leaves a marker. Where objects expire, S3 removes markers that hide nothing by itself;
    elsewhere it is asked to, which cannot be said beside days:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html
    """
    wanted = []
    for rule in rules:
        actions = {action: {key: rule[name]} for name, (action, key) in DAYS.items() if rule.get(name)}
        if "NoncurrentVersionExpiration" in actions:
            actions.setdefault("Expiration", {"ExpiredObjectDeleteMarker": True})
        wanted.append({"ID": rule["id"], "Filter": {"Prefix": rule["prefix"]}, "Status": "Enabled"} | actions)
    return wanted


def lifecycle_state(rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns S3's rules by their IDs, in one form: an empty filter, an empty prefix in it and one beside it are the same.

    What the module does not set, such as transitions and tags in a filter, is in `other`.
    """
    return {rule["ID"]: _rule_state(rule) for rule in rules}


def _rule_state(rule: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: dict(value) if isinstance(value, Mapping) else value for key, value in rule.items() if key != "ID"}
    state: dict[str, Any] = {"enabled": rest.pop("Status") == "Enabled"}
    state["prefix"] = rest.get("Filter", {}).pop("Prefix", rest.pop("Prefix", ""))
    for name, (action, key) in DAYS.items():
        if days := rest.get(action, {}).pop(key, None):
            state[name] = int(days)
    if rest.get("Expiration", {}).pop("ExpiredObjectDeleteMarker", False):
        state["remove_markers"] = True
    other = {key: str(value) for key, value in sorted(rest.items()) if value}
    return state | ({"other": other} if other else {})


def found_state(client: Any, name: str) -> dict[str, Any] | None:
    """Reads a bucket with a boto3 S3 client; None if there is none."""

    def read(code: str, call: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        try:
            return call(Bucket=name)
        except Exception as error:
            if error_code(error) == code:
                return {}
            raise

    try:
        client.head_bucket(Bucket=name)
    except Exception as error:
        if error_code(error) == "404":
            return None
        raise
    encryption = read("ServerSideEncryptionConfigurationNotFoundError", client.get_bucket_encryption)
    rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [{}])
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    block = read("NoSuchPublicAccessBlockConfiguration", client.get_public_access_block)
    ownership = read("OwnershipControlsNotFoundError", client.get_bucket_ownership_controls)
    lifecycle = read("NoSuchLifecycleConfiguration", client.get_bucket_lifecycle_configuration)
    return {
        "encryption": default.get("SSEAlgorithm"),
        "kms_key_id": default.get("KMSMasterKeyID"),
        "bucket_key": rules[0].get("BucketKeyEnabled", False),
        "versioning": client.get_bucket_versioning(Bucket=name).get("Status") == "Enabled",
        "lifecycle": lifecycle_state(lifecycle.get("Rules", [])),
        "public_access_blocked": block.get("PublicAccessBlockConfiguration") == PUBLIC_ACCESS_BLOCK,
        "ownership": ownership.get("OwnershipControls", {}).get("Rules", [{}])[0].get("ObjectOwnership"),
        "policy": canonical_policy(read("NoSuchBucketPolicy", client.get_bucket_policy).get("Policy")),
        "tags": tags_to_dict(read("NoSuchTagSet", client.get_bucket_tagging).get("TagSet", [])),
    }


def apply(client: Any, bucket: Mapping[str, Any], fields: list[str], policy_text: str) -> None:
    """Makes the calls that correct `fields` of an existing bucket."""
    name = bucket["name"]
    if {"encryption", "kms_key_id", "bucket_key"} & set(fields):
        default = {"SSEAlgorithm": bucket["encryption"]}
        if bucket.get("kms_key_id"):
            default["KMSMasterKeyID"] = bucket["kms_key_id"]
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket["bucket_key"]}
        client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    if "public_access_blocked" in fields:
        client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)
    if "ownership" in fields:
        rules = [{"ObjectOwnership": "BucketOwnerEnforced"}]
        client.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": rules})
    if "versioning" in fields:
        status = "Enabled" if bucket["versioning"] else "Suspended"
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    if "lifecycle" in fields:
        if rules := lifecycle_rules(bucket["lifecycle_rules"]):
            client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
        else:
            client.delete_bucket_lifecycle(Bucket=name)
    if "tags" in fields:
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags_to_list(bucket["tags"])})
    # Last: from here on the policy binds the caller too.
    if "policy" in fields:
        client.put_bucket_policy(Bucket=name, Policy=policy_text)
