"""The module image_retention on the local cloud: what nothing refers to goes with its snapshots, and nothing else does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import backends
from localcloud.fleet import groups
from tests.localcloud.conftest import Cloud
from tests.localcloud.refreshing import Refreshing
from tests.plugins.loading import FakeModule, ModuleFailed, load

OWN = {"Project": "pettracker", "Environment": "staging"}
OTHERS = {"Project": "pettracker", "Environment": "production"}
NOW = datetime.now(UTC)


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def image(cloud: Cloud, name: str, days: float, tags: dict[str, str] = OWN, verified: str = "true") -> str:
    """Return the id of an image that is some days old."""
    ec2 = cloud.client("ec2")
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}
    identity: str = ec2.register_image(Name=name, RootDeviceName="/dev/xvda", BlockDeviceMappings=[mapping])["ImageId"]
    ec2.create_tags(Resources=[identity], Tags=pairs(tags | {"Verified": verified}))
    backends.ec2().amis[identity].creation_date = NOW.replace(tzinfo=None) - timedelta(days=days)
    return identity


def snapshots(cloud: Cloud, *images: str) -> set[str]:
    found = cloud.client("ec2").describe_images(ImageIds=list(images))["Images"]
    return {mapping["Ebs"]["SnapshotId"] for one in found for mapping in one["BlockDeviceMappings"]}


def prune(cloud: Cloud, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    parameters = {"tags": OWN, "keep": 2, "in_use": [], "to_be_made": 0} | given
    module = FakeModule(parameters, check_mode)
    module.client = lambda service, _=None: cloud.client(service)  # type: ignore[method-assign]
    result: dict[str, Any] = load("modules", "image_retention").run(module)
    return result


def names(result: dict[str, Any]) -> list[str]:
    return [diff["before_header"] for diff in result["diff"]]


@pytest.fixture
def group(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Refreshing:
    """A service of version 1 whose template and group carry the environment's tags."""
    monkeypatch.setattr(groups, "INTERVAL", 0.05)
    group = Refreshing(cloud)
    (template,) = group.ec2.describe_launch_templates()["LaunchTemplates"]
    group.ec2.create_tags(Resources=[template["LaunchTemplateId"]], Tags=pairs(OWN))
    resource = {"ResourceId": "service", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
    group.asg.create_or_update_tags(Tags=[tag | resource for tag in pairs(OWN)])
    return group


def version(group: Refreshing, image_id: str) -> str:
    made = group.ec2.create_launch_template_version(
        LaunchTemplateName="service", SourceVersion="1", LaunchTemplateData={"ImageId": image_id}
    )
    return str(made["LaunchTemplateVersion"]["VersionNumber"])


def test_what_nothing_refers_to_goes_with_its_snapshots(cloud: Cloud, group: Refreshing) -> None:
    ec2 = cloud.client("ec2")
    used = {
        name: image(cloud, name, 100 - number)
        for number, name in enumerate(["stopped", "default", "group", "refresh", "latest", "release"])
    }
    old = [image(cloud, name, days) for name, days in (("old", 90), ("older", 91))]
    unfinished = [image(cloud, "never verified", 80, verified="false"), image(cloud, "being made", 0.2, verified="false")]
    other = image(cloud, "production", 99, OTHERS)
    newest = [image(cloud, f"new {days}", days) for days in (2, 1)]
    (host,) = ec2.run_instances(ImageId=used["stopped"], MinCount=1, MaxCount=1, InstanceType="c5.large")["Instances"]
    ec2.stop_instances(InstanceIds=[host["InstanceId"]])
    ec2.modify_launch_template(LaunchTemplateName="service", DefaultVersion=version(group, used["default"]))
    template = {"LaunchTemplateName": "service", "Version": version(group, used["group"])}
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", LaunchTemplate=template)
    brought = {"LaunchTemplate": template | {"Version": version(group, used["refresh"])}}
    # It waits for both members, so that no host has yet what it brings.
    group.asg.set_instance_protection(AutoScalingGroupName="service", InstanceIds=sorted(group.old), ProtectedFromScaleIn=True)
    group.start(brought, ScaleInProtectedInstances="Wait", MinHealthyPercentage=50, MaxHealthyPercentage=100)
    version(group, used["latest"])

    given = {"in_use": [used["release"]]}
    planned = prune(cloud, check_mode=True, **given)
    assert names(planned) == ["image older", "image old", "image never verified"]
    assert {diff["action"] for diff in planned["diff"]} == {"delete"}
    # With the one that the plan makes, only one of those that are there is among the newest two.
    assert names(prune(cloud, check_mode=True, to_be_made=1, **given))[-1] == "image new 2"

    gone, staying = {*old, unfinished[0]}, {*used.values(), *newest, unfinished[1], other}
    disks, kept_disks = snapshots(cloud, *gone), snapshots(cloud, *staying)
    assert set(prune(cloud, **given)["removed"]) == gone
    assert {one["ImageId"] for one in ec2.describe_images(Owners=["self"])["Images"]} == staying
    left = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert not disks & left
    assert kept_disks <= left
    assert not prune(cloud, **given)["changed"]
    with pytest.raises(ClientError, match=r"InvalidAMIID\.(NotFound|Unavailable)"):
        ec2.run_instances(ImageId=old[0], MinCount=1, MaxCount=1)


def test_nobody_can_ask_for_no_image_at_all(cloud: Cloud) -> None:
    image(cloud, "only", 9)
    with pytest.raises(ModuleFailed, match="1 or more"):
        prune(cloud, keep=0)
    assert not prune(cloud, keep=1)["changed"]
