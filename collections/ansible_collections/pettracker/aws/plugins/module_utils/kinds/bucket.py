"""S3 buckets, private whatever else they are.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html (public access block, ownership, TLS only),
bucket-key.html (bucket keys) in the same guide.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from ..state import State, canonical_policy, differences, error_code, tags_to_dict, tags_to_list
from .bucket_answers import ANSWERS, LISTS, NOTHING, OWNER, PUBLIC_ACCESS_BLOCK, PUT_BACK, UNKNOWN
from .bucket_lifecycle import lifecycle_request, lifecycle_state, wanted_lifecycle
from .charges import Fields, Item, Place, line, plain
from .fields import Answer, snake
from .finding import tagged
from .keeping import Kept
from .kind import Answers, Client, Clients, Grant, Owned, Scope, as_set, iso_time

# The one region for which CreateBucket takes no location.
DEFAULT_LOCATION = "us-east-1"
# Answers that are asked for at the same time; boto3 keeps ten connections.
AT_ONCE = 8


# What IAM calls the configurations: those that are read and written, and those that are only read or only removed.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
CONFIGURED = """
    AccelerateConfiguration AnalyticsConfiguration BucketAbac BucketAcl BucketCORS BucketLogging BucketNotification
    BucketObjectLockConfiguration BucketOwnershipControls BucketPolicy BucketPublicAccessBlock BucketRequestPayment
    BucketTagging BucketVersioning EncryptionConfiguration IntelligentTieringConfiguration InventoryConfiguration
    LifecycleConfiguration MetricsConfiguration ReplicationConfiguration
"""
LOOKED_AT = "BucketLocation BucketMetadataTableConfiguration BucketWebsite"
REMOVING = "DeleteBucketMetadataTableConfiguration DeleteBucketWebsite"


def _actions(verb: str, names: str) -> str:
    return " ".join(f"{verb}{name}" for name in names.split())


class Bucket(Kept):
    """Holds what people and hosts have made, so that a teardown of the workflows leaves it alone."""

    name = "bucket"
    service = "s3"
    answers = ANSWERS
    samples: ClassVar = {
        "GetBucketPolicy.Policy": ('{"Statement": [{"Sid": "One"}]}', '{"Statement": [{"Sid": "Two"}]}'),
        "GetBucketAcl.Owner.ID": ("owner", "another owner"),
    }
    look = (
        Grant("s3", "ListAllMyBuckets"),
        Grant("tag", "GetResources"),
        Grant("s3", f"{_actions('Get', LOOKED_AT)} {_actions('Get', CONFIGURED)} ListBucket", ("buckets",)),
    )
    change = (Grant("s3", f"CreateBucket {REMOVING} {_actions('Put', CONFIGURED)}", ("buckets",)),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        since = {bucket["Name"]: bucket["CreationDate"] for bucket in clients("s3").list_buckets()["Buckets"]}
        names = {arn.partition(":::")[2] for arn in tagged(clients, scope, "s3")}
        for name in sorted(names & set(since)):
            yield Owned(name, since=iso_time(since[name]))

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("s3")
        # The first page each time: the place where a listing is to go on is itself among what was deleted.
        while page := _versions(client.list_object_versions(Bucket=identity)):
            refused = client.delete_objects(Bucket=identity, Delete={"Objects": page, "Quiet": True}).get("Errors", [])
            if refused:
                first = refused[0]
                told = f"{first['Key']}: {first['Code']} {first['Message']}"
                raise RuntimeError(f"{len(refused)} objects of {identity} cannot be deleted; {told}")
        client.delete_bucket(Bucket=identity)

    def read(self, clients: Clients, name: str) -> Answers:
        client = clients("s3")
        try:
            client.head_bucket(Bucket=name)
        except Exception as error:
            if error_code(error) == "404":
                return {}
            raise
        with ThreadPoolExecutor(AT_ONCE) as threads:
            described = threads.map(lambda answer: _described(client, name, answer), self.answers)
            return {answer.operation: found for answer, found in zip(self.answers, described, strict=True)}

    def state(self, answers: Answers) -> State:
        encryption = answers["GetBucketEncryption"]
        default = encryption.get("ApplyServerSideEncryptionByDefault") or {}
        block = answers["GetPublicAccessBlock"].get("PublicAccessBlockConfiguration")
        ownership = answers["GetBucketOwnershipControls"].get("Rules") or [{}]
        return {
            "encryption": default.get("SSEAlgorithm"),
            "kms_key_id": default.get("KMSMasterKeyID"),
            "bucket_key": encryption.get("BucketKeyEnabled") or False,
            "versioning": answers["GetBucketVersioning"].get("Status") == "Enabled",
            "lifecycle": lifecycle_state(answers["GetBucketLifecycleConfiguration"].get("Rules") or []),
            "public_access_blocked": block == PUBLIC_ACCESS_BLOCK,
            "ownership": ownership[0].get("ObjectOwnership"),
            "policy": canonical_policy(answers["GetBucketPolicy"].get("Policy")),
            "grants": _grants(answers["GetBucketAcl"]),
            "event_bridge": answers["GetBucketNotificationConfiguration"].get("EventBridgeConfiguration") is not None,
            "accelerated": answers["GetBucketAccelerateConfiguration"].get("Status") == "Enabled",
            "tags": tags_to_dict(answers["GetBucketTagging"].get("TagSet") or []),
        }

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        gb = place.usage["bucket_gb"]
        yield line(f"{self.name} {name}", "s3", f"{plain(gb)} GB", gb * place.prices["s3"]["gb_month"])

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        return {
            "encryption": entry["encryption"],
            "kms_key_id": entry.get("kms_key_id"),
            "bucket_key": entry["bucket_key"],
            # Versioning can be suspended but never removed, so a bucket without it wants either of the two.
            "versioning": entry["versioning"],
            "lifecycle": wanted_lifecycle(entry["lifecycle_rules"]),
            "public_access_blocked": True,
            "ownership": OWNER,
            "policy": canonical_policy(entry["policy"]),
            "grants": [],
            "event_bridge": False,
            "accelerated": False,
            "tags": entry["tags"],
        }

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client = clients("s3")
        if not answers:
            _create(client, name)
            answers = self.read(clients, name)
        wanted, found = as_set(wanted, self.state(answers), self.deviations(answers))
        fields = set(differences(wanted, found))
        beginnings = {field.split(".")[0] for field in fields}
        for beginning, (call, parameters) in PUT_BACK.items():
            if beginning in beginnings:
                getattr(client, call)(Bucket=name, **parameters)
        for path, call in LISTS.items():
            for one in (found or {}).get(path) or []:
                getattr(client, call)(Bucket=name, Id=one["Id"])
        _apply(client, name, wanted, fields)


def _described(client: Client, name: str, answer: Answer) -> Any:
    """Returns the structure that an answer describes; an empty one where nobody has configured anything."""
    try:
        found = getattr(client, snake(answer.operation))(Bucket=name)
    except Exception as error:
        if error_code(error) in (NOTHING.get(answer.operation), *UNKNOWN):
            return {}
        raise
    found = {member: value for member, value in found.items() if member != "ResponseMetadata"}
    for member in filter(None, answer.path.split(".")):
        found = found.get(member) or {}
        found = found[0] if isinstance(found, list) else found
    return found


def _grants(acl: Mapping[str, Any]) -> list[str]:
    """Returns what an ACL gives to others than the owner: `READ to http://acs.amazonaws.com/groups/global/AllUsers`."""
    owner = (acl.get("Owner") or {}).get("ID")
    grants = [(grant["Grantee"], grant["Permission"]) for grant in acl.get("Grants") or []]
    return sorted(
        f"{permission} to {' '.join(filter(None, (grantee.get('ID'), grantee.get('URI'))))}"
        for grantee, permission in grants
        if grantee.get("ID") is None or grantee["ID"] != owner
    )


def _create(client: Client, name: str) -> None:
    region = client.meta.region_name
    location = {"LocationConstraint": region} if region != DEFAULT_LOCATION else {}
    configuration = {"CreateBucketConfiguration": location} if location else {}
    client.create_bucket(Bucket=name, ObjectOwnership=OWNER, **configuration)
    client.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def _apply(client: Client, name: str, wanted: State, fields: set[str]) -> None:
    if fields & {"encryption", "kms_key_id", "bucket_key", "blocked_encryption_types.encryption_type"}:
        client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [_encryption(wanted)]})
    if "versioning" in fields:
        status = {"Status": "Enabled" if wanted["versioning"] else "Suspended"}
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=status)
    if fields & {"lifecycle", "transition_default_minimum_object_size"}:
        if rules := lifecycle_request(wanted["lifecycle"]):
            client.put_bucket_lifecycle_configuration(
                Bucket=name,
                LifecycleConfiguration={"Rules": rules},
                TransitionDefaultMinimumObjectSize="all_storage_classes_128K",
            )
        else:
            client.delete_bucket_lifecycle(Bucket=name)
    if "tags" in fields:
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags_to_list(wanted["tags"])})
    # Last: from here on the policy binds the caller too.
    if "policy" in fields:
        client.put_bucket_policy(Bucket=name, Policy=json.dumps(wanted["policy"]))


def _encryption(wanted: State) -> dict[str, Any]:
    default = {"SSEAlgorithm": wanted["encryption"]}
    if wanted["kms_key_id"]:
        default["KMSMasterKeyID"] = wanted["kms_key_id"]
    return {
        "ApplyServerSideEncryptionByDefault": default,
        "BucketKeyEnabled": wanted["bucket_key"],
        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
    }


def _versions(page: Mapping[str, Any]) -> list[dict[str, str]]:
    listed = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in listed]
