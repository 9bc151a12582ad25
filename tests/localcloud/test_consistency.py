"""What EC2 and IAM have just made is not known at once, and the modules wait for it."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils import propagation
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud
from tests.localcloud.scaling_group import Group
from tests.plugins.loading import FakeModule, load

LAUNCH = {"MinCount": 1, "MaxCount": 1, "InstanceType": "c5.large"}
UNKNOWN = "Invalid IAM Instance Profile"
TAGS = {"Project": "pettracker", "Environment": "dev"}


@pytest.fixture
def lagging(cloud: Cloud) -> Cloud:
    """A cloud that knows nothing new before a test moves its clock."""
    cloud.account.consistency.delay = 3600.0
    return cloud


@pytest.fixture
def pauses(lagging: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Half of what the cloud needs passes with each pause of the modules; they are noted."""
    noted: list[float] = []

    def pause(seconds: float) -> None:
        noted.append(seconds)
        lagging.clock.advance(lagging.account.consistency.delay / 2)

    monkeypatch.setattr(propagation, "time", SimpleNamespace(sleep=pause, monotonic=time.monotonic))
    return noted


def new_profile(cloud: Cloud, name: str = "training") -> str:
    iam = cloud.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    profile = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return str(profile["Arn"])


class Module(FakeModule):
    """A module on the cloud."""

    def __init__(self, cloud: Cloud, parameters: dict[str, Any]) -> None:
        super().__init__(parameters)
        self.cloud = cloud

    def client(self, service: str, config: dict[str, Any] | None = None) -> Any:
        return self.cloud.client(service)


def test_what_is_new_is_not_known_by_its_id_nor_found_nor_described(lagging: Cloud) -> None:
    ec2 = lagging.client("ec2")
    name = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "new"}]}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=name)["Vpc"]["VpcId"]
    by_name = [{"Name": "tag:Name", "Values": ["new"]}]
    assert ec2.describe_vpcs(Filters=by_name)["Vpcs"] == []
    for call in (ec2.describe_vpcs, ec2.get_waiter("vpc_available").wait):
        with pytest.raises(Exception, match=r"InvalidVpcID\.NotFound"):
            call(VpcIds=[vpc])
    with pytest.raises(ClientError, match=r"InvalidVpcID\.NotFound"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    assert ec2.describe_network_acls(Filters=inside)["NetworkAcls"] == []
    lagging.clock.advance(3600)
    assert [one["VpcId"] for one in ec2.describe_vpcs(Filters=by_name)["Vpcs"]] == [vpc]
    assert len(ec2.describe_network_acls(Filters=inside)["NetworkAcls"]) == 1


def test_a_new_tag_or_value_is_shown_later_than_it_is_set(lagging: Cloud) -> None:
    ec2, image = lagging.client("ec2"), lagging.base_image
    ec2.create_tags(Resources=[image], Tags=[{"Key": "Verified", "Value": "false"}])
    assert not ec2.describe_images(ImageIds=[image])["Images"][0].get("Tags")
    lagging.clock.advance(3600)
    ec2.create_tags(Resources=[image], Tags=[{"Key": "Verified", "Value": "true"}])
    verified = {"Filters": [{"Name": "tag:Verified", "Values": ["true"]}]}
    assert ec2.describe_images(**verified)["Images"] == []
    assert ec2.describe_images(ImageIds=[image])["Images"][0]["Tags"] == [{"Key": "Verified", "Value": "false"}]
    lagging.clock.advance(3600)
    assert [one["ImageId"] for one in ec2.describe_images(**verified)["Images"]] == [image]


def test_a_new_template_and_a_new_version_are_described_later_and_used_at_once(lagging: Cloud) -> None:
    ec2 = lagging.client("ec2")
    data = {"ImageId": lagging.base_image, "InstanceType": "c5.large"}
    ec2.create_launch_template(LaunchTemplateName="service", LaunchTemplateData=data)
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    with pytest.raises(ClientError, match=r"InvalidLaunchTemplateName\.NotFound"):
        ec2.describe_launch_templates(LaunchTemplateNames=["service"])
    lagging.clock.advance(3600)
    ec2.create_launch_template_version(LaunchTemplateName="service", LaunchTemplateData=data)
    assert ec2.describe_launch_templates()["LaunchTemplates"][0]["LatestVersionNumber"] == 1
    versions = {"LaunchTemplateName": "service", "Versions": ["$Latest"]}
    assert ec2.describe_launch_template_versions(**versions)["LaunchTemplateVersions"][0]["VersionNumber"] == 1
    with pytest.raises(ClientError, match="VersionNotFound"):
        ec2.describe_launch_template_versions(LaunchTemplateName="service", Versions=["2"])
    ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "service", "Version": "2"}, MinCount=1, MaxCount=1)


@pytest.mark.parametrize("by", ["Name", "Arn"])
def test_a_launch_with_a_new_profile_is_refused(lagging: Cloud, by: str) -> None:
    arn = new_profile(lagging)
    profile = {"Name": "training"} if by == "Name" else {"Arn": arn}
    request = LAUNCH | {"ImageId": lagging.base_image, "IamInstanceProfile": profile}
    with pytest.raises(ClientError, match=f"InvalidParameterValue.*{UNKNOWN} {'name' if by == 'Name' else 'ARN'}$"):
        lagging.client("ec2").run_instances(**request)
    lagging.clock.advance(3600)
    assert len(lagging.client("ec2").run_instances(**request)["Instances"]) == 1


def test_a_training_job_waits_until_ec2_knows_its_profile_and_for_no_other_refusal(lagging: Cloud, pauses: list[float]) -> None:
    ec2 = lagging.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    lagging.clock.advance(3600)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="training", Description="x", VpcId=vpc)["GroupId"]
    lagging.clock.advance(3600)
    new_profile(lagging)
    module = load("modules", "training_instance")
    parameters = {
        **{"state": "present", "job": "pets-1", "tags": TAGS, "market": "on-demand", "on_demand_fallback": False},
        **{"image_id": lagging.base_image, "instance_type": "c5.large", "subnet_ids": [subnet]},
        **{"security_group_id": group, "instance_profile": "training", "user_data": "#!/bin/sh"},
        **{"root_device": "/dev/xvda", "root_gigabytes": 32, "maximum_hours": 24.0},
    }
    assert module.run(Module(lagging, parameters))["changed"]
    assert len(pauses) == 2
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        module.run(Module(lagging, parameters | {"job": "pets-2", "image_id": "ami-00000001"}))
    assert len(pauses) == 2


def test_a_group_waits_until_its_template_and_profile_are_known(lagging: Cloud, pauses: list[float]) -> None:
    lagging.account.consistency.delay = 0.0
    group = Group(lagging, desired=1)
    zones = group.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["VPCZoneIdentifier"]
    lagging.account.consistency.delay = 3600.0
    data = {"ImageId": lagging.base_image, "InstanceType": "c5.large"}
    template = group.ec2.create_launch_template(LaunchTemplateName="new", LaunchTemplateData=data)["LaunchTemplate"]
    plain = {"MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": zones, "AutoScalingGroupName": "plain"}
    source = {"LaunchTemplateName": "new", "Version": "$Latest"}
    with pytest.raises(ClientError, match=r"ValidationError.*fully-formed launch template\. The specified launch template"):
        group.asg.create_auto_scaling_group(LaunchTemplate=source, **plain)
    wanted = {
        **{"launch_template_id": template["LaunchTemplateId"], "launch_template_version": 1, "name": "first"},
        **{"min_size": 0, "max_size": 2, "subnet_ids": zones.split(","), "target_group_arns": [group.target_group]},
        **{"health_check_grace_period": 60, "warm_up": 60, "cpu_target": 70.0, "request_target": 0.0},
        **{"capacity_rebalance": False, "mixed_instances": None, "lifecycle_hooks": [], "schedules": []},
        **{"tags": TAGS, "wait_timeout": 0},
    }
    module = load("modules", "scaling_group")
    module.run(Module(lagging, wanted))
    assert len(pauses) == 2

    data |= {"IamInstanceProfile": {"Arn": new_profile(lagging)}}
    group.ec2.create_launch_template_version(LaunchTemplateName="new", LaunchTemplateData=data)
    with pytest.raises(ClientError, match=rf"ValidationError.*fully-formed launch template\. .*{UNKNOWN}"):
        group.asg.create_auto_scaling_group(LaunchTemplate=source, **plain)
    module.run(Module(lagging, wanted | {"name": "second", "launch_template_version": 2}))
    assert len(pauses) == 4
