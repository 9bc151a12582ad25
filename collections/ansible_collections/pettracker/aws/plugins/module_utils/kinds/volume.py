"""Volumes. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Volume.html"""

from collections.abc import Iterator

from ..state import State
from .charges import Fields, Item, Place, volume_charges
from .ec2 import Ec2Kind, Resource, arns
from .fields import FIXED, IDENTITY, STATUS, TIME, Answer, Foreign, Ignored, Marks, compared, each
from .kind import Answers, Grant

# A disk comes and goes with its host, and is replaced with it.
MAKER = Foreign("who started the host that has it: its group by a launch template, an image build or a training job")
FIELDS = {"volume_type": "VolumeType", "volume_size": "Size", "iops": "Iops", "throughput": "Throughput"}
VOLUMES: Marks = {
    **each(IDENTITY, "VolumeId VolumeArn OwnerId OutpostArn"),
    **compared(**FIELDS),
    **each(FIXED, "AvailabilityZone AvailabilityZoneId SnapshotId SourceVolumeId FastRestored VolumeInitializationRate"),
    **each(FIXED, "Encrypted KmsKeyId SseType Operator"),
    **each(MAKER, "MultiAttachEnabled Tags"),
    "Attachments": Ignored("says to which host it belongs, whose disks nobody compares"),
    "State": STATUS,
    "CreateTime": TIME,
}


class Volume(Ec2Kind):
    """Each comes with a host: its state is what its price depends on, and one without a host has been left behind."""

    name = "volume"
    describe, listing, key = "describe_volumes", "Volumes", "VolumeId"
    place = ""
    made_at = "CreateTime"
    answers = (Answer("DescribeVolumes", "Volumes", VOLUMES),)
    removal = (Grant("ec2", "DeleteVolume", arns("volume"), "own"),)
    delete = "delete_volume", "VolumeId"

    def belongs_to(self, resource: Resource) -> str:
        hosts = [one["InstanceId"] for one in resource.get("Attachments", []) if one.get("InstanceId")]
        return f"instance {hosts[0]}" if hosts else ""

    def priced(self, resource: Resource) -> State:
        return self.state({"DescribeVolumes": resource})

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        yield from volume_charges(f"{self.name} {name}", name, fields, place)

    def state(self, answers: Answers) -> State:
        return {field: answers["DescribeVolumes"].get(key) for field, key in FIELDS.items()}
