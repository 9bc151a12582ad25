"""Instances as the API sees them: clients with the keys that the metadata service gives to a role's hosts."""

import json
from typing import Any

import boto3
from botocore.config import Config

from localcloud import settings as constants
from localcloud.access.access_key import AccessKey
from localcloud.metadata.identity import RoleCredentials, find_instance
from tests.localcloud.conftest import Cloud


def client_of(cloud: Cloud, service: str, key: AccessKey) -> Any:
    config = Config(signature_version="s3v4") if service == "s3" else None
    return boto3.client(service, constants.REGION, endpoint_url=cloud.url, config=config, **key.arguments)


GROUPS = f"arn:aws:autoscaling:{constants.REGION}:{constants.ACCOUNT_ID}:autoScalingGroup:*:autoScalingGroupName"
COMPLETE_HOOKS = {"Effect": "Allow", "Action": "autoscaling:CompleteLifecycleAction", "Resource": f"{GROUPS}/service"}


def make_role(cloud: Cloud, *statements: dict[str, Any], boundary: str = "") -> None:
    """Make the role `service` with these statements, and its instance profile."""
    iam = cloud.client("iam")
    bound = {"PermissionsBoundary": boundary} if boundary else {}
    iam.create_role(RoleName="service", AssumeRolePolicyDocument=document(), **bound)
    permit(cloud, *statements)
    iam.create_instance_profile(InstanceProfileName="service")
    iam.add_role_to_instance_profile(InstanceProfileName="service", RoleName="service")


def permit(cloud: Cloud, *statements: dict[str, Any]) -> None:
    """Give the role `service` these statements, and no others."""
    cloud.client("iam").put_role_policy(RoleName="service", PolicyName="service", PolicyDocument=document(*statements))


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on} | more


class Host:
    """An instance whose role has some policies, with the keys that the metadata service gives it."""

    def __init__(self, cloud: Cloud, *statements: dict[str, Any], boundary: str = "") -> None:
        self.cloud = cloud
        make_role(cloud, *statements, boundary=boundary)
        launched = cloud.client("ec2").run_instances(
            **{"ImageId": cloud.base_image, "MinCount": 1, "MaxCount": 1, "InstanceType": "c5.large"},
            IamInstanceProfile={"Name": "service"},
        )["Instances"][0]
        view = find_instance(launched["PrivateIpAddress"])
        assert view is not None
        given = RoleCredentials()(view)
        self.key = AccessKey(given["AccessKeyId"], given["SecretAccessKey"], given["Token"])
        self.instance_id = launched["InstanceId"]
        self.arn = f"arn:aws:sts::{constants.ACCOUNT_ID}:assumed-role/service/{self.instance_id}"

    def may(self, *statements: dict[str, Any]) -> None:
        """Give the role these statements, and no others."""
        permit(self.cloud, *statements)

    def client(self, service: str) -> Any:
        return client_of(self.cloud, service, self.key)
