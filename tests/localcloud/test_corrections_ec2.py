"""EC2 as the roles meet it: launches, states, images, launch templates, tags."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.corrections.ec2_instances import merged_block_devices
from localcloud.errors import HostError
from localcloud.hosts import reconciler
from tests.localcloud.conftest import Cloud, eventually


def launch(cloud: Cloud, **parameters: Any) -> str:
    arguments = {"ImageId": cloud.base_image, "InstanceType": "t3.large"} | parameters
    reply = cloud.client("ec2").run_instances(MinCount=1, MaxCount=1, **arguments)
    return str(reply["Instances"][0]["InstanceId"])


def instance(cloud: Cloud, instance_id: str) -> dict[str, Any]:
    reply = cloud.client("ec2").describe_instances(InstanceIds=[instance_id])
    found: dict[str, Any] = reply["Reservations"][0]["Instances"][0]
    return found


def state(cloud: Cloud, instance_id: str) -> str:
    return str(instance(cloud, instance_id)["State"]["Name"])


def running(cloud: Cloud, **parameters: Any) -> str:
    instance_id = launch(cloud, **parameters)
    eventually(lambda: state(cloud, instance_id) == "running")
    return instance_id


def template(cloud: Cloud, **data: Any) -> str:
    defaults = {"ImageId": cloud.base_image, "InstanceType": "t3.large"}
    reply = cloud.client("ec2").create_launch_template(LaunchTemplateName="service", LaunchTemplateData=defaults | data)
    return str(reply["LaunchTemplate"]["LaunchTemplateId"])


def test_an_instance_is_pending_until_its_host_runs(cloud: Cloud) -> None:
    instance_id = launch(cloud)
    eventually(lambda: state(cloud, instance_id) == "running")
    spec = cloud.hosts.specs[0]
    assert spec.instance_id == instance_id
    assert spec.image == "base"
    assert spec.private_ip == instance(cloud, instance_id)["PrivateIpAddress"]


def test_an_instance_whose_host_does_not_come_up_is_terminated_with_a_reason(cloud: Cloud) -> None:
    cloud.hosts.broken["launch"] = HostError("no space left")
    instance_id = launch(cloud)
    eventually(lambda: state(cloud, instance_id) == "terminated")
    assert instance(cloud, instance_id)["StateReason"]["Code"] == "Server.InternalError"


def test_the_network_of_a_vpc_goes_with_it_and_not_before(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_vpc(VpcId=vpc)
    assert ("remove_network", vpc) not in cloud.hosts.calls
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    assert ("remove_network", vpc) in cloud.hosts.calls


def test_a_host_waits_for_its_address_until_the_one_that_had_it_is_gone(cloud: Cloud) -> None:
    ec2, first = cloud.client("ec2"), running(cloud)
    address = instance(cloud, first)["PrivateIpAddress"]
    cloud.hosts.delay = 0.5
    ec2.terminate_instances(InstanceIds=[first])
    (second,) = (
        one["InstanceId"]
        for one in ec2.run_instances(
            ImageId=cloud.base_image, InstanceType="c5.large", MinCount=1, MaxCount=1, PrivateIpAddress=address
        )["Instances"]
    )
    eventually(lambda: state(cloud, second) == "running")
    assert [(operation, who) for operation, who in cloud.hosts.calls if operation != "stop"] == [
        ("launch", first),
        ("terminate", first),
        ("launch", second),
    ]


def test_nothing_is_left_of_an_instance_whose_host_does_not_come_up(cloud: Cloud) -> None:
    cloud.hosts.broken["launch"] = HostError("no space left")
    eventually(lambda: state(cloud, launch(cloud)) == "terminated")
    assert cloud.client("ec2").describe_volumes()["Volumes"] == []


def test_a_question_waits_for_a_host_that_is_about_to_run(cloud: Cloud) -> None:
    cloud.hosts.delay = 0.5
    instance_id = launch(cloud)
    assert state(cloud, instance_id) == "running"


def test_a_question_does_not_wait_for_a_slow_host(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "SETTLE_TIME", 0.2)
    cloud.hosts.delay = 1.5
    instance_id = launch(cloud)
    assert state(cloud, instance_id) == "pending"
    eventually(lambda: state(cloud, instance_id) == "running")


def test_stop_start_and_terminate_reach_the_host_in_order(cloud: Cloud) -> None:
    ec2, instance_id = cloud.client("ec2"), running(cloud)
    ec2.stop_instances(InstanceIds=[instance_id])
    eventually(lambda: state(cloud, instance_id) == "stopped")
    ec2.start_instances(InstanceIds=[instance_id])
    eventually(lambda: state(cloud, instance_id) == "running")
    ec2.terminate_instances(InstanceIds=[instance_id])
    eventually(lambda: state(cloud, instance_id) == "terminated")
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert [operation for operation, _ in cloud.hosts.calls] == ["launch", "stop", "start", "terminate"]


def test_a_terminated_instance_cannot_be_started(cloud: Cloud) -> None:
    ec2, instance_id = cloud.client("ec2"), running(cloud)
    ec2.terminate_instances(InstanceIds=[instance_id])
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[instance_id])


def test_a_host_that_dies_by_itself_leaves_an_instance_that_runs_and_is_impaired_until_it_is_rebooted(cloud: Cloud) -> None:
    instance_id = running(cloud)
    ec2 = cloud.client("ec2")

    def status() -> str:
        return str(ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"][0]["InstanceStatus"]["Status"])

    assert status() == "ok"
    cloud.account.reconciler.died(instance_id)
    eventually(lambda: status() == "impaired")
    assert state(cloud, instance_id) == "running"
    ec2.reboot_instances(InstanceIds=[instance_id])
    eventually(lambda: status() == "ok")


def test_a_new_instance_boots_for_as_long_as_it_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    booting = cloud.account.reconciler
    monkeypatch.setattr(booting, "_boot_delay", 45.0)
    monkeypatch.setattr(booting, "_closing", SimpleNamespace(wait=waited.append))
    running(cloud)
    assert waited == [45.0]


@pytest.mark.parametrize(("behaviour", "left"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_host_that_switches_itself_off_is_stopped_or_gone_as_its_launch_says(cloud: Cloud, behaviour: str, left: str) -> None:
    instance_id = running(cloud, InstanceInitiatedShutdownBehavior=behaviour)
    cloud.account.reconciler.powered_off(instance_id)
    eventually(lambda: state(cloud, instance_id) == left)
    assert instance(cloud, instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert (("terminate", instance_id) in cloud.hosts.calls) == (behaviour == "terminate")


def test_a_request_with_a_client_token_launches_once(cloud: Cloud) -> None:
    once = {"ClientToken": "a", "UserData": "x"}
    first = launch(cloud, **once)
    assert launch(cloud, **once) == first
    assert launch(cloud, **once | {"ClientToken": "b"}) != first
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        launch(cloud, **once | {"UserData": "y"})


def test_a_launch_takes_metadata_options_disks_profile_and_tags_from_its_template(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    iam.create_instance_profile(InstanceProfileName="service")
    template_id = template(
        cloud,
        IamInstanceProfile={"Name": "service"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        Monitoring={"Enabled": True},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True}}],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Role", "Value": "service"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "Role", "Value": "service"}]},
        ],
    )
    ec2 = cloud.client("ec2")
    reply = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateId": template_id})
    found = instance(cloud, reply["Instances"][0]["InstanceId"])
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert found["Monitoring"]["State"] == "enabled"
    assert found["IamInstanceProfile"]["Arn"].endswith("instance-profile/service")
    assert {"Key": "Role", "Value": "service"} in found["Tags"]
    (disk,) = found["BlockDeviceMappings"]
    assert disk["DeviceName"] == found["RootDeviceName"] == "/dev/xvda"
    (volume,) = ec2.describe_volumes(VolumeIds=[disk["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (50, "gp3", True)
    assert volume["Tags"] == [{"Key": "Role", "Value": "service"}]


def test_block_devices_merge_by_device_and_field() -> None:
    image = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True}}]
    wanted = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50}}, {"DeviceName": "/dev/sdb", "Ebs": {}}]
    assert merged_block_devices(image, wanted) == [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdb", "Ebs": {}},
    ]


def test_the_base_image_is_found_by_debians_owner_and_name(cloud: Cloud) -> None:
    images = cloud.client("ec2").describe_images(
        Owners=["136693071363"], Filters=[{"Name": "name", "Values": ["debian-12-amd64-*"]}]
    )["Images"]
    assert [image["ImageId"] for image in images] == [cloud.base_image]
    assert images[0]["RootDeviceName"] == "/dev/xvda"


def create_image(cloud: Cloud, instance_id: str, **parameters: Any) -> str:
    reply = cloud.client("ec2").create_image(InstanceId=instance_id, Name="service-1", **parameters)
    return str(reply["ImageId"])


def image(cloud: Cloud, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("ec2").describe_images(ImageIds=[image_id])["Images"][0]
    return found


def test_an_image_is_made_from_a_stopped_host_which_runs_again_afterwards(cloud: Cloud) -> None:
    instance_id = running(cloud)
    tags = [{"Key": "Project", "Value": "pettracker"}]
    specifications = [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]
    image_id = create_image(cloud, instance_id, TagSpecifications=specifications)
    eventually(lambda: image(cloud, image_id)["State"] == "available")
    eventually(lambda: cloud.hosts.calls[-1] == ("start", instance_id))
    assert [operation for operation, _ in cloud.hosts.calls] == ["launch", "stop", "commit", "start"]
    assert image(cloud, image_id)["Tags"] == tags
    launch(cloud, ImageId=image_id)
    eventually(lambda: len(cloud.hosts.specs) == 2)
    assert cloud.hosts.specs[1].image.endswith(image_id)


def test_an_image_without_reboot_leaves_the_host_running(cloud: Cloud) -> None:
    instance_id = running(cloud)
    image_id = create_image(cloud, instance_id, NoReboot=True)
    eventually(lambda: image(cloud, image_id)["State"] == "available")
    assert [operation for operation, _ in cloud.hosts.calls] == ["launch", "commit"]


def test_an_image_that_cannot_be_made_is_failed_and_says_why(cloud: Cloud) -> None:
    instance_id = running(cloud)
    cloud.hosts.broken["commit"] = HostError("no space left")
    image_id = create_image(cloud, instance_id)
    eventually(lambda: image(cloud, image_id)["State"] == "failed")
    assert "no space left" in image(cloud, image_id)["StateReason"]["Message"]


def test_a_deregistered_image_goes_when_its_last_instance_has_gone(cloud: Cloud) -> None:
    ec2, builder = cloud.client("ec2"), running(cloud)
    image_id = create_image(cloud, builder)
    eventually(lambda: image(cloud, image_id)["State"] == "available")
    service = running(cloud, ImageId=image_id)
    ec2.deregister_image(ImageId=image_id)
    assert not ec2.describe_images(Owners=["self"])["Images"]
    ec2.terminate_instances(InstanceIds=[service])
    eventually(lambda: cloud.hosts.calls[-1][0] == "remove_image")
    assert cloud.hosts.calls[-2] == ("terminate", service)


def test_the_base_image_cannot_be_deregistered(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="AuthFailure"):
        cloud.client("ec2").deregister_image(ImageId=cloud.base_image)


def test_a_new_template_version_inherits_from_its_source_and_can_be_launched(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    script = "IyEvYmluL3NoCg=="
    template_id = template(cloud, UserData=script)
    version = ec2.create_launch_template_version(
        LaunchTemplateId=template_id, SourceVersion="1", LaunchTemplateData={"InstanceType": "c5.large", "UserData": script}
    )["LaunchTemplateVersion"]
    assert version["VersionNumber"] == 2
    assert version["LaunchTemplateData"]["ImageId"] == cloud.base_image
    reference = {"LaunchTemplateId": template_id, "Version": "2"}
    reply = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=reference)
    launched = reply["Instances"][0]
    assert launched["InstanceType"] == "c5.large"
    data = ec2.describe_instance_attribute(InstanceId=launched["InstanceId"], Attribute="userData")
    assert data["UserData"]["Value"] == script


def test_nat_gateways_are_found_by_all_of_their_tags(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    tags = [{"Key": "Project", "Value": "pets"}, {"Key": "Environment", "Value": "dev"}]
    gateway = ec2.create_nat_gateway(
        SubnetId=subnet, AllocationId=address, TagSpecifications=[{"ResourceType": "natgateway", "Tags": tags}]
    )["NatGateway"]["NatGatewayId"]

    def found(**wanted: str) -> list[str]:
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
        return [one["NatGatewayId"] for one in ec2.describe_nat_gateways(Filter=filters)["NatGateways"]]

    assert found(Project="pets", Environment="dev") == [gateway]
    assert found(Project="pets", Environment="production") == found(Project="pets", Experiment="candidate") == []
