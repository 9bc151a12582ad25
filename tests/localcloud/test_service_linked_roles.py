"""A new account has no service-linked roles: the first call that needs one makes it, if its caller may."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud

ROLES = {
    "autoscaling": ("AWSServiceRoleForAutoScaling", "AccessDenied"),
    "elasticloadbalancing": ("AWSServiceRoleForElasticLoadBalancing", "AccessDenied"),
    "spot": ("AWSServiceRoleForEC2Spot", "AuthFailure.ServiceLinkedRoleCreationNotPermitted"),
}


def session_of(cloud: Cloud, statement: dict[str, Any]) -> Callable[[str], Any]:
    """Clients of a role that has one statement."""
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="ci", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"} | statement]}
    iam.put_role_policy(RoleName="ci", PolicyName="own", PolicyDocument=json.dumps(document))
    keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="deployment")["Credentials"]
    return lambda service: boto3.client(
        service,
        endpoint_url=cloud.url,
        region_name=constants.REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def first_call(cloud: Cloud, client: Callable[[str], Any], service: str) -> None:
    """Make the call that needs the service's role."""
    ec2 = cloud.client("ec2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    launch = {"ImageId": cloud.base_image, "InstanceType": "c5.large"}
    if service == "elasticloadbalancing":
        client("elbv2").create_load_balancer(Name="service", Subnets=subnets)
    elif service == "spot":
        market = {"InstanceMarketOptions": {"MarketType": "spot"}}
        client("ec2").run_instances(MinCount=1, MaxCount=1, **launch, **market)
    else:
        name = f"service-{len(ec2.describe_launch_templates()['LaunchTemplates'])}"
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=launch)
        client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName="service",
            LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
            MinSize=0,
            MaxSize=1,
            VPCZoneIdentifier=subnets[0],
        )


@pytest.mark.parametrize("service", ROLES)
def test_who_may_not_make_the_role_is_refused_and_who_may_makes_it(cloud: Cloud, service: str) -> None:
    iam = cloud.client("iam")
    name, code = ROLES[service]
    with pytest.raises(ClientError, match=code):
        first_call(cloud, session_of(cloud, {"Action": ["ec2:*", "autoscaling:*", "elasticloadbalancing:*"]}), service)
    assert not [role for role in iam.list_roles()["Roles"] if role["RoleName"] == name]
    iam.delete_role_policy(RoleName="ci", PolicyName="own")
    iam.delete_role(RoleName="ci")
    arn = f"arn:aws:iam::{constants.ACCOUNT_ID}:role/aws-service-role/{service}.amazonaws.com/{name}"
    first_call(cloud, session_of(cloud, {"Action": "iam:CreateServiceLinkedRole", "Resource": arn}), service)
    assert iam.get_role(RoleName=name)["Role"]["Arn"] == arn
