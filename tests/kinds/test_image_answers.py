"""What AWS really answers about hosts, images and disks: members that are absent, null or empty; and what each belongs to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.image import Image, snapshots_of
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.instance import Instance
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.snapshot import Snapshot
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.volume import Volume

NOW = datetime.now(UTC)
IMAGE: dict[str, Any] = {
    "BlockDeviceMappings": [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {"DeleteOnTermination": True, "Encrypted": True, "SnapshotId": "snap-2", "VolumeSize": 8},
        },
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
        {"DeviceName": "/dev/sdc", "Ebs": {"DeleteOnTermination": False, "SnapshotId": "snap-1", "VolumeSize": 100}},
        {"DeviceName": "/dev/sdd", "Ebs": {"VolumeSize": 4, "VolumeType": "gp3"}},
        {"DeviceName": "/dev/sde", "NoDevice": ""},
    ],
    "CreationDate": "2026-03-01T09:12:47.000Z",
    "Description": "",
    "ImageId": "ami-1",
    "ImageLocation": "123456789012/pettracker-dev-0f3c",
    "Name": "pettracker-dev-0f3c",
    "OwnerId": "123456789012",
    "Public": False,
    "State": "available",
}
INSTANCE: dict[str, Any] = {
    "BlockDeviceMappings": [],
    "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
    "ClientToken": "",
    "InstanceId": "i-1",
    "InstanceType": "g4dn.xlarge",
    "LaunchTime": NOW - timedelta(hours=30),
    "NetworkInterfaces": [],
    "State": {"Code": 80, "Name": "stopped"},
}
SHARED = [{"Group": "all"}, {"UserId": "210987654321"}, {"OrganizationArn": "arn:aws:organizations::2:organization/o-1"}]
CASES: list[tuple[Kind, dict[str, Any], dict[str, Any]]] = [
    (Instance(), {"DescribeInstances": INSTANCE}, {"instance_type": "g4dn.xlarge", "spot": False}),
    (
        Instance(),
        {"DescribeInstances": INSTANCE | {"InstanceLifecycle": "spot"}},
        {"instance_type": "g4dn.xlarge", "spot": True},
    ),
    (
        Volume(),
        {"DescribeVolumes": {"VolumeId": "vol-1", "Size": 8, "VolumeType": "gp2", "Iops": 100, "SnapshotId": ""}},
        {"volume_type": "gp2", "volume_size": 8, "iops": 100, "throughput": None},
    ),
    (
        Volume(),
        {"DescribeVolumes": {"VolumeId": "vol-1", "Size": 500, "VolumeType": "standard", "Attachments": []}},
        {"volume_type": "standard", "volume_size": 500, "iops": None, "throughput": None},
    ),
    (Snapshot(), {"DescribeSnapshotAttribute": {"CreateVolumePermissions": []}}, {"create_volume_permissions": []}),
    (
        Snapshot(),
        {"DescribeSnapshotAttribute": {"CreateVolumePermissions": [{"UserId": "210987654321"}, {"Group": "all"}]}},
        {"create_volume_permissions": ["210987654321", "all"]},
    ),
    (
        Image(),
        {"DescribeImages": IMAGE, "DescribeImageAttribute": {"ImageId": "ami-1", "LaunchPermissions": []}},
        {"enabled": True, "launch_permissions": []},
    ),
    (
        Image(),
        {"DescribeImages": IMAGE | {"State": "disabled"}, "DescribeImageAttribute": {"LaunchPermissions": SHARED}},
        {"enabled": False, "launch_permissions": ["210987654321", "all", "arn:aws:organizations::2:organization/o-1"]},
    ),
]


@pytest.mark.parametrize(("kind", "answers", "state"), CASES)
def test_the_state_of_what_aws_answers(kind: Kind, answers: dict[str, Any], state: dict[str, Any]) -> None:
    assert kind.state(answers) == state


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"DeprecationTime": None, "DeregistrationProtection": "enabled-without-cooldown"},
        {"DeregistrationProtection": None, "InstanceTypeSpecification": {}},
    ],
)
def test_an_image_that_nobody_has_changed_deviates_in_nothing(members: dict[str, Any]) -> None:
    assert Image().deviations({"DescribeImages": IMAGE | members}) == []


def test_a_watermark_is_nobodys() -> None:
    answers = {"DescribeImages": IMAGE | {"ImageWatermarks": [{"WatermarkKey": "123456789012:approved"}]}}
    assert Image().nobodys(answers) == {"watermark": ["123456789012:approved"]}
    assert Image().nobodys({"DescribeImages": IMAGE}) == {}


def test_disks_of_an_image_that_hold_no_snapshot_are_passed_over() -> None:
    assert snapshots_of(IMAGE) == ["snap-1", "snap-2"]


def instance(hours: float = 0, **tags: str) -> dict[str, Any]:
    given = [{"Key": name, "Value": value} for name, value in tags.items()]
    return INSTANCE | {"LaunchTime": NOW - timedelta(hours=hours), "Tags": given}


GROUP = {"aws:autoscaling:groupName": "pettracker-dev-service", "Role": "service"}
JOB = {"Role": "training", "Job": "pets-0f3c", "MaximumHours": "36"}


@pytest.mark.parametrize(
    ("host", "belongs_to"),
    [
        (INSTANCE, ""),
        (INSTANCE | {"Tags": []}, ""),
        (instance(24 * 400, **GROUP), "Auto Scaling group pettracker-dev-service"),
        # Only AWS writes the tag: who calls a host of his own so has no other.
        (instance(Role="service", groupName="pettracker-dev-service"), ""),
        (instance(23, Role="builder"), "image build"),
        (instance(1, Role="boot-test"), "image build"),
        (instance(25, Role="builder"), ""),
        (instance(35, **JOB), "training job pets-0f3c"),
        (instance(37, **JOB), ""),
        (instance(1, Role="training", Job="pets-0f3c"), ""),
        (instance(1, Role="training", MaximumHours="36"), ""),
        (instance(0, Name="workbench"), ""),
    ],
)
def test_what_a_host_belongs_to(host: dict[str, Any], belongs_to: str) -> None:
    assert Instance().belongs_to(host) == belongs_to


@pytest.mark.parametrize(
    ("disk", "belongs_to"),
    [
        ({"Attachments": [{"InstanceId": "i-1", "State": "attached"}]}, "instance i-1"),
        # An AWS service's own host has no id here.
        ({"Attachments": [{"AssociatedResource": "arn:aws:ecs:1", "State": "attached"}]}, ""),
        ({"Attachments": []}, ""),
        ({}, ""),
    ],
)
def test_what_a_disk_belongs_to(disk: dict[str, Any], belongs_to: str) -> None:
    assert Volume().belongs_to(disk) == belongs_to
