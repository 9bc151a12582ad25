"""Snapshots. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

from ..state import State
from .charges import Fields, Item, Place, snapshot_charge
from .ec2 import Ec2Kind, Resource, regional_arns
from .fields import FIXED, IDENTITY, STATUS, TIME, Answer, Foreign, Ignored, Marks, compared, each
from .image import Image, snapshots_of
from .kind import Answers, Client, Clients, Grant, Owned, Scope

SNAPSHOTS: Marks = {
    **each(IDENTITY, "SnapshotId OwnerId OwnerAlias OutpostArn"),
    **each(FIXED, "Description AvailabilityZone VolumeId VolumeSize FullSnapshotSizeInBytes Encrypted KmsKeyId"),
    **each(FIXED, "AssociatedKmsKeys DataEncryptionKeyId SseType TransferType CompletionDurationMinutes"),
    **each(STATUS, "State StateMessage Progress"),
    **each(TIME, "StartTime CompletionTime"),
    # https://docs.aws.amazon.com/ebs/latest/userguide/archive-snapshot.html
    "StorageTier": Ignored("AWS archives none of an image that is enabled, as each is kept"),
    "RestoreExpiryTime": Ignored("of one that is archived, and AWS archives none of an enabled image"),
    "Tags": Foreign("the image build, which gives it those of the image"),
}
SNAPSHOT_ATTRIBUTE: Marks = {
    "SnapshotId": IDENTITY,
    **compared(create_volume_permissions="CreateVolumePermissions"),
    "ProductCodes": FIXED,
}


class Snapshot(Ec2Kind):
    """That of an image, which is nobody else's, or one that an image has left behind."""

    name = "snapshot"
    describe, listing, key = "describe_snapshots", "Snapshots", "SnapshotId"
    place = ""
    besides: ClassVar[Mapping[str, Any]] = {"OwnerIds": ["self"]}
    made_at = "StartTime"
    answers = (Answer("DescribeSnapshots", "Snapshots", SNAPSHOTS), Answer("DescribeSnapshotAttribute", "", SNAPSHOT_ATTRIBUTE))
    change = (Grant("ec2", "CreateTags DeleteSnapshot ModifySnapshotAttribute", regional_arns("snapshot"), "own"),)
    removal = (Grant("ec2", "DeleteSnapshot", regional_arns("snapshot"), "own"),)
    delete = "delete_snapshot", "SnapshotId"

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        found = list(super().owned(clients, scope))
        images = Image().listed(clients("ec2")) if found else []
        users = {snapshot: image["ImageId"] for image in images for snapshot in snapshots_of(image)}
        for one in found:
            image = users.get(one.identity)
            yield Owned(one.identity, one.name, one.since, f"image {image}" if image else "")

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        yield snapshot_charge(f"{self.name} {name}", place)

    def read(self, client: Client, resource: Resource) -> Answers:
        identity = resource["SnapshotId"]
        attributes = client.describe_snapshot_attribute(SnapshotId=identity, Attribute="createVolumePermission")
        return {"DescribeSnapshots": resource, "DescribeSnapshotAttribute": attributes}

    def state(self, answers: Answers) -> State:
        given = answers["DescribeSnapshotAttribute"].get("CreateVolumePermissions") or []
        return {"create_volume_permissions": sorted(str(who) for one in given for who in one.values())}

    def wanted(self) -> State:
        """Returns the state of one that its account alone can use."""
        return {"create_volume_permissions": []}

    def correct(self, client: Client, answers: Answers, fields: Collection[str]) -> None:
        """Makes the calls that correct these fields."""
        if "create_volume_permissions" in fields:
            permissions = answers["DescribeSnapshotAttribute"]["CreateVolumePermissions"]
            client.modify_snapshot_attribute(
                SnapshotId=answers["DescribeSnapshots"]["SnapshotId"],
                Attribute="createVolumePermission",
                OperationType="remove",
                GroupNames=[one["Group"] for one in permissions if "Group" in one],
                UserIds=[one["UserId"] for one in permissions if "UserId" in one],
            )
