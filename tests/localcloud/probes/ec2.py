"""Probes of EC2."""

from typing import Any

from localcloud.corrections import (
    ec2_consistency,
    ec2_dhcp_options,
    ec2_flow_logs,
    ec2_image_settings,
    ec2_images,
    ec2_instances,
    ec2_launch_templates,
    ec2_nat_gateways,
    ec2_security_groups,
    ec2_subnets,
    ec2_tags,
    ec2_vpc_endpoints,
    quotas,
    texts,
)
from tests.localcloud.probing import LACKING, Api, probe, taken

ONE = {"MinCount": 1, "MaxCount": 1}
TAG = {"Key": "Project", "Value": "pettracker"}


def tagged(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [TAG]}]


def launch(api: Api, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api("ec2").run_instances(**ONE, ImageId=api.image, **more)["Instances"][0]
    return found


def template(api: Api, **data: Any) -> str:
    made = api("ec2").create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData={"ImageId": api.image} | data)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


@probe(ec2_consistency.NEWS, moto=True, aws="InvalidVpcID.NotFound")
def a_new_vpc(api: Api) -> Any:
    api.lag()
    vpc = api("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    return taken(lambda: api("ec2").describe_vpcs(VpcIds=[vpc]))


@probe(ec2_flow_logs.NEW_ROLE, moto=[], aws="InvalidParameter")
def flow_logs_with_a_new_role(api: Api) -> Any:
    vpc = api("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    api.lag()
    role = api("iam").create_role(RoleName="flow-logs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    return api("ec2").create_flow_logs(
        ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogGroupName="flow", DeliverLogsPermissionArn=role
    )["Unsuccessful"]


@probe(ec2_images.ROOT, moto=[("standard", 15, False)], aws=[("gp3", 8, True)])
def the_root_of_an_image(api: Api) -> Any:
    (image,) = api("ec2").describe_images(ImageIds=[api.image])["Images"]
    disks = [one["Ebs"] for one in image["BlockDeviceMappings"]]
    return [(disk["VolumeType"], disk["VolumeSize"], disk["DeleteOnTermination"]) for disk in disks]


@probe(ec2_images.UNIQUE, moto=True, aws="InvalidAMIName.Duplicate")
def two_images_of_one_name(api: Api) -> Any:
    instance = {"InstanceId": launch(api)["InstanceId"], "Name": "image", "NoReboot": True}
    api("ec2").describe_instances()
    api("ec2").create_image(**instance)
    return taken(lambda: api("ec2").create_image(**instance))


@probe(ec2_images.SNAPSHOT_TAGS, moto=LACKING, aws=[TAG])
def the_tags_of_an_images_snapshot(api: Api) -> Any:
    instance = launch(api)["InstanceId"]
    api("ec2").describe_instances()
    image = api("ec2").create_image(InstanceId=instance, Name="image", TagSpecifications=tagged("snapshot"))["ImageId"]
    (made,) = api("ec2").describe_images(ImageIds=[image])["Images"]
    snapshot = made["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    (found,) = api("ec2").describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    return found.get("Tags", [])


@probe(ec2_images.WITH_SNAPSHOTS, moto=True, aws="InvalidSnapshot.NotFound")
def the_snapshot_of_an_image_that_is_gone_with_it(api: Api) -> Any:
    instance = launch(api)["InstanceId"]
    api("ec2").describe_instances()
    image = api("ec2").create_image(InstanceId=instance, Name="image")["ImageId"]
    (made,) = api("ec2").describe_images(ImageIds=[image])["Images"]
    snapshot = made["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    api("ec2").deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    return taken(lambda: api("ec2").describe_snapshots(SnapshotIds=[snapshot]))


def own_image(api: Api) -> str:
    return str(api("ec2").register_image(Name="own", RootDeviceName="/dev/xvda", Architecture="x86_64")["ImageId"])


def described_image(api: Api, image: str) -> dict[str, Any]:
    found: dict[str, Any] = api("ec2").describe_images(ImageIds=[image])["Images"][0]
    return found


@probe(ec2_images.LISTED, moto=1, aws=0)
def how_often_a_disabled_image_is_listed(api: Api) -> Any:
    api("ec2").disable_image(ImageId=own_image(api))
    return len(api("ec2").describe_images(Filters=[{"Name": "name", "Values": ["own"]}])["Images"])


@probe(ec2_image_settings.SHARED, moto=[{"Group": "all"}], aws=[])
def who_may_use_a_disabled_image_that_was_public(api: Api) -> Any:
    ec2, image = api("ec2"), own_image(api)
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    ec2.disable_image(ImageId=image)
    return ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")["LaunchPermissions"]


@probe(ec2_image_settings.PROTECTION, moto=LACKING, aws=["enabled-with-cooldown", "disabled"])
def the_protection_of_an_image(api: Api) -> Any:
    ec2, image = api("ec2"), own_image(api)
    ec2.enable_image_deregistration_protection(ImageId=image, WithCooldown=True)
    protected = described_image(api, image)["DeregistrationProtection"]
    ec2.disable_image_deregistration_protection(ImageId=image)
    return [protected, described_image(api, image)["DeregistrationProtection"]]


@probe(ec2_image_settings.DEPRECATION, moto=LACKING, aws=["2031-05-01T00:00:00Z", None])
def the_deprecation_of_an_image(api: Api) -> Any:
    ec2, image = api("ec2"), own_image(api)
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt="2031-05-01T00:00:00Z")
    deprecated = described_image(api, image)["DeprecationTime"]
    ec2.disable_image_deprecation(ImageId=image)
    return [deprecated, described_image(api, image).get("DeprecationTime")]


@probe(ec2_image_settings.INSTANCE_TYPES, moto=LACKING, aws=[[{"InstanceType": "t3.*"}], None])
def the_instance_types_of_an_image(api: Api) -> Any:
    ec2, image = api("ec2"), own_image(api)
    given = {"SupportedInstanceTypes": ["t3.*"]}
    ec2.replace_image_instance_type_specification(ImageId=image, InstanceTypeSpecification=given)
    specified = described_image(api, image)["InstanceTypeSpecification"]
    ec2.replace_image_instance_type_specification(ImageId=image)
    return [specified["SupportedInstanceTypes"], described_image(api, image).get("InstanceTypeSpecification")]


@probe(ec2_instances.FROM_TEMPLATE, moto=("optional", "disabled"), aws=("required", "enabled"))
def what_a_launch_takes_from_its_template(api: Api) -> Any:
    identity = template(api, MetadataOptions={"HttpTokens": "required"}, Monitoring={"Enabled": True})
    made = api("ec2").run_instances(**ONE, LaunchTemplate={"LaunchTemplateId": identity})["Instances"][0]["InstanceId"]
    (found,) = api("ec2").describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"]
    return found["MetadataOptions"]["HttpTokens"], found["Monitoring"]["State"]


@probe(ec2_instances.UNKNOWN_IMAGE, moto=True, aws="InvalidAMIID.NotFound")
def an_image_that_does_not_exist(api: Api) -> Any:
    return taken(lambda: api("ec2").run_instances(**ONE, ImageId="ami-00000000000000000"))


@probe(ec2_instances.TOKENS, moto=False, aws=True)
def the_same_launch_twice(api: Api) -> Any:
    return launch(api, ClientToken="once")["InstanceId"] == launch(api, ClientToken="once")["InstanceId"]


@probe(ec2_instances.NEW_PROFILE, moto=True, aws="InvalidParameterValue")
def a_launch_with_a_new_profile(api: Api) -> Any:
    api.lag()
    api("iam").create_instance_profile(InstanceProfileName="new")
    return taken(lambda: launch(api, IamInstanceProfile={"Name": "new"}))


@probe(ec2_instances.WRONG_STATE, moto=True, aws="IncorrectInstanceState")
def stopping_what_is_terminated(api: Api) -> Any:
    own = {"InstanceIds": [launch(api)["InstanceId"]]}
    api("ec2").terminate_instances(**own)
    return taken(lambda: api("ec2").stop_instances(**own))


@probe(quotas.LIMIT, moto=True, aws="VcpuLimitExceeded")
def more_than_an_account_may_run(api: Api) -> Any:
    more = {"MinCount": 3, "MaxCount": 3, "InstanceType": "c5.24xlarge"}  # 96 vCPU each
    return taken(lambda: api("ec2").run_instances(**more, ImageId=api.image))


@probe(quotas.TOLD, moto="NoSuchResourceException", aws="L-1216C47A")
def a_quota_of_ec2(api: Api) -> Any:
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    return api("service-quotas").get_service_quota(**asked)["Quota"]["QuotaCode"]


@probe(ec2_launch_templates.USER_DATA, moto=True, aws="InvalidUserData.Malformed")
def user_data_that_are_not_encoded_in_a_later_version(api: Api) -> Any:
    version = {"LaunchTemplateId": template(api), "LaunchTemplateData": {"UserData": "#!/bin/sh"}}
    return taken(lambda: api("ec2").create_launch_template_version(**version))


@probe(ec2_launch_templates.SOURCE, moto=None, aws="c5.large")
def a_version_with_a_source(api: Api) -> Any:
    made = api("ec2").create_launch_template_version(
        LaunchTemplateId=template(api, InstanceType="c5.large"), SourceVersion="1", LaunchTemplateData={"KeyName": "key"}
    )
    return made["LaunchTemplateVersion"]["LaunchTemplateData"].get("InstanceType")


@probe(ec2_launch_templates.OWN_TAGS, moto=(True, [TAG]), aws=(False, [TAG]))
def tags_of_a_template_in_its_version(api: Api) -> Any:
    data = {"ImageId": api.image}
    api("ec2").create_launch_template(
        LaunchTemplateName="hosts", LaunchTemplateData=data, TagSpecifications=tagged("launch-template")
    )
    (version,) = api("ec2").describe_launch_template_versions(LaunchTemplateName="hosts")["LaunchTemplateVersions"]
    (found,) = api("ec2").describe_launch_templates(LaunchTemplateNames=["hosts"])["LaunchTemplates"]
    return "TagSpecifications" in version["LaunchTemplateData"], found["Tags"]


@probe(ec2_launch_templates.LATER_TAGS, moto=[], aws=[TAG])
def tags_that_a_template_gets_later(api: Api) -> Any:
    identity = template(api)
    api("ec2").create_tags(Resources=[identity], Tags=[TAG])
    (found,) = api("ec2").describe_launch_templates(LaunchTemplateIds=[identity])["LaunchTemplates"]
    return found.get("Tags", [])


@probe(ec2_launch_templates.NEWS, moto=True, aws="InvalidLaunchTemplateName.NotFoundException")
def a_new_template(api: Api) -> Any:
    api.lag()
    template(api)
    return taken(lambda: api("ec2").describe_launch_templates(LaunchTemplateNames=["hosts"]))


@probe(ec2_security_groups.MEMBERS, moto=[], aws=["-1"])
def what_the_default_group_lets_in(api: Api) -> Any:
    vpc = api("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    (group,) = api("ec2").describe_security_groups(Filters=inside)["SecurityGroups"]
    own = [{"GroupId": group["GroupId"], "UserId": group["OwnerId"]}]
    return [one["IpProtocol"] for one in group["IpPermissions"] if one["UserIdGroupPairs"] == own]


@probe(ec2_dhcp_options.OWN_SET, moto=[], aws=["domain-name", "domain-name-servers"])
def the_options_of_a_new_vpc(api: Api) -> Any:
    vpc = api("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]
    sets = api("ec2").describe_dhcp_options()["DhcpOptions"]
    own = [one for one in sets if one["DhcpOptionsId"] == vpc["DhcpOptionsId"]]
    return sorted(option["Key"] for one in own for option in one["DhcpConfigurations"])


@probe(ec2_subnets.DNS_ON_LAUNCH, moto="ip-name", aws="resource-name")
def how_hosts_of_a_subnet_are_called(api: Api) -> Any:
    subnet = api("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    api("ec2").modify_subnet_attribute(SubnetId=subnet, PrivateDnsHostnameTypeOnLaunch="resource-name")
    (described,) = api("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"]
    return described["PrivateDnsNameOptionsOnLaunch"]["HostnameType"]


@probe(ec2_vpc_endpoints.PRIVATE_DNS, moto=True, aws=False)
def the_private_names_of_a_gateway_endpoint(api: Api) -> Any:
    vpc = api("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    s3 = {"ServiceName": "com.amazonaws.us-east-1.s3", "VpcEndpointType": "Gateway"}
    return api("ec2").create_vpc_endpoint(VpcId=vpc, **s3)["VpcEndpoint"]["PrivateDnsEnabled"]


def gateway(api: Api) -> tuple[str, str]:
    subnet = api("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    address = api("ec2").allocate_address(Domain="vpc")["AllocationId"]
    made = api("ec2").create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    return made["NatGatewayId"], address


@probe(ec2_nat_gateways.INTERFACE, moto="interface", aws="nat_gateway")
def the_interface_of_a_nat_gateway(api: Api) -> Any:
    gateway(api)
    (interface,) = api("ec2").describe_network_interfaces()["NetworkInterfaces"]
    return interface["InterfaceType"]


@probe(ec2_tags.NAMES, moto=[], aws=["elastic-ip", "natgateway"])
def the_names_of_types_of_resources(api: Api) -> Any:
    api("ec2").create_tags(Resources=gateway(api), Tags=[TAG])
    of_types = [{"Name": "resource-type", "Values": ["elastic-ip", "natgateway"]}]
    return sorted(tag["ResourceType"] for tag in api("ec2").describe_tags(Filters=of_types)["Tags"])


@probe(ec2_tags.NAT_FILTER, moto=1, aws=0)
def nat_gateways_with_a_tag(api: Api) -> Any:
    gateway(api)
    with_tag = [{"Name": "tag:Project", "Values": ["pettracker"]}]
    return len(api("ec2").describe_nat_gateways(Filter=with_tag)["NatGateways"])


@probe(ec2_tags.NEWS, moto=[TAG], aws=[])
def a_new_tag(api: Api) -> Any:
    (vpc,) = api("ec2").describe_vpcs()["Vpcs"]
    api.lag()
    api("ec2").create_tags(Resources=[vpc["VpcId"]], Tags=[TAG])
    (found,) = api("ec2").describe_vpcs()["Vpcs"]
    return found.get("Tags", [])


@probe(texts.TEXTS, moto=True, aws="InvalidParameterValue")
def a_security_group_described_with_an_apostrophe(api: Api) -> Any:
    return taken(lambda: api("ec2").create_security_group(GroupName="hosts", Description="Debian's"))
