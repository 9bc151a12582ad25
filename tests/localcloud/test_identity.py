"""What the metadata service tells a host about itself, and the credentials of its role."""

import json

import boto3

from localcloud import settings as constants
from localcloud.metadata.identity import RoleCredentials, find_instance
from tests.localcloud.conftest import Cloud, eventually

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def launch(cloud: Cloud) -> tuple[str, str]:
    """Launch an instance with a role; return its id and address."""
    iam = cloud.client("iam")
    iam.create_role(RoleName="service", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="service")
    iam.add_role_to_instance_profile(InstanceProfileName="service", RoleName="service")
    reply = cloud.client("ec2").run_instances(
        ImageId=cloud.base_image,
        InstanceType="t3.large",
        MinCount=1,
        MaxCount=1,
        IamInstanceProfile={"Name": "service"},
        UserData="#!/bin/sh\n",
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Role", "Value": "service"}]}],
    )
    instance = reply["Instances"][0]
    return instance["InstanceId"], instance["PrivateIpAddress"]


def test_a_host_is_known_by_its_address(cloud: Cloud) -> None:
    instance_id, address = launch(cloud)
    view = find_instance(address)
    assert view is not None
    assert (view.instance_id, view.private_ip, view.image_id) == (instance_id, address, cloud.base_image)
    assert view.user_data == b"#!/bin/sh\n"
    assert view.tags == {"Role": "service"}
    assert (view.http_tokens, view.http_endpoint, view.hop_limit) == ("required", True, 1)
    assert view.role_name == "service"
    assert view.target_lifecycle_state is None
    assert find_instance("192.0.2.1") is None


def test_an_address_is_nobodys_when_its_instance_has_gone(cloud: Cloud) -> None:
    instance_id, address = launch(cloud)
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert eventually(lambda: find_instance(address) is None)


def test_the_api_knows_a_host_by_its_roles_credentials(cloud: Cloud) -> None:
    instance_id, address = launch(cloud)
    view = find_instance(address)
    assert view is not None
    credentials = RoleCredentials()
    given = credentials(view)
    assert credentials(view) == given
    caller = boto3.client(
        "sts",
        endpoint_url=cloud.url,
        region_name=constants.REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["Token"],
    ).get_caller_identity()
    assert caller["Arn"] == f"arn:aws:sts::123456789012:assumed-role/service/{instance_id}"
